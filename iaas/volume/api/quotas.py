"""Verbs on what a project may use of block storage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from iaas.common.context import RequestContext
from iaas.db import quotas
from iaas.db.tx import Tx

RESOURCES = ("volumes", "gigabytes", "snapshots")


@dataclass(frozen=True)
class Usage:
    """What a project may use of one resource, -1 for no limit, and what it uses."""

    limit: int
    used: int


def show(clients: Any, ctx: RequestContext, project_id: str) -> dict[str, Usage]:
    """Return limit and use of each resource; the configured limit where the project has used nothing yet."""
    with clients.db.read(ctx) as tx:
        rows = {row.resource: row for row in quotas.of_project(tx, project_id, RESOURCES)}
    usages = {name: Usage(row.hard_limit, row.used) for name, row in rows.items()}
    return {name: usages.get(name, Usage(limit, 0)) for name, limit in defaults(clients).items()}


def defaults(clients: Any) -> dict[str, int]:
    """Return the limits of a project that has none of its own."""
    return {name: getattr(clients.settings.quota, name) for name in RESOURCES}


def update(clients: Any, ctx: RequestContext, project_id: str, limits: Mapping[str, int]) -> None:
    """Give a project limits of its own; what it uses already stays."""

    def write(tx: Tx) -> None:
        for name, limit in limits.items():
            quotas.set_limit(tx, project_id, name, limit)

    clients.db.write(ctx, write)
