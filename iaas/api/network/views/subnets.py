"""A subnet, as the API shows it."""

from __future__ import annotations

from typing import Any

from iaas.api.network.words import stamps
from iaas.db import codec


def subnet(row: Any) -> dict[str, Any]:
    """Return a subnet."""
    return {
        "id": row.id,
        "name": row.name,
        "network_id": row.network_id,
        "ip_version": row.ip_version,
        "cidr": row.cidr,
        "gateway_ip": row.gateway_ip,
        "enable_dhcp": row.enable_dhcp,
        "allocation_pools": codec.load(row.allocation_pools, []),
        "dns_nameservers": codec.load(row.dns_nameservers, []),
        "host_routes": codec.load(row.host_routes, []),
        "ipv6_ra_mode": None,
        "ipv6_address_mode": None,
        "subnetpool_id": None,
        **stamps(row),
    }
