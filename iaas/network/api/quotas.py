"""The verbs of network quotas: https://docs.openstack.org/api-ref/network/v2/#quotas."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from iaas.common import errors
from iaas.common.context import RequestContext
from iaas.db import quotas as db
from iaas.db.tx import Tx

#: the API's word → the resource counted
RESOURCES = {
    "network": "networks",
    "subnet": "subnets",
    "port": "ports",
    "security_group": "security_groups",
    "security_group_rule": "security_group_rules",
}


def defaults(clients: Any, ctx: RequestContext) -> dict[str, int]:
    """Return the limits of a project that has none of its own."""
    with clients.db.read(ctx) as tx:
        return _defaults(tx, clients)


def _defaults(tx: Tx, clients: Any) -> dict[str, int]:
    limits = db.default_limits(tx, list(RESOURCES.values()), clients.settings.quota)
    return {word: limits[resource] for word, resource in RESOURCES.items()}


def show(clients: Any, ctx: RequestContext, project_id: str) -> dict[str, tuple[int, int]]:
    """Return (limit, used) of each resource of a project."""
    with clients.db.read(ctx) as tx:
        return _of(tx, clients, project_id)


def _of(tx: Tx, clients: Any, project_id: str) -> dict[str, tuple[int, int]]:
    rows = {row.resource: row for row in db.of_project(tx, project_id, list(RESOURCES.values()))}
    limits = _defaults(tx, clients)
    return {
        word: (rows[resource].hard_limit, rows[resource].used) if resource in rows else (limits[word], 0)
        for word, resource in RESOURCES.items()
    }


def own(clients: Any, ctx: RequestContext) -> dict[str, dict[str, tuple[int, int]]]:
    """Return the quotas of every project that has limits of its own."""
    with clients.db.read(ctx) as tx:
        projects = db.with_own_limits(tx, list(RESOURCES.values()))
        return {project_id: _of(tx, clients, project_id) for project_id in projects}


def update(
    clients: Any, ctx: RequestContext, project_id: str, limits: Mapping[str, int], *, force: bool = True
) -> dict[str, tuple[int, int]]:
    """Give a project limits of its own and return what holds now.

    :param force: also limits below what it uses already
    :raises Invalid: a limit is below what is used.
    """

    def write(tx: Tx) -> dict[str, tuple[int, int]]:
        for word, limit in limits.items():
            if not db.set_limit(tx, project_id, RESOURCES[word], limit, force=force):
                raise errors.Invalid(reason=f"Quota limit {limit} of {word} is below what the project uses already.")
        return _of(tx, clients, project_id)

    return clients.db.write(ctx, write)


def reset(clients: Any, ctx: RequestContext, project_id: str) -> None:
    """Let the configured limits hold for a project again."""
    clients.db.write(ctx, db.drop_limits, project_id, clients.settings.quota, list(RESOURCES.values()))
