"""Names of many things at once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from iaas.db.models.identity import domains, groups, projects, roles, users
from iaas.db.tx import Tx

_TABLES = {"user": users, "group": groups, "project": projects, "role": roles}
_STEP = 500


def of_assignments(tx: Tx, lines: Iterable[Any]) -> dict[tuple[str, str], tuple[str, str | None]]:
    """Return (kind, id) -> (name, domain id or None) of all that the lines name."""
    wanted: dict[str, set[str]] = {kind: set() for kind in (*_TABLES, "domain", "system")}
    for line in lines:
        wanted[line.actor_type].add(line.actor_id)
        wanted[line.target_type].add(line.target_id)
        wanted["role"].add(line.role_id)
    found: dict[tuple[str, str], tuple[str, str | None]] = {}
    for kind, table in _TABLES.items():
        ids = sorted(wanted[kind])
        for start in range(0, len(ids), _STEP):
            query = sa.select(table.c.id, table.c.name, table.c.domain_id)
            for row in tx.all(query.where(table.c.id.in_(ids[start : start + _STEP]))):
                found[kind, row.id] = (row.name, row.domain_id or None)
    needed = wanted["domain"] | {domain_id for _, domain_id in found.values() if domain_id}
    for row in tx.all(sa.select(domains.c.id, domains.c.name).where(domains.c.id.in_(sorted(needed)[:_STEP]))):
        found["domain", row.id] = (row.name, None)
    return found
