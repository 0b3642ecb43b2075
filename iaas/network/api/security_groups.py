"""The verbs of security groups and their rules.

Every project has a group named ``default`` from its first use on: everything out, and in only from itself.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from iaas.common import errors, runtime
from iaas.common.context import RequestContext
from iaas.db import quotas
from iaas.db import security_groups as db
from iaas.db.models.networks import security_group_rules, security_groups
from iaas.db.tx import DuplicateKey, Tx
from iaas.network import rpcapi
from iaas.network.api import listing
from iaas.network.api.rules import NewRule, digest, normalised

DEFAULT = "default"


class RuleExists(errors.IaasError):
    kind = errors.Kind.CONFLICT
    template = "Security group rule already exists in group {group}."


@dataclass(frozen=True)
class Group:
    """A security group with its rules."""

    row: Any
    rules: list[Any]


@dataclass(frozen=True)
class NewGroup:
    name: str
    description: str = ""
    stateful: bool = True
    project_id: str = ""


# -- groups ------------------------------------------------------------------------------------------------


def create(clients: Any, ctx: RequestContext, new: Sequence[NewGroup]) -> list[Group]:
    """Make groups that let everything out and nothing in: all of them or none.

    :raises QuotaExceeded: too many groups or rules.
    """
    return clients.db.write(ctx, _create, clients.settings.quota, new)


def _create(tx: Tx, limits: Any, new: Sequence[NewGroup]) -> list[Group]:
    ids = []
    for group in new:
        if group.name == DEFAULT:
            raise errors.Conflict(reason="Default security group already exists.")
        ensure_default(tx, limits, group.project_id)
        quotas.take(tx, group.project_id, {"security_groups": 1, "security_group_rules": 2}, limits)
        group_id = _insert(tx, group, None)
        _insert_rules(tx, group.project_id, [NewRule(group_id, "egress", kind) for kind in ("IPv4", "IPv6")])
        ids.append(group_id)
    return [_whole(tx, group_id) for group_id in ids]


def ensure_default(tx: Tx, limits: Any, project_id: str) -> Any:
    """Return the row of a project's default group, made if this is its first use."""
    row = db.default_of(tx, project_id)
    while row is None:
        group_id = _insert(tx, NewGroup(DEFAULT, "Default security group", True, project_id), project_id)
        if group_id:
            out = [NewRule(group_id, "egress", kind) for kind in ("IPv4", "IPv6")]
            within = [NewRule(group_id, "ingress", kind, remote_group_id=group_id) for kind in ("IPv4", "IPv6")]
            quotas.charge(tx, project_id, {"security_groups": 1, "security_group_rules": 4}, limits)
            _insert_rules(tx, project_id, out + within)
        row = db.default_of(tx, project_id)
    return row


def _insert(tx: Tx, new: NewGroup, default_of: str | None) -> str:
    """Insert a group and return its id, empty if the project has a default group already."""
    now, group_id = runtime.time(), runtime.uuid()
    values = {"name": new.name, "description": new.description, "stateful": new.stateful, "default_of": default_of}
    made = db.add(tx, id=group_id, project_id=new.project_id, created_at=now, updated_at=now, revision=1, **values)
    return group_id if made else ""


def page(clients: Any, ctx: RequestContext, asked: listing.Asked) -> listing.Page:
    """Return one page of the visible groups, with their rules."""

    def read(tx: Tx) -> listing.Page | None:
        if ctx.project_id and db.default_of(tx, ctx.project_id) is None:
            return None
        found = listing.page(tx, db.page, security_groups, asked)
        return listing.Page(_with_rules(tx, found.rows), found.more)

    with clients.db.read(ctx) as tx:
        found = read(tx)
    if found is None:  # the project's first look at its groups
        clients.db.write(ctx, ensure_default, clients.settings.quota, ctx.project_id)
        with clients.db.read(ctx) as tx:
            found = read(tx)
    return found or listing.Page([], False)


def show(clients: Any, ctx: RequestContext, group_id: str) -> Group:
    """Return one visible group.

    :raises GroupNotFound: there is none.
    """
    with clients.db.read(ctx) as tx:
        return _whole(tx, group_id)


def _whole(tx: Tx, group_id: str) -> Group:
    return _with_rules(tx, [db.get(tx, group_id)])[0]


def _with_rules(tx: Tx, rows: Sequence[Any]) -> list[Group]:
    rules: dict[str, list[Any]] = defaultdict(list)
    for rule in db.rules_of(tx, [row.id for row in rows]) if rows else ():
        rules[rule.group_id].append(rule)
    return [Group(row, rules[row.id]) for row in rows]


