"""A port, as the API shows it."""

from __future__ import annotations

from typing import Any

from iaas.api.network.words import stamps
from iaas.db import codec
from iaas.network.api.ports import Port


def port(found: Port, *, binding: bool) -> dict[str, Any]:
    """Return a port; ``binding`` adds what only an administrator sees."""
    row = found.row
    pairs = codec.load(row.allowed_pairs, [])
    shown: dict[str, Any] = {
        "id": row.id,
        "name": row.name,
        "network_id": row.network_id,
        "admin_state_up": row.admin_state_up,
        "mac_address": row.mac,
        "fixed_ips": [{"subnet_id": item.subnet_id, "ip_address": item.address} for item in found.addresses],
        "device_id": row.device_id,
        "device_owner": row.device_owner,
        "status": row.status,
        "security_groups": found.group_ids,
        "allowed_address_pairs": [{"ip_address": ip, "mac_address": mac or row.mac} for ip, mac in pairs],
        "port_security_enabled": row.port_security,
        "binding:vnic_type": row.vnic_type,
        **stamps(row),
    }
    if binding:
        shown["binding:host_id"] = row.host or ""
        shown["binding:profile"] = {}
        shown["binding:vif_type"] = "tap" if row.host else "unbound"
        shown["binding:vif_details"] = {"port_filter": row.port_security} if row.host else {}
    return shown
