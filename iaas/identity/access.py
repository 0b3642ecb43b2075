"""What a user may do where: the scope of a token with its names, its roles and its catalog."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from iaas.common.context import RequestContext
from iaas.db import codec
from iaas.db.identity import application_credentials, assignments, catalog, domains, projects, roles, users
from iaas.db.identity.clock import Moment
from iaas.identity import tokens
from iaas.identity.world import World

#: the only names an endpoint's URL may have in ``$(name)s`` (OSSA-2014-029)
SUBSTITUTIONS = ("project_id", "tenant_id", "user_id")


@dataclass(frozen=True)
class Access:
    """A user in a scope: what a token of the two shows.

    :ivar roles: (id, name), implied ones included; none without a scope
    :ivar domain_ids: the domains of the user and of the scope
    :ivar said: the parts of the token's body that are the same for every token like it, as JSON
    """

    user: Mapping[str, Any]
    scope: int
    scope_id: str
    scope_ref: Mapping[str, Any]
    roles: tuple[tuple[str, str], ...]
    domain_ids: tuple[str, ...]
    said: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def role_names(self) -> tuple[str, ...]:
        return tuple(name.lower() for _, name in self.roles)


class Directory:
    """Answers who has access where, from memory as long as nothing has changed."""

    def __init__(self, world: World) -> None:
        self._world = world

    def access(self, ctx: RequestContext, moment: Moment, user_id: str, scope: int, scope_id: str) -> Access | None:
        """Return the access of a user in a scope.

        None if one of them is absent or disabled, or the user has no role there.
        """
        key = ("access", user_id, scope, scope_id)
        return self._world.at(moment, key, lambda: self._compute(ctx, moment, user_id, scope, scope_id))

    def limited(
        self, ctx: RequestContext, moment: Moment, user_id: str, project_id: str, credential_id: str
    ) -> Access | None:
        """Return the access by an application credential: its roles as far as the user has them now.

        None if the credential is gone, or the user has none of them any more.
        """
        key = ("limited", user_id, project_id, credential_id)
        return self._world.at(moment, key, lambda: self._limit(ctx, moment, user_id, project_id, credential_id))

    def _limit(
        self, ctx: RequestContext, moment: Moment, user_id: str, project_id: str, credential_id: str
    ) -> Access | None:
        access = self.access(ctx, moment, user_id, tokens.PROJECT, project_id)
        tree = self.role_tree(ctx, moment)
        with self._world.db.read(ctx) as tx:
            row = application_credentials.find(tx, credential_id)
        if access is None or row is None or (row.user_id, row.project_id) != (user_id, project_id):
            return None
        allowed = tree.closure(codec.load(row.role_ids, []))
        names = tuple(role for role in access.roles if role[0] in allowed)
        if not names:
            return None
        shown: dict[str, Any] = {"id": row.id, "name": row.name, "restricted": not row.unrestricted}
        if row.access_rules is not None:
            shown["access_rules"] = codec.load(row.access_rules)
        said = {**access.said, "roles": _roles_shown(names), "application_credential": shown}
        return dataclasses.replace(access, roles=names, said=said)

    def catalog(self, ctx: RequestContext, moment: Moment) -> list[dict[str, Any]]:
        """Return the catalog with its substitutions still to be made."""
        return self._world.at(moment, "catalog", lambda: self._catalog(ctx))

    def role_tree(self, ctx: RequestContext, moment: Moment) -> RoleTree:
        return self._world.at(moment, "roles", lambda: self._role_tree(ctx))

    def _compute(self, ctx: RequestContext, moment: Moment, user_id: str, scope: int, scope_id: str) -> Access | None:
        tree = self.role_tree(ctx, moment)
        with self._world.db.read(ctx) as tx:
            user = users.find(tx, user_id)
            if user is None or not user.enabled or not user.domain_enabled:
                return None
            found = _SCOPES[scope](tx, user_id, scope_id)
        if found is None:
            return None
        ref, domain_id, role_ids = found
        names = tree.named(role_ids)
        if scope != tokens.UNSCOPED and not names:
            return None
        access = Access(
            user={
                "domain": {"id": user.domain_id, "name": user.domain_name},
                "id": user.id,
                "name": user.name,
                "password_expires_at": None,
            },
            scope=scope,
            scope_id=scope_id,
            scope_ref=ref,
            roles=names,
            domain_ids=(user.domain_id, domain_id) if domain_id else (user.domain_id,),
        )
        return dataclasses.replace(access, said=self._said(ctx, moment, access))

    def _said(self, ctx: RequestContext, moment: Moment, access: Access) -> dict[str, Any]:
        said: dict[str, Any] = {"user": orjson.Fragment(orjson.dumps(access.user))}
        if access.scope == tokens.UNSCOPED:
            return said
        said |= access.scope_ref
        said["roles"] = _roles_shown(access.roles)
        project_id = access.scope_id if access.scope == tokens.PROJECT else None
        entries = substituted(self.catalog(ctx, moment), project_id, access.user["id"])
        said["catalog"] = orjson.Fragment(orjson.dumps(entries))
        return said

    def _catalog(self, ctx: RequestContext) -> list[dict[str, Any]]:
        with self._world.db.read(ctx) as tx:
            rows = catalog.enabled(tx)
        found: dict[str, dict[str, Any]] = {}
        for row in rows:
            service = found.setdefault(
                row.service_id, {"endpoints": [], "id": row.service_id, "type": row.type, "name": row.name or ""}
            )
            service["endpoints"].append({
                "id": row.id, "interface": row.interface, "region_id": row.region_id, "region": row.region_id,
                "url": row.url,
            })  # fmt: skip
        return list(found.values())

    def _role_tree(self, ctx: RequestContext) -> RoleTree:
        with self._world.db.read(ctx) as tx:
            return RoleTree(roles.everything(tx), roles.implications(tx))


def _roles_shown(names: Iterable[tuple[str, str]]) -> Any:
    return orjson.Fragment(orjson.dumps([{"id": role_id, "name": name} for role_id, name in names]))


class RoleTree:
    """Every role, and which implies which."""

    def __init__(self, every: Iterable[Any], implications: Iterable[Any]) -> None:
        self.roles = {row.id: (row.name, row.domain_id) for row in every}
        self.implied: dict[str, list[str]] = {}
        for prior_id, implied_id in implications:
            self.implied.setdefault(prior_id, []).append(implied_id)

    def closure(self, role_ids: Iterable[str]) -> dict[str, str]:
        """Return the roles and all they imply; each with the role that brought it in, itself if given."""
        found = {role_id: role_id for role_id in role_ids}
        left = list(found)
        while left:
            prior = left.pop()
            for role_id in self.implied.get(prior, ()):
                if role_id not in found:
                    found[role_id] = prior
                    left.append(role_id)
        return found

    def named(self, role_ids: Iterable[str]) -> tuple[tuple[str, str], ...]:
        """Return (id, name) of the roles and all they imply, by name.

        A role of one domain only stands for what it implies and is not itself in a token.
        """
        ids = self.closure(role_ids)
        known = [(role_id, *self.roles[role_id]) for role_id in ids if role_id in self.roles]
        return tuple(sorted(((i, name) for i, name, domain_id in known if not domain_id), key=lambda row: row[1]))


def substituted(entries: list[dict[str, Any]], project_id: str | None, user_id: str) -> list[dict[str, Any]]:
    """Return a catalog for one user and project; without a project, what needs one is left out."""
    values = {"project_id": project_id, "tenant_id": project_id, "user_id": user_id}
    shown = []
    for service in entries:
        endpoints = []
        for endpoint in service["endpoints"]:
            url = _filled(endpoint["url"], values)
            if url is not None:
                endpoints.append({**endpoint, "url": url})
        shown.append({**service, "endpoints": endpoints})
    return shown


def _filled(url: str, values: Mapping[str, str | None]) -> str | None:
    for name in SUBSTITUTIONS:
        mark = f"$({name})s"
        if mark in url:
            value = values[name]
            if value is None:
                return None
            url = url.replace(mark, value)
    return url


# -- scopes: what is shown of it, its domain, and the user's roles in it; None: there is no such scope ------


def _unscoped(_tx: Any, _user_id: str, _scope_id: str) -> Any:
    return {}, None, set()


def _project(tx: Any, user_id: str, project_id: str) -> Any:
    row = projects.find(tx, project_id)
    if row is None or not row.enabled or not row.domain_enabled:
        return None
    held = assignments.roles_on(tx, user_id, "project", project_id)
    above = [parent.id for parent in projects.ancestors(tx, row)]
    held |= assignments.roles_inherited(tx, user_id, row.domain_id, above)
    domain = {"id": row.domain_id, "name": row.domain_name}
    return {"project": {"domain": domain, "id": row.id, "name": row.name}, "is_domain": False}, row.domain_id, held


def _domain(tx: Any, user_id: str, domain_id: str) -> Any:
    row = domains.find(tx, domain_id)
    if row is None or not row.enabled:
        return None
    held = assignments.roles_on(tx, user_id, "domain", domain_id)
    return {"domain": {"id": row.id, "name": row.name}}, row.id, held


def _system(tx: Any, user_id: str, _scope_id: str) -> Any:
    return {"system": {"all": True}}, None, assignments.roles_on(tx, user_id, "system", assignments.SYSTEM)


_SCOPES = {
    tokens.UNSCOPED: _unscoped, tokens.PROJECT: _project, tokens.DOMAIN: _domain, tokens.SYSTEM: _system,
}  # fmt: skip
