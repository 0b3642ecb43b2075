"""Quotas and limits: what a project may use, and what it uses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from iaas.common import errors
from iaas.common.context import RequestContext
from iaas.db import quotas as db
from iaas.db.tx import Tx

#: what compute counts or bounds, in the order it is shown
COMPUTE = ("instances", "cores", "ram", "key_pairs", "metadata_items", "server_groups", "server_group_members")
#: what compute showed while it had networks of its own; the network service counts them now
NETWORK = ("security_groups", "security_group_rules")
#: what older versions show and no service here counts: the limit is kept and shown, and binds nothing
UNCOUNTED: Mapping[str, int] = {
    "floating_ips": db.UNLIMITED,
    "fixed_ips": db.UNLIMITED,
    "injected_files": 0,
    "injected_file_content_bytes": 0,
    "injected_file_path_bytes": 0,
}
ALL = (*COMPUTE, *NETWORK, *UNCOUNTED)


class BelowUsage(errors.IaasError):
    kind = errors.Kind.INVALID
    template = "The project uses more of {resource} than the new limit {limit}; force it if that is meant."


@dataclass(frozen=True)
class Quota:
    """One limit, -1 for none, and how much of it is used."""

    limit: int
    used: int


def show(clients: Any, ctx: RequestContext, project_id: str) -> dict[str, Quota]:
    """Return what a project may use and uses, of :data:`ALL` resources."""
    with clients.db.read(ctx) as tx:
        return _of(tx, project_id, clients.settings.quota)


def defaults(clients: Any, ctx: RequestContext) -> dict[str, int]:
    """Return the limits of a project that has none of its own."""
    with clients.db.read(ctx) as tx:
        return _defaults(tx, clients.settings.quota)


def update(
    clients: Any, ctx: RequestContext, project_id: str, limits: Mapping[str, int], *, force: bool = False
) -> dict[str, Quota]:
    """Give a project limits of its own: all of ``limits`` or none.

    :raises BelowUsage: it uses more already, and ``force`` is not set.
    """

    def change(tx: Tx) -> dict[str, Quota]:
        for resource, limit in limits.items():
            if not db.set_limit(tx, project_id, resource, limit, force=force):
                raise BelowUsage(resource=resource, limit=limit)
        return _of(tx, project_id, clients.settings.quota)

    return clients.db.write(ctx, change)


def reset(clients: Any, ctx: RequestContext, project_id: str) -> None:
    """Take a project's own limits away: the defaults hold again."""
    clients.db.write(ctx, db.drop_limits, project_id, clients.settings.quota)


def set_defaults(clients: Any, ctx: RequestContext, limits: Mapping[str, int]) -> dict[str, int]:
    """Change the limits of every project that has none of its own."""

    def change(tx: Tx) -> dict[str, int]:
        for resource, limit in limits.items():
            db.set_default(tx, resource, limit)
        return _defaults(tx, clients.settings.quota)

    return clients.db.write(ctx, change)


def _defaults(tx: Tx, configured: Any) -> dict[str, int]:
    uncounted = {row.resource: row.hard_limit for row in db.of_project(tx, db.DEFAULTS, list(UNCOUNTED))}
    return {**db.default_limits(tx, [*COMPUTE, *NETWORK], configured), **UNCOUNTED, **uncounted}


def _of(tx: Tx, project_id: str, configured: Any) -> dict[str, Quota]:
    rows = {row.resource: row for row in db.of_project(tx, project_id, ALL)}
    return {
        name: Quota(rows[name].hard_limit, rows[name].used) if name in rows else Quota(limit, 0)
        for name, limit in _defaults(tx, configured).items()
    }
