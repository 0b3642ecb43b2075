"""Who asks the metadata API: a live row for (network, source address), in one statement and never from a cache."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from iaas.db.models.instances import instances
from iaas.db.models.networks import fixed_ips, ports
from iaas.db.ports import COMPUTE_OWNER
from iaas.db.tx import Tx


def instance_at(tx: Tx, network_id: str, address: str) -> sa.Row[Any] | None:
    """Return the instance whose port on the network has the address now, or None."""
    query = (
        sa.select(instances)
        .join(ports, ports.c.device_id == instances.c.id)
        .join(fixed_ips, fixed_ips.c.port_id == ports.c.id)
        .where(
            fixed_ips.c.address == address,
            ports.c.network_id == network_id,
            ports.c.device_owner.like(f"{COMPUTE_OWNER}%"),
            ports.c.host.isnot(None),
        )
    )
    return tx.one(query)
