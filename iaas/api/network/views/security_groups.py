"""A security group and a rule, as the API shows them."""

from __future__ import annotations

from typing import Any

from iaas.api.network.words import stamps
from iaas.network.api.security_groups import Group


def group(found: Group) -> dict[str, Any]:
    """Return a security group with its rules."""
    row = found.row
    return {
        "id": row.id,
        "name": row.name,
        "stateful": row.stateful,
        "shared": False,
        "security_group_rules": [rule(item) for item in found.rules],
        **stamps(row),
    }


def rule(row: Any) -> dict[str, Any]:
    """Return a rule."""
    return {
        "id": row.id,
        "security_group_id": row.group_id,
        "direction": row.direction,
        "ethertype": row.ethertype,
        "protocol": row.protocol,
        "port_range_min": row.port_min,
        "port_range_max": row.port_max,
        "remote_ip_prefix": row.remote_cidr,
        "normalized_cidr": row.remote_cidr,
        "remote_group_id": row.remote_group_id,
        "remote_address_group_id": None,
        **stamps(row),
    }
