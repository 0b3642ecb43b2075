"""Lists of assignments: as they were made, or in effect (groups, implied and inherited roles worked out)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from iaas.db.identity import assignments, groups, listing, projects, roles, users
from iaas.db.tx import Tx
from iaas.identity.access import RoleTree


@dataclass(frozen=True)
class Wanted:
    """What is asked for; None is anything."""

    user_id: str | None = None
    group_id: str | None = None
    role_id: str | None = None
    project_id: str | None = None
    domain_id: str | None = None
    system: bool = False
    inherited: bool = False
    effective: bool = False
    subtree: bool = False


@dataclass(frozen=True)
class Assigned:
    """One line of the list.

    :ivar via_group: the group a user has it by
    :ivar prior_id: the role that implies it
    :ivar via_target: (type, id) of what it is inherited from
    """

    actor_type: str
    actor_id: str
    target_type: str
    target_id: str
    role_id: str
    inherited: bool
    via_group: str | None = None
    prior_id: str | None = None
    via_target: tuple[str, str] | None = None


def find(tx: Tx, wanted: Wanted, limit: int) -> list[Assigned]:
    """Return what is asked for, ``limit`` lines and one if there are more."""
    found: list[Assigned] = []
    seen: set[Assigned] = set()
    for line in _effective(tx, wanted) if wanted.effective else _plain(tx, wanted):
        if line not in seen:
            seen.add(line)
            found.append(line)
        if len(found) > limit:
            break
    return found


def _plain(tx: Tx, wanted: Wanted) -> Iterator[Assigned]:
    key: dict[str, Any] = {}
    if wanted.user_id is not None:
        key |= {"actor_type": "user", "actor_id": wanted.user_id}
    if wanted.group_id is not None:
        key |= {"actor_type": "group", "actor_id": wanted.group_id}
    if wanted.role_id is not None:
        key["role_id"] = wanted.role_id
    if wanted.inherited:
        key["inherited"] = True
    for target in _targets(tx, wanted) or [{}]:
        for row in assignments.matching(tx, {**key, **target}):
            yield _line(row)


def _line(row: Any) -> Assigned:
    return Assigned(row.actor_type, row.actor_id, row.target_type, row.target_id, row.role_id, row.inherited)


def _targets(tx: Tx, wanted: Wanted) -> list[dict[str, Any]]:
    if wanted.project_id is not None:
        ids = [wanted.project_id]
        if wanted.subtree:
            ids += [row.id for row in projects.subtree(tx, wanted.project_id)]
        return [{"target_type": "project", "target_id": ids}]
    if wanted.domain_id is not None:
        return [{"target_type": "domain", "target_id": wanted.domain_id}]
    if wanted.system:
        return [{"target_type": "system"}]
    return []


# -- in effect ---------------------------------------------------------------------------------------------


def _effective(tx: Tx, wanted: Wanted) -> Iterator[Assigned]:
    tree = RoleTree(roles.everything(tx), roles.implications(tx))
    targets = _targets(tx, wanted) or [{}]
    for actor in _actors(tx, wanted):
        for target in targets:
            for row in assignments.matching(tx, {**actor, **target, "inherited": False}):
                if not wanted.inherited:
                    yield from _expanded(tx, wanted, tree, _line(row))
        if wanted.domain_id is None and not wanted.system:
            for row in assignments.matching(tx, {**actor, "inherited": True}):
                for line in _handed_down(tx, wanted, targets, _line(row)):
                    yield from _expanded(tx, wanted, tree, line)


def _actors(tx: Tx, wanted: Wanted) -> list[dict[str, Any]]:
    if wanted.user_id is None:
        return [{}]
    every = listing.Listing(limit=10_000)
    group_ids = [row.id for row in users.groups_of(tx, wanted.user_id, every)]
    return [
        {"actor_type": "user", "actor_id": wanted.user_id},
        {"actor_type": "group", "actor_id": group_ids},
    ]


def _handed_down(tx: Tx, wanted: Wanted, targets: Iterable[dict[str, Any]], line: Assigned) -> Iterator[Assigned]:
    """An inherited assignment on each of the projects it counts on."""
    if line.target_type == "domain":
        below = assignments.projects_in(tx, [line.target_id])
    else:
        below = [row.id for row in projects.subtree(tx, line.target_id)]
    only = {project_id for target in targets for project_id in target.get("target_id", ())}
    source = (line.target_type, line.target_id)
    for project_id in below:
        if not only or project_id in only:
            yield replace(line, target_type="project", target_id=project_id, via_target=source)


def _expanded(tx: Tx, wanted: Wanted, tree: RoleTree, line: Assigned) -> Iterator[Assigned]:
    """A line for each user, and each role that is implied."""
    if line.actor_type == "group":
        members = groups.members(tx, line.actor_id)
        ids = [wanted.user_id] if wanted.user_id is not None else members
        lines = [
            replace(line, actor_type="user", actor_id=user_id, via_group=line.actor_id)
            for user_id in ids
            if user_id in members
        ]
    else:
        lines = [line]
    shown = {role_id for role_id, _ in tree.named([line.role_id])}
    for role_id, prior_id in tree.closure([line.role_id]).items():
        if role_id in shown and wanted.role_id in (None, role_id):
            prior = prior_id if prior_id != role_id else None
            yield from (replace(one, role_id=role_id, prior_id=prior) for one in lines)
