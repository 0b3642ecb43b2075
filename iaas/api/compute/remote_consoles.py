"""Consoles of servers: https://docs.openstack.org/api-ref/compute/#server-consoles

Served are VNC (``novnc``) and ``serial``.  The URL of either is that of a WebSocket of the console proxy; an operator
who has a noVNC page names it in ``[console] novnc_url`` and the URL of VNC consoles is that of the page.
"""

from __future__ import annotations

from typing import Any

from iaas.api.compute.schemas import remote_consoles as schemas
from iaas.api.compute.servers import server_id
from iaas.common import errors
from iaas.common.rest.operations import Call, Resource
from iaas.compute.api import consoles

resource = Resource()
_POLICY = "compute:servers:console"
_ACTION = "/servers/{server_id}/action"
#: (protocol, type) of the API → kind of console of a guest
SERVED = {("vnc", "novnc"): "vnc", ("serial", "serial"): "serial"}


class TypeUnavailable(errors.IaasError):
    kind = errors.Kind.INVALID
    template = "Unavailable console type {type} of protocol {protocol}: guests here have vnc/novnc and serial/serial."


@resource.operation(
    "POST",
    "/servers/{server_id}/remote-consoles",
    policy=_POLICY,
    first="2.6",
    body={"2.6": schemas.CREATE_2_6, "2.8": schemas.CREATE_2_8},
)
def create(call: Call) -> dict[str, Any]:
    """Make a URL that opens a console once."""
    wanted = call.body["remote_console"]
    return {"remote_console": {**wanted, "url": _url(call, wanted["protocol"], wanted["type"])}}


@resource.operation(
    "POST", _ACTION, action="os-getVNCConsole", policy=_POLICY, last="2.5", body={"2.1": schemas.GET_VNC}
)
def get_vnc(call: Call) -> dict[str, Any]:
    """Make a URL that opens the screen once."""
    return _console(call, "vnc", call.body["os-getVNCConsole"]["type"])


@resource.operation(
    "POST", _ACTION, action="os-getSerialConsole", policy=_POLICY, last="2.5", body={"2.1": schemas.GET_SERIAL}
)
def get_serial(call: Call) -> dict[str, Any]:
    """Make a URL that opens the serial console once."""
    return _console(call, "serial", call.body["os-getSerialConsole"]["type"])


@resource.operation(
    "POST",
    _ACTION,
    action="os-getSPICEConsole",
    policy=_POLICY,
    last="2.5",
    body={"2.1": schemas.GET_SPICE},
    served=False,
)
def get_spice(call: Call) -> dict[str, Any]:
    """Refuse a SPICE console: guests have none.

    :raises TypeUnavailable: always.
    """
    return _console(call, "spice", call.body["os-getSPICEConsole"]["type"])


@resource.operation(
    "POST", _ACTION, action="os-getRDPConsole", policy=_POLICY, last="2.5", body={"2.1": schemas.GET_RDP}, served=False
)
def get_rdp(call: Call) -> dict[str, Any]:
    """Refuse an RDP console: guests have none.

    :raises TypeUnavailable: always.
    """
    return _console(call, "rdp", call.body["os-getRDPConsole"]["type"])


def _console(call: Call, protocol: str, type_: str) -> dict[str, Any]:
    return {"console": {"type": type_, "url": _url(call, protocol, type_)}}


def _url(call: Call, protocol: str, type_: str) -> str:
    kind = SERVED.get((protocol, type_))
    if kind is None:
        raise TypeUnavailable(protocol=protocol, type=type_)
    return consoles.create(call.clients, call.ctx, server_id(call), kind)
