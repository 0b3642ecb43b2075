"""Projects: a tree under each domain."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from iaas.common import errors
from iaas.db.identity import listing
from iaas.db.models.identity import application_credentials, assignments, credentials, domains, projects
from iaas.db.tx import Tx

MAX_DEPTH = 5
_WITH_DOMAIN = sa.select(projects, domains.c.name.label("domain_name"), domains.c.enabled.label("domain_enabled")).join(
    domains, domains.c.id == projects.c.domain_id
)
_BY_ID = _WITH_DOMAIN.where(projects.c.id == sa.bindparam("key"))


def find(tx: Tx, project_id: str) -> Any | None:
    """Return a project with ``domain_name`` and ``domain_enabled``, or None."""
    return tx.execute(_BY_ID, {"key": project_id}).first()


def find_named(tx: Tx, name: str, *, domain_id: str | None = None, domain_name: str | None = None) -> Any | None:
    """Return the project of that name in that domain, or None."""
    where = projects.c.domain_id == domain_id if domain_id is not None else domains.c.name == domain_name
    return tx.one(_WITH_DOMAIN.where(projects.c.name == name, where))


def get(tx: Tx, project_id: str) -> Any:
    """:raises NotFound: no such project."""
    row = find(tx, project_id)
    if row is None:
        raise errors.NotFound(what="Project", id=project_id)
    return row


def page(tx: Tx, wanted: listing.Listing, ids: Iterable[str] | None = None) -> Sequence[Any]:
    """Return a page of all projects, or of those among ``ids``."""
    query = sa.select(projects)
    if ids is not None:
        query = query.where(projects.c.id.in_(list(ids)))
    return tx.all(listing.page(query, projects, wanted))


def ancestors(tx: Tx, project: Any) -> list[Any]:
    """Return the projects above ``project``, nearest first."""
    found: list[Any] = []
    parent_id = project.parent_id
    while parent_id is not None and len(found) < MAX_DEPTH:
        parent = tx.one(sa.select(projects).where(projects.c.id == parent_id))
        if parent is None:
            break
        found.append(parent)
        parent_id = parent.parent_id
    return found


def children(tx: Tx, parent_ids: Sequence[str]) -> Sequence[Any]:
    """Return the projects right under any of ``parent_ids``."""
    return tx.all(sa.select(projects).where(projects.c.parent_id.in_(parent_ids)).order_by(projects.c.id))


def subtree(tx: Tx, project_id: str) -> list[Any]:
    """Return all projects below ``project_id``, level by level."""
    found: list[Any] = []
    level = [project_id]
    while level and len(found) < 10_000:
        rows = children(tx, level)
        found.extend(rows)
        level = [row.id for row in rows]
    return found


def add(tx: Tx, **values: Any) -> None:
    """:raises DuplicateKey: the name is taken in that domain."""
    tx.insert(projects, **values)


def update(tx: Tx, project_id: str, values: Mapping[str, Any]) -> None:
    """:raises DuplicateKey: the name is taken."""
    if values:
        tx.count(sa.update(projects).where(projects.c.id == project_id).values(**values))


def delete(tx: Tx, project_id: str) -> bool:
    """Delete a project with its assignments and the credentials made for it; return whether there was one."""
    on_it = (assignments.c.target_type == "project", assignments.c.target_id == project_id)
    tx.count(sa.delete(assignments).where(*on_it))
    for table in (credentials, application_credentials):
        tx.count(sa.delete(table).where(table.c.project_id == project_id))
    return tx.count(sa.delete(projects).where(projects.c.id == project_id)) == 1
