"""Bodies of networks."""

from __future__ import annotations

from iaas.api.network.schemas import DESCRIPTION, NAME, PROJECT, create, update
from iaas.common.rest.schemas import BOOLEAN, NULL, Schema, integer, nullable, obj

_BOTH: dict[str, Schema] = {
    "name": NAME,
    "description": DESCRIPTION,
    "admin_state_up": BOOLEAN,
    "mtu": integer(68, 9000),
    "port_security_enabled": BOOLEAN,
    "shared": BOOLEAN,
    "router:external": BOOLEAN,
    "is_default": BOOLEAN,
    "qos_policy_id": NULL,
}
_PROVIDER: dict[str, Schema] = {
    "provider:network_type": nullable({"enum": ["flat"]}),
    "provider:physical_network": NULL,
    "provider:segmentation_id": NULL,
}

CREATE = create("network", "networks", obj((), **_BOTH, **_PROVIDER, project_id=PROJECT, tenant_id=PROJECT))
UPDATE = update("network", obj((), **_BOTH))
