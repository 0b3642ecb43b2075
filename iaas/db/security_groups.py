"""Queries on security groups and their rules. Each takes the caller's transaction and never commits."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc

from iaas.common import errors, runtime
from iaas.common.context import RequestContext
from iaas.db import paging
from iaas.db.models.networks import fixed_ips, port_groups, ports
from iaas.db.models.networks import security_group_rules as rules
from iaas.db.models.networks import security_groups as groups
from iaas.db.ports import COMPUTE_OWNER
from iaas.db.tx import Tx


class GroupNotFound(errors.IaasError):
    kind = errors.Kind.NOT_FOUND
    template = "Security group {id} does not exist"


class RuleNotFound(errors.IaasError):
    kind = errors.Kind.NOT_FOUND
    template = "Security group rule {id} does not exist"


class GroupInUse(errors.IaasError):
    kind = errors.Kind.CONFLICT
    template = "Security Group {id} in use."


def visible_to(ctx: RequestContext) -> sa.ColumnElement[bool]:
    """The groups a request may see: its own project's; an admin sees all."""
    return sa.true() if ctx.is_admin else groups.c.project_id == ctx.project_id


def rule_visible_to(ctx: RequestContext) -> sa.ColumnElement[bool]:
    """The rules a request may see: those of the groups it may see."""
    if ctx.is_admin:
        return sa.true()
    own = sa.select(groups.c.id).where(groups.c.project_id == ctx.project_id)
    return sa.or_(rules.c.project_id == ctx.project_id, rules.c.group_id.in_(own))


# -- groups ------------------------------------------------------------------------------------------------


def get(tx: Tx, group_id: str) -> sa.Row[Any]:
    """Return one group the request may see.

    :raises GroupNotFound: no such row, or it belongs to another project.
    """
    row = tx.one(sa.select(groups).where(groups.c.id == group_id, visible_to(tx.ctx)))
    if row is None:
        raise GroupNotFound(id=group_id)
    return row


def page(
    tx: Tx, filters: Sequence[Any], sort: Sequence[tuple[str, str]], limit: int, marker: str | None
) -> Sequence[sa.Row[Any]]:
    """Return one page of the visible groups.

    :raises Invalid: the marker is not a visible group.
    """
    query = sa.select(groups).where(visible_to(tx.ctx), *filters)
    return paging.page(tx, query, groups, sort, limit, marker)


def named(tx: Tx, project_id: str | None, names: Sequence[str]) -> Sequence[sa.Row[Any]]:
    """Return the project's groups whose id or name is among ``names``."""
    which = sa.or_(groups.c.id.in_(list(names)), groups.c.name.in_(list(names)))
    return tx.all(sa.select(groups).where(groups.c.project_id == project_id, which))


def default_of(tx: Tx, project_id: str | None) -> sa.Row[Any] | None:
    """Return the project's default group, or None before its first use."""
    return tx.one(sa.select(groups).where(groups.c.default_of == project_id))


def add(tx: Tx, **row: Any) -> bool:
    """Insert a group; False if it is a default group and the project has one."""
    return tx.insert_new(groups, **row)


def update(tx: Tx, group_id: str, **values: Any) -> bool:
    """Change a visible group; False if there is none."""
    statement = sa.update(groups).where(groups.c.id == group_id, visible_to(tx.ctx))
    return tx.count(statement.values(revision=groups.c.revision + 1, **values)) == 1


def touch(tx: Tx, group_ids: Collection[str]) -> None:
    """Write down that rules of these groups came or went."""
    values = {"updated_at": runtime.time(), "revision": groups.c.revision + 1}
    tx.execute(sa.update(groups).where(groups.c.id.in_(sorted(group_ids))).values(**values))


def remove(tx: Tx, group_id: str) -> int:
    """Delete a group with its rules; return how many they were.

    :raises GroupInUse: a port is in it.
    """
    own = tx.count(sa.delete(rules).where(rules.c.group_id == group_id))
    used = sa.exists().where(port_groups.c.group_id == group_id)
    try:
        gone = tx.count(sa.delete(groups).where(groups.c.id == group_id, ~used))
    except exc.IntegrityError as error:  # a port joined between
        raise GroupInUse(id=group_id) from error
    if gone != 1:
        raise GroupInUse(id=group_id)
    return own


def naming(tx: Tx, group_id: str) -> Sequence[sa.Row[Any]]:
    """Return the rules of other groups that name this one as the remote group."""
    return tx.all(sa.select(rules).where(rules.c.remote_group_id == group_id, rules.c.group_id != group_id))


# -- rules -------------------------------------------------------------------------------------------------


