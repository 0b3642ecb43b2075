"""Queries on ports and their addresses that jobs and core verbs share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from iaas.db.models.networks import fixed_ips, networks, port_groups, ports, subnets
from iaas.db.tx import Tx


def of_instance(tx: Tx, instance_id: str) -> Sequence[sa.Row[Any]]:
    """Return the ports of an instance with their network's MTU, in the order of its interfaces."""
    query = (
        sa.select(ports, networks.c.mtu.label("mtu"))
        .join(networks, networks.c.id == ports.c.network_id)
        .where(ports.c.device_id == instance_id)
        .order_by(ports.c.device_index, ports.c.created_at)
    )
    return tx.all(query)


def bind(tx: Tx, instance_id: str, host: str | None) -> int:
    """Bind an instance's ports to a host (None unbinds); return how many there are."""
    values = {"host": host, "status": "DOWN", "revision": ports.c.revision + 1}
    return tx.count(sa.update(ports).where(ports.c.device_id == instance_id).values(**values))


def release(tx: Tx, instance_id: str) -> None:
    """Let go of an instance's ports: those made for it go, with their addresses; the others are free again."""
    mine = ports.c.device_id == instance_id
    doomed = [row.id for row in tx.all(sa.select(ports.c.id).where(mine, ports.c.made_for_instance.is_(True)))]
    if doomed:
        tx.execute(sa.delete(fixed_ips).where(fixed_ips.c.port_id.in_(doomed)))
        tx.execute(sa.delete(port_groups).where(port_groups.c.port_id.in_(doomed)))
        tx.execute(sa.delete(ports).where(ports.c.id.in_(doomed)))
    free = {"device_id": "", "device_owner": "", "host": None, "status": "DOWN", "dns_name": ""}
    tx.execute(sa.update(ports).where(mine).values(revision=ports.c.revision + 1, **free))


def addresses(tx: Tx, port_ids: Sequence[str]) -> Sequence[sa.Row[Any]]:
    """Return (port_id, subnet_id, address, ip_version) of these ports."""
    query = (
        sa.select(fixed_ips.c.port_id, fixed_ips.c.subnet_id, fixed_ips.c.address, subnets.c.ip_version)
        .join(subnets, subnets.c.id == fixed_ips.c.subnet_id)
        .where(fixed_ips.c.port_id.in_(list(port_ids)))
    )
    return tx.all(query)
