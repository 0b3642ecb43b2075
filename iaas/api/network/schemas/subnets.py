"""Bodies of subnets."""

from __future__ import annotations

from iaas.api.network.schemas import DESCRIPTION, NAME, PROJECT, create, update
from iaas.common.rest.schemas import BOOLEAN, NULL, UUID, Schema, array, nullable, obj

IP: Schema = {"type": "string", "maxLength": 64, "format": "ip"}
CIDR: Schema = {"type": "string", "maxLength": 64, "format": "cidr"}

_BOTH: dict[str, Schema] = {
    "name": NAME,
    "description": DESCRIPTION,
    "enable_dhcp": BOOLEAN,
    "gateway_ip": nullable(IP),
    "allocation_pools": nullable(array(obj(("start", "end"), start=IP, end=IP), 0, 20)),
    "dns_nameservers": nullable(array(IP, 0, 20)),
    "host_routes": nullable(array(obj(("destination", "nexthop"), destination=CIDR, nexthop=IP), 0, 40)),
    "service_types": array({}, 0, 0),
    "segment_id": NULL,
}
_CREATE: dict[str, Schema] = {
    "network_id": UUID,
    "cidr": CIDR,
    "ip_version": {"enum": [4, 6, "4", "6"]},
    "ipv6_ra_mode": NULL,
    "ipv6_address_mode": NULL,
    "subnetpool_id": NULL,
    "project_id": PROJECT,
    "tenant_id": PROJECT,
}

CREATE = create("subnet", "subnets", obj(("network_id", "cidr"), **_BOTH, **_CREATE))
UPDATE = update("subnet", obj((), **_BOTH))
