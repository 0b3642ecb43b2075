"""Assignments: which role a user or a group has on a project, a domain or the system.

An *inherited* assignment does not count on its target, but on every project below it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from iaas.db.models.identity import assignments, memberships, projects
from iaas.db.tx import Tx

SYSTEM = "all"
_c = assignments.c
_groups_of = sa.select(memberships.c.group_id).where(memberships.c.user_id == sa.bindparam("user"))
_held = sa.or_(
    sa.and_(_c.actor_type == "user", _c.actor_id == sa.bindparam("user")),
    sa.and_(_c.actor_type == "group", _c.actor_id.in_(_groups_of)),
)
_ON = sa.select(_c.role_id).where(
    _held,
    _c.target_type == sa.bindparam("kind"),
    _c.target_id == sa.bindparam("target"),
    _c.inherited.is_(False),
)
_INHERITED = sa.select(_c.role_id).where(
    _held,
    _c.inherited.is_(True),
    sa.or_(
        sa.and_(_c.target_type == "domain", _c.target_id == sa.bindparam("domain")),
        sa.and_(_c.target_type == "project", _c.target_id.in_(sa.bindparam("above", expanding=True))),
    ),
)
_HELD = sa.select(_c.target_type, _c.target_id, _c.role_id, _c.inherited).where(_held).distinct()


def roles_on(tx: Tx, user_id: str, kind: str, target_id: str) -> set[str]:
    """Return the ids of the roles a user has on a target, by itself or as a member of a group."""
    rows = tx.execute(_ON, {"user": user_id, "kind": kind, "target": target_id})
    return {row[0] for row in rows}


def roles_inherited(tx: Tx, user_id: str, domain_id: str, above: Sequence[str]) -> set[str]:
    """Return the ids of the roles a user inherits on a project of that domain, below those projects."""
    rows = tx.execute(_INHERITED, {"user": user_id, "domain": domain_id, "above": list(above)})
    return {row[0] for row in rows}


def held(tx: Tx, user_id: str) -> Sequence[Any]:
    """Return (target_type, target_id, role_id, inherited) of all a user has, groups included."""
    return tx.execute(_HELD, {"user": user_id}).all()


def projects_in(tx: Tx, domain_ids: Iterable[str]) -> list[str]:
    """Return the ids of the projects of some domains."""
    rows = tx.all(sa.select(projects.c.id).where(projects.c.domain_id.in_(list(domain_ids))))
    return [row[0] for row in rows]


def exists(tx: Tx, key: Mapping[str, Any]) -> bool:
    return tx.one(sa.select(_c.role_id).where(*_where(key))) is not None


def add(tx: Tx, key: Mapping[str, Any]) -> bool:
    """Return whether the assignment is new."""
    return tx.insert_new(assignments, **key)


def remove(tx: Tx, key: Mapping[str, Any]) -> bool:
    """Return whether there was such an assignment."""
    return tx.count(sa.delete(assignments).where(*_where(key))) == 1


def matching(tx: Tx, key: Mapping[str, Any], limit: int | None = None) -> Sequence[Any]:
    """Return the assignments whose columns have the values of ``key``; a list means any of its values."""
    query = sa.select(assignments).where(*_where(key))
    query = query.order_by(_c.target_type, _c.target_id, _c.actor_type, _c.actor_id, _c.role_id)
    return tx.all(query.limit(limit))


def _where(key: Mapping[str, Any]) -> list[sa.ColumnElement[bool]]:
    return [
        _c[name].in_(value) if isinstance(value, (list, tuple, set)) else _c[name] == value
        for name, value in key.items()
    ]
