"""Bodies that ask for a console. Source: https://docs.openstack.org/api-ref/compute/#server-consoles

What a client may write is more than what is served: types that are not are refused with their names.
"""

from __future__ import annotations

from iaas.common.rest import schemas as s

_TYPES = ["novnc", "xvpvnc", "spice-html5", "rdp-html5", "serial"]


def _create(protocols: list[str], types: list[str]) -> s.Schema:
    wanted = s.obj(("protocol", "type"), protocol={"enum": protocols}, type={"enum": types})
    return s.obj(("remote_console",), remote_console=wanted)


def _action(name: str, *types: str) -> s.Schema:
    return s.obj((name,), **{name: s.obj(("type",), type={"enum": list(types)})})


CREATE_2_6 = _create(["vnc", "spice", "rdp", "serial"], _TYPES)
CREATE_2_8 = _create(["vnc", "spice", "rdp", "serial", "mks"], [*_TYPES, "webmks"])
GET_VNC = _action("os-getVNCConsole", "novnc", "xvpvnc")
GET_SERIAL = _action("os-getSerialConsole", "serial")
GET_SPICE = _action("os-getSPICEConsole", "spice-html5")
GET_RDP = _action("os-getRDPConsole", "rdp-html5")