def get_rule(tx: Tx, rule_id: str) -> sa.Row[Any]:
    """Return one rule the request may see.

    :raises RuleNotFound: no such row, or its group belongs to another project.
    """
    row = tx.one(sa.select(rules).where(rules.c.id == rule_id, rule_visible_to(tx.ctx)))
    if row is None:
        raise RuleNotFound(id=rule_id)
    return row


def page_rules(
    tx: Tx, filters: Sequence[Any], sort: Sequence[tuple[str, str]], limit: int, marker: str | None
) -> Sequence[sa.Row[Any]]:
    """Return one page of the visible rules.

    :raises Invalid: the marker is not a visible rule.
    """
    query = sa.select(rules).where(rule_visible_to(tx.ctx), *filters)
    return paging.page(tx, query, rules, sort, limit, marker)


# Statements that every server with a port meets are made once: to build one costs more than to run it
_GROUPS = sa.bindparam("groups", expanding=True)
_RULES_OF = sa.select(rules).where(rules.c.group_id.in_(_GROUPS)).order_by(rules.c.created_at, rules.c.id)


def rules_of(tx: Tx, group_ids: Iterable[str]) -> Sequence[sa.Row[Any]]:
    """Return the rules of these groups, oldest first."""
    return tx.execute(_RULES_OF, {"groups": list(group_ids)}).all()


def add_rules(tx: Tx, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rules.

    :raises DuplicateKey: a group has the same rule already.
    """
    tx.execute(sa.insert(rules), list(rows))


def remove_rule(tx: Tx, rule_id: str) -> bool:
    return tx.count(sa.delete(rules).where(rules.c.id == rule_id)) == 1


# -- who is in a group ---------------------------------------------------------------------------------------


_HOSTS = (
    sa.select(ports.c.host)
    .join(port_groups, port_groups.c.port_id == ports.c.id)
    .where(ports.c.host.isnot(None))
    .distinct()
)
_HOSTS_OF = _HOSTS.where(port_groups.c.group_id.in_(_GROUPS))
_HOSTS_NAMING = _HOSTS.where(
    port_groups.c.group_id.in_(sa.select(rules.c.group_id).where(rules.c.remote_group_id.in_(_GROUPS)))
)
_NOWHERE = ports.c.device_owner.like(f"{COMPUTE_OWNER}%") & ports.c.host.is_(None)
_MEMBERS = (
    sa.select(port_groups.c.group_id, fixed_ips.c.address)
    .join(fixed_ips, fixed_ips.c.port_id == port_groups.c.port_id)
    .join(ports, ports.c.id == port_groups.c.port_id)
    .where(port_groups.c.group_id.in_(_GROUPS), ~_NOWHERE)
)
_OF_PORTS = sa.select(port_groups).where(port_groups.c.port_id.in_(sa.bindparam("ports", expanding=True)))


def hosts_of(tx: Tx, group_ids: Sequence[str]) -> list[str]:
    """Return the hosts that must know of a change of these groups: those with a port in one of them."""
    return _hosts(tx, _HOSTS_OF, group_ids)


def hosts_naming(tx: Tx, group_ids: Sequence[str]) -> list[str]:
    """Return the hosts that must know of a member that comes or goes: their ports' rules name one of the groups."""
    return _hosts(tx, _HOSTS_NAMING, group_ids)


def _hosts(tx: Tx, query: Any, group_ids: Sequence[str]) -> list[str]:
    return sorted(row.host for row in tx.execute(query, {"groups": list(group_ids)}))


def members(tx: Tx, group_ids: Sequence[str]) -> Sequence[sa.Row[Any]]:
    """Return (group_id, address) of every port in these groups, without those of servers that are on no host."""
    return tx.execute(_MEMBERS, {"groups": list(group_ids)}).all()


def of_ports(tx: Tx, port_ids: Sequence[str]) -> Sequence[sa.Row[Any]]:
    """Return (port_id, group_id) of these ports."""
    return tx.execute(_OF_PORTS, {"ports": list(port_ids)}).all()


def join(tx: Tx, members_: Sequence[Mapping[str, str]]) -> None:
    """Put ports into groups: rows of port_id and group_id.

    :raises GroupNotFound: a group was deleted at the same time.
    """
    if not members_:
        return
    try:
        tx.execute(sa.insert(port_groups), list(members_))
    except exc.IntegrityError as error:
        raise GroupNotFound(id=", ".join(sorted({row["group_id"] for row in members_}))) from error


def leave(tx: Tx, port_id: str) -> None:
    """Take a port out of all its groups."""
    tx.execute(sa.delete(port_groups).where(port_groups.c.port_id == port_id))
