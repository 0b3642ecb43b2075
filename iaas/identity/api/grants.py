"""Roles of users and groups on projects, domains and the system.

Source: https://docs.openstack.org/api-ref/identity/v3/#roles and its section on inherited roles.

The same five operations exist for each actor, target and kind, so their rows are made in a loop.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from iaas.common import errors
from iaas.common.rest.operations import Call
from iaas.db.identity import assignments, clock, domains, groups, projects, roles, users
from iaas.db.tx import Tx
from iaas.identity import revoke
from iaas.identity.api.base import Resource, own_link
from iaas.identity.api.roles import view

resource = Resource()


@dataclass(frozen=True)
class Grants:
    """Who gets roles on what."""

    actor: str
    target: str
    inherited: bool

    @property
    def path(self) -> str:
        """The path of the list of roles, without what marks inherited ones."""
        target = "/system" if self.target == "system" else f"/{self.target}s/{{target_id}}"
        return ("/OS-INHERIT" if self.inherited else "") + f"{target}/{self.actor}s/{{actor_id}}/roles"

    @property
    def tail(self) -> str:
        return "/inherited_to_projects" if self.inherited else ""

    def key(self, call: Call) -> dict[str, Any]:
        """Return the columns a path names."""
        key = {
            "actor_type": self.actor,
            "actor_id": call.path["actor_id"],
            "target_type": self.target,
            "target_id": call.path.get("target_id", assignments.SYSTEM),
            "inherited": self.inherited,
        }
        if "role_id" in call.path:
            key["role_id"] = call.path["role_id"]
        return key

    def check(self, tx: Tx, call: Call, *, role: bool = True) -> None:
        """:raises NotFound: the target, the actor or the role does not exist."""
        actor: Any = users.get if self.actor == "user" else groups.get
        actor(tx, call.path["actor_id"])
        domain_id = None
        if self.target == "project":
            domain_id = projects.get(tx, call.path["target_id"]).domain_id
        elif self.target == "domain":
            domain_id = domains.get(tx, call.path["target_id"]).id
        if role:
            limited = roles.get(tx, call.path["role_id"]).domain_id
            if limited and limited != domain_id:
                raise errors.Forbidden(action="assign a role outside of its domain")


def _missing(call: Call) -> errors.NotFound:
    return errors.NotFound(what="Role assignment", id=call.path["role_id"])


def _index(kind: Grants) -> Callable[[Call], Any]:
    def index(call: Call) -> dict[str, Any]:
        """List the roles an actor has on a target."""
        with call.clients.db.read(call.ctx) as tx:
            kind.check(tx, call, role=False)
            held = assignments.matching(tx, kind.key(call))
            shown = [view(call, roles.get(tx, row.role_id)) for row in held]
        return {"roles": shown, "links": {"next": None, "self": own_link(call), "previous": None}}

    return index


def _show(kind: Grants) -> Callable[[Call], Any]:
    def show(call: Call) -> None:
        """Check that an actor has a role on a target."""
        with call.clients.db.read(call.ctx) as tx:
            if not assignments.exists(tx, kind.key(call)):
                raise _missing(call)

    return show


def _create(kind: Grants) -> Callable[[Call], Any]:
    def create(call: Call) -> None:
        """Give an actor a role on a target."""

        def write(tx: Tx) -> None:
            kind.check(tx, call)
            if assignments.add(tx, kind.key(call)):
                clock.advance(tx)

        call.clients.db.write(call.ctx, write)

    return create


def _delete(kind: Grants) -> Callable[[Call], Any]:
    def delete(call: Call) -> None:
        """Take a role on a target from an actor; the tokens it was in end."""

        def write(tx: Tx) -> None:
            if not assignments.remove(tx, kind.key(call)):
                raise _missing(call)
            revoke.grant(call.clients, tx, kind.key(call))

        call.clients.db.write(call.ctx, write)

    return delete


def _declare(kind: Grants) -> None:
    one = kind.path + "/{role_id}" + kind.tail
    resource.operation("GET", kind.path + kind.tail, policy="identity:list_grants")(_index(kind))
    resource.operation("GET", one, policy="identity:check_grant", status=204)(_show(kind))
    resource.operation("PUT", one, policy="identity:create_grant", status=204)(_create(kind))
    resource.operation("DELETE", one, policy="identity:revoke_grant", status=204)(_delete(kind))


for _actor, _target in itertools.product(("user", "group"), ("project", "domain", "system")):
    _declare(Grants(_actor, _target, inherited=False))
    if _target != "system":
        _declare(Grants(_actor, _target, inherited=True))