def update(clients: Any, ctx: RequestContext, group_id: str, changes: dict[str, Any]) -> Group:
    """Change a group's name, description or statefulness.

    :raises Conflict: the default group keeps its name.
    """

    def write(tx: Tx) -> Group:
        row = db.get(tx, group_id)
        if row.default_of is not None and changes.get("name", row.name) != row.name:
            raise errors.Conflict(reason="Updating default security group not allowed.")
        db.update(tx, group_id, updated_at=runtime.time(), **changes)
        if "stateful" in changes:
            tell(tx, clients, db.hosts_of(tx, [group_id]))
        return _whole(tx, group_id)

    return clients.db.write(ctx, write)


def delete(clients: Any, ctx: RequestContext, group_id: str) -> None:
    """Delete a group that no port is in.

    :raises GroupInUse: a port is in it.
    :raises Conflict: the default group stays, except for an administrator.
    """

    def write(tx: Tx) -> None:
        row = db.get(tx, group_id)
        if row.default_of is not None and not ctx.is_admin:
            raise errors.Conflict(reason="Insufficient rights for removing default security group.")
        tell(tx, clients, db.hosts_naming(tx, [group_id]))
        for rule in db.naming(tx, group_id):
            if db.remove_rule(tx, rule.id):
                db.touch(tx, {rule.group_id})
                quotas.give_back(tx, rule.project_id, {"security_group_rules": 1})
        rules = db.remove(tx, group_id)
        quotas.give_back(tx, row.project_id, {"security_groups": 1, "security_group_rules": rules})

    clients.db.write(ctx, write)


# -- rules -------------------------------------------------------------------------------------------------


def add_rules(clients: Any, ctx: RequestContext, new: Sequence[NewRule]) -> list[Any]:
    """Add rules to groups and return their rows: all of them or none.

    :raises Invalid: a rule makes no sense.
    :raises GroupNotFound: its group, or the remote one, is not visible.
    :raises Conflict: the group has the same rule.
    """
    rules = [normalised(rule) for rule in new]

    def write(tx: Tx) -> list[Any]:
        rows: list[Any] = []
        for rule in rules:
            group = db.get(tx, rule.group_id)
            if rule.remote_group_id is not None:
                db.get(tx, rule.remote_group_id)
            quotas.take(tx, group.project_id, {"security_group_rules": 1}, clients.settings.quota)
            rows += _insert_rules(tx, group.project_id, [rule])
        db.touch(tx, {rule.group_id for rule in rules})
        tell(tx, clients, db.hosts_of(tx, [rule.group_id for rule in rules]))
        return rows

    return clients.db.write(ctx, write)


def _insert_rules(tx: Tx, project_id: str, rules: Sequence[NewRule]) -> list[Any]:
    now = runtime.time()
    values = [
        {**vars(rule), "id": runtime.uuid(), "project_id": project_id, "digest": digest(rule), "created_at": now}
        for rule in rules
    ]
    try:
        db.add_rules(tx, values)
    except DuplicateKey:
        raise RuleExists(group=values[0]["group_id"]) from None
    return [db.get_rule(tx, row["id"]) for row in values] if len(values) == 1 else []


def page_rules(clients: Any, ctx: RequestContext, asked: listing.Asked) -> listing.Page:
    """Return one page of the visible rules."""
    with clients.db.read(ctx) as tx:
        return listing.page(tx, db.page_rules, security_group_rules, asked)


def show_rule(clients: Any, ctx: RequestContext, rule_id: str) -> Any:
    """Return one visible rule.

    :raises RuleNotFound: there is none.
    """
    with clients.db.read(ctx) as tx:
        return db.get_rule(tx, rule_id)


def delete_rule(clients: Any, ctx: RequestContext, rule_id: str) -> None:
    """Delete a rule.

    :raises RuleNotFound: there is none.
    """

    def write(tx: Tx) -> None:
        rule = db.get_rule(tx, rule_id)
        tell(tx, clients, db.hosts_of(tx, [rule.group_id]))
        if db.remove_rule(tx, rule_id):
            db.touch(tx, {rule.group_id})
            quotas.give_back(tx, rule.project_id, {"security_group_rules": 1})

    clients.db.write(ctx, write)


def tell(tx: Tx, clients: Any, hosts: Sequence[str]) -> None:
    """Let the network workers of these hosts know once the transaction is committed."""
    if hosts:
        tx.on_commit(lambda: rpcapi.changed(clients.rpc, hosts))
