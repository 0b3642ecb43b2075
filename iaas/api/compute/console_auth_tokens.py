"""What is behind a console's token: https://docs.openstack.org/api-ref/compute/#show-console-connection-information"""

from __future__ import annotations

from typing import Any

from iaas.common import errors
from iaas.common.rest.operations import Call, Resource
from iaas.compute.api import consoles

resource = Resource()


@resource.operation("GET", "/os-console-auth-tokens/{token}", policy="compute:console_tokens:read")
def show(call: Call) -> dict[str, Any]:
    """Show where the console of a token is, without using the token.

    :raises Invalid: before 2.31 only RDP consoles are shown, which no guest has.
    """
    found = consoles.place(call.clients, call.ctx, call.path["token"])
    if not call.at_least("2.31"):
        raise errors.Invalid(reason="Before microversion 2.31 only tokens of RDP consoles can be shown.")
    return {
        "console": {
            "instance_uuid": found.instance_id,
            "host": found.host,
            "port": found.port,
            "internal_access_path": found.path,
        }
    }
