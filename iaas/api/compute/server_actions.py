"""Actions on servers: https://docs.openstack.org/api-ref/compute/#servers-run-an-action-servers-action"""

from __future__ import annotations

from typing import Any

from iaas.api.compute.schemas import servers as schemas
from iaas.api.compute.servers import server_id
from iaas.common.rest.operations import Call, Resource
from iaas.common.rest.schemas import to_int
from iaas.compute.api import power

resource = Resource()
PATH = "/servers/{server_id}/action"


@resource.operation(
    "POST", PATH, action="os-start", policy="compute:servers:power", body={"2.1": schemas.START}, status=202
)
def start(call: Call) -> None:
    """Start a stopped server."""
    power.start(call.clients, call.ctx, server_id(call))


@resource.operation(
    "POST", PATH, action="os-stop", policy="compute:servers:power", body={"2.1": schemas.STOP}, status=202
)
def stop(call: Call) -> None:
    """Stop a running server."""
    power.stop(call.clients, call.ctx, server_id(call))


@resource.operation(
    "POST", PATH, action="reboot", policy="compute:servers:power", body={"2.1": schemas.REBOOT}, status=202
)
def reboot(call: Call) -> None:
    """Reboot a server softly or hard."""
    hard = call.body["reboot"]["type"].upper() == "HARD"
    power.reboot(call.clients, call.ctx, server_id(call), hard=hard)


@resource.operation(
    "POST",
    PATH,
    action="os-getConsoleOutput",
    policy="compute:servers:console_output",
    body={"2.1": schemas.CONSOLE_OUTPUT},
)
def console_output(call: Call) -> Any:
    """Show the end of a server's console log."""
    length = call.body["os-getConsoleOutput"].get("length")
    lines = to_int(-1 if length is None else length, -1, name="length")
    lines = None if lines == -1 else lines
    return {"output": power.console_log(call.clients, call.ctx, server_id(call), lines)}
