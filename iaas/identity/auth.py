"""Log-ins: from the methods and the scope of a request to a token.

Source: https://docs.openstack.org/api-ref/identity/v3/#authentication-and-token-management

Whoever cannot log in learns nothing of why: an unknown user, a wrong password, a disabled account, an unknown
project and a scope without a role are one and the same answer, and take one hash each.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from iaas.common import errors
from iaas.common.context import RequestContext
from iaas.db.identity import application_credentials, domains, projects, users
from iaas.db.identity.clock import Moment
from iaas.db.tx import Tx
from iaas.identity import issue, tokens
from iaas.identity.access import Access
from iaas.identity.clients import IdentityClients
from iaas.identity.issue import Valid


@dataclass(frozen=True)
class Proof:
    """What one method showed: who it is, by which methods, and from which token."""

    user_id: str
    methods: tuple[str, ...]
    parent: tokens.Token | None = None


def authenticate(
    clients: IdentityClients, ctx: RequestContext, moment: Moment, auth: Mapping[str, Any]
) -> tuple[str, Valid]:
    """Return a new token for ``auth`` of a request's body.

    :raises Unauthenticated: for every reason alike.
    :raises Forbidden: a delegated token was to be made into another.
    :raises Invalid: the request cannot be understood.
    """
    identity = auth["identity"]
    if list(dict.fromkeys(identity["methods"])) == [issue.APPLICATION]:
        return _application(clients, ctx, moment, auth)
    proofs = []
    for method in dict.fromkeys(identity["methods"]):
        if method not in _METHODS:
            raise errors.Unauthenticated()
        if method not in identity:
            raise errors.Invalid(reason=f"The method {method} has no data in identity.")
        proofs.append(_METHODS[method](clients, ctx, moment, identity[method]))
    if len({proof.user_id for proof in proofs}) != 1:
        raise errors.Unauthenticated()
    access = _scoped(clients, ctx, moment, proofs[0].user_id, auth.get("scope"))
    methods = tuple(dict.fromkeys(name for proof in proofs for name in proof.methods))
    parent = next((proof.parent for proof in proofs if proof.parent), None)
    return clients.issuer.issue(moment, access, methods, parent=parent)


# -- methods -----------------------------------------------------------------------------------------------


def _password(clients: IdentityClients, ctx: RequestContext, _moment: Moment, data: Any) -> Proof:
    wanted = data["user"]
    with clients.db.read(ctx) as tx:
        if "id" in wanted:
            row = users.find(tx, wanted["id"])
        else:
            domain = _domain_of(wanted)
            row = users.find_named(tx, wanted["name"], domain_id=domain.get("id"), domain_name=domain.get("name"))
    right = clients.passwords.verify(row.password_hash if row is not None else None, wanted["password"])
    if not right or row is None or not row.enabled or not row.domain_enabled:
        raise errors.Unauthenticated()
    return Proof(row.id, ("password",))


def _token(clients: IdentityClients, ctx: RequestContext, moment: Moment, data: Any) -> Proof:
    valid = clients.issuer.validate(ctx, moment, data["id"])
    if valid.delegated:
        raise errors.Forbidden(action="identity:authenticate with a delegated token")
    return Proof(valid.token.user_id, ("token", *valid.token.methods), valid.token)


def _application(
    clients: IdentityClients, ctx: RequestContext, moment: Moment, auth: Mapping[str, Any]
) -> tuple[str, Valid]:
    """A token by an application credential: for its project, and no other method or scope beside it."""
    data = auth["identity"].get(issue.APPLICATION)
    if data is None:
        raise errors.Invalid(reason="The method application_credential has no data in identity.")
    with clients.db.read(ctx) as tx:
        row = _credential(tx, data)
    right = clients.passwords.verify(row.secret_hash if row is not None else None, data["secret"])
    if not right or row is None or auth.get("scope") is not None:
        raise errors.Unauthenticated()
    if row.expires_at is not None and row.expires_at <= moment.now:
        raise errors.Unauthenticated()
    access = clients.directory.limited(ctx, moment, row.user_id, row.project_id, row.id)
    if access is None:
        raise errors.Unauthenticated()
    return clients.issuer.issue(moment, access, (issue.APPLICATION,), delegate_id=row.id, until=row.expires_at)


def _credential(tx: Tx, data: Mapping[str, Any]) -> Any | None:
    if "id" in data:
        return application_credentials.find(tx, data["id"])
    user = data.get("user") or {}
    if "name" not in data or not ("id" in user or "name" in user):
        raise errors.Invalid(reason="Name the application credential by its id, or by its name and its user.")
    if "id" not in user:
        domain = _domain_of(user)
        found = users.find_named(tx, user["name"], domain_id=domain.get("id"), domain_name=domain.get("name"))
        if found is None:
            return None
        user = {"id": found.id}
    return application_credentials.find_named(tx, user["id"], data["name"])


_METHODS = {"password": _password, "token": _token}


# -- scopes ------------------------------------------------------------------------------------------------


def _scoped(clients: IdentityClients, ctx: RequestContext, moment: Moment, user_id: str, scope: Any) -> Access:
    """Return the access asked for, by default to the user's own project and without it to nothing."""
    directory = clients.directory
    if scope is None:
        project_id = _default_project(clients, ctx, moment, user_id)
        if project_id:
            access = directory.access(ctx, moment, user_id, tokens.PROJECT, project_id)
            if access is not None:
                return access
    kind, scope_id = _target(clients, ctx, moment, scope) if scope else (tokens.UNSCOPED, "")
    access = directory.access(ctx, moment, user_id, kind, scope_id) if scope_id is not None else None
    if access is None:
        raise errors.Unauthenticated()
    return access


