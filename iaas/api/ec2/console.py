"""Consoles: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_GetConsoleOutput.html"""

from __future__ import annotations

import base64
from typing import Any

from iaas.api.ec2 import ids, instances
from iaas.api.ec2.action import Actions, Call
from iaas.common import runtime
from iaas.compute.api import ec2, power

actions = Actions()
MAX_BYTES = 64 * 1024


@actions.action("GetConsoleOutput", policy="compute:servers:console_output")
def get_console_output(call: Call) -> dict[str, Any]:
    """Show the last 64 KiB an instance wrote to its serial console, in base64."""
    ec2_id = ids.check("instance", call.params["InstanceId"])
    row = ec2.get(call.clients, call.ctx, ec2_id)
    text = ""
    if row.host is not None:  # before that there is nothing it could have written to
        with instances.told_by_ec2_ids():
            text = power.console_log(call.clients, call.ctx, row.id, None)
    output = base64.b64encode(text.encode()[-MAX_BYTES:]).decode()
    return {"instanceId": ec2_id, "timestamp": runtime.now(), "output": output}
