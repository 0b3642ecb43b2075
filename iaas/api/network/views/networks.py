"""A network, as the API shows it."""

from __future__ import annotations

from typing import Any

from iaas.api.network.words import stamps
from iaas.network.api.networks import Network

STATUS = "ACTIVE"


def network(found: Network, *, provider: bool) -> dict[str, Any]:
    """Return a network; ``provider`` adds what only an administrator sees."""
    row = found.row
    shown: dict[str, Any] = {
        "id": row.id,
        "name": row.name,
        "admin_state_up": row.admin_state_up,
        "status": STATUS,
        "subnets": found.subnet_ids,
        "shared": row.shared,
        "router:external": row.external,
        "is_default": row.is_default,
        "mtu": row.mtu,
        "port_security_enabled": row.port_security,
        **stamps(row),
    }
    if provider:
        shown["provider:network_type"] = row.type
        shown["provider:physical_network"] = row.physical
        shown["provider:segmentation_id"] = row.segment
    return shown