def _default_project(clients: IdentityClients, ctx: RequestContext, moment: Moment, user_id: str) -> str | None:
    def read() -> str | None:
        with clients.db.read(ctx) as tx:
            row = users.find(tx, user_id)
        return row.default_project_id if row is not None else None

    return clients.world.at(moment, ("default project", user_id), read)


def _target(clients: IdentityClients, ctx: RequestContext, moment: Moment, scope: Any) -> tuple[int, str | None]:
    """Return the kind and the id of what ``scope`` names; no id if there is no such thing."""
    if len(scope) != 1:
        raise errors.Invalid(reason="A scope is one of project, domain, system and unscoped.")
    ((kind, wanted),) = scope.items()
    if kind == "unscoped":
        return tokens.UNSCOPED, ""
    if kind == "system":
        if wanted.get("all") is not True:
            raise errors.Invalid(reason='The only system scope is {"all": true}.')
        return tokens.SYSTEM, "all"
    number = tokens.PROJECT if kind == "project" else tokens.DOMAIN
    if "id" in wanted:
        return number, wanted["id"]
    if "name" not in wanted:
        raise errors.Invalid(reason=f"The {kind} needs an id, or a name.")
    domain = _domain_of(wanted) if kind == "project" else {}
    key = (kind, wanted["name"], domain.get("id"), domain.get("name"))
    return number, clients.world.at(moment, key, lambda: _named(clients, ctx, kind, wanted["name"], domain))


def _named(clients: IdentityClients, ctx: RequestContext, kind: str, name: str, domain: Any) -> str | None:
    with clients.db.read(ctx) as tx:
        if kind == "domain":
            row = domains.find_named(tx, name)
        else:
            row = projects.find_named(tx, name, domain_id=domain.get("id"), domain_name=domain.get("name"))
    return row.id if row is not None else None


def _domain_of(wanted: Mapping[str, Any]) -> Mapping[str, Any]:
    """The domain a name is in."""
    domain = wanted.get("domain") or {}
    if "name" not in wanted or not ("id" in domain or "name" in domain):
        raise errors.Invalid(reason="Name the thing by its id, or by its name and its domain's id or name.")
    return domain
