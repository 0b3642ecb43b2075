"""Bodies of security groups and their rules."""

from __future__ import annotations

from iaas.api.network.schemas import DESCRIPTION, PROJECT, create, update
from iaas.common.rest.schemas import BOOLEAN, NULL, UUID, Schema, integer, nullable, obj

_NAME: Schema = {"type": "string", "maxLength": 255, "format": "no-control"}
_BOTH: dict[str, Schema] = {"name": _NAME, "description": DESCRIPTION, "stateful": BOOLEAN}

CREATE = create("security_group", "security_groups", obj(("name",), **_BOTH, project_id=PROJECT, tenant_id=PROJECT))
UPDATE = update("security_group", obj((), **_BOTH))

_PORT = nullable(integer(-(2**31), 2**31 - 1))  # what is no port, or no ICMP type, the verb says better
_PROTOCOL: Schema = {"type": ["string", "integer", "null"], "maxLength": 40, "minimum": 0, "maximum": 255}
_RULE: dict[str, Schema] = {
    "security_group_id": UUID,
    "direction": {"enum": ["ingress", "egress"]},
    "ethertype": {"type": ["string", "null"], "pattern": "^[iI][pP][vV][46]$"},
    "protocol": _PROTOCOL,
    "port_range_min": _PORT,
    "port_range_max": _PORT,
    "remote_ip_prefix": {"type": ["string", "null"], "maxLength": 64},
    "remote_group_id": {"type": ["string", "null"], "maxLength": 64},  # what is no id is not found
    "remote_address_group_id": NULL,
    "description": DESCRIPTION,
    "project_id": PROJECT,
    "tenant_id": PROJECT,
}
CREATE_RULE = create("security_group_rule", "security_group_rules", obj(("security_group_id", "direction"), **_RULE))
