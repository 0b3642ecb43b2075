"""Bodies of ports."""

from __future__ import annotations

from iaas.api.network.schemas import DESCRIPTION, NAME, PROJECT, create, update
from iaas.api.network.schemas.subnets import CIDR, IP
from iaas.common.rest.schemas import BOOLEAN, NULL, UUID, Schema, array, nullable, obj

MAC: Schema = {"type": "string", "maxLength": 32}
_FIXED = {**obj(subnet_id=UUID, ip_address=IP), "minProperties": 1}
_PAIR = obj(("ip_address",), ip_address=CIDR, mac_address=MAC)

_BOTH: dict[str, Schema] = {
    "name": NAME,
    "description": DESCRIPTION,
    "admin_state_up": BOOLEAN,
    "mac_address": nullable(MAC),
    "fixed_ips": nullable(array(_FIXED, 0, 50)),
    "security_groups": nullable(array(UUID, 0, 100)),
    "port_security_enabled": BOOLEAN,
    "allowed_address_pairs": nullable(array(_PAIR, 0, 100)),
    "device_id": {"type": "string", "maxLength": 255},
    "device_owner": {"type": "string", "maxLength": 255},
    "binding:vnic_type": {"enum": ["normal"]},
    "binding:host_id": nullable({"enum": [""]}),
    "binding:profile": nullable({"type": "object", "maxProperties": 0}),
    "extra_dhcp_opts": nullable(array({}, 0, 0)),
    "qos_policy_id": NULL,
    "numa_affinity_policy": NULL,
}

_MAKE = obj(("network_id",), **_BOTH, network_id=UUID, project_id=PROJECT, tenant_id=PROJECT)
CREATE = create("port", "ports", _MAKE)
UPDATE = update("port", obj((), **_BOTH))
