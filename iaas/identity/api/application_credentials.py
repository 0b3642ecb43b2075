"""Application credentials and their access rules.

Source: https://docs.openstack.org/api-ref/identity/v3/#application-credentials

A token made with one has at most its roles, and no right to change secrets or rights, whether the credential is
called unrestricted or not.
"""

from __future__ import annotations

import base64
import datetime
from typing import Any

from iaas.common import errors, runtime
from iaas.common.rest.operations import Call
from iaas.db import codec
from iaas.db.identity import application_credentials, clock, users
from iaas.db.tx import DuplicateKey, Tx
from iaas.identity import ids, issue, passwords, revoke
from iaas.identity.api.base import Resource, check, link, listed, listing, own_link, token_of
from iaas.identity.api.schemas import credentials as schemas

resource = Resource()
#: most application credentials, and most access rules, of one user
MAX_PER_USER = 100


def view(call: Call, row: Any) -> dict[str, Any]:
    """An application credential as the API shows it: without its secret."""
    names = call.clients.directory.role_tree(call.ctx, call.environ["iaas.identity.moment"]).roles
    role_ids = [role_id for role_id in codec.load(row.role_ids, []) if role_id in names]
    shown = {
        "id": row.id,
        "name": row.name,
        "description": row.description,
        "project_id": row.project_id,
        "roles": [{"id": role_id, "name": names[role_id][0], "domain_id": None} for role_id in role_ids],
        "expires_at": _shown_time(row.expires_at),
        "unrestricted": row.unrestricted,
        "links": {"self": link(call, "users", row.user_id, "application_credentials", row.id)},
    }
    if row.access_rules is not None:
        shown["access_rules"] = codec.load(row.access_rules)
    return shown


def _shown_time(seconds: float | None) -> str | None:
    return None if seconds is None else issue.stamp(round(seconds * 1e6)).removesuffix("Z")


def _time(text: str | None, now: float) -> float | None:
    if text is None:
        return None
    try:
        when = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        raise errors.Invalid(reason="expires_at is a time like 2026-11-21T10:00:00.") from None
    seconds = when.replace(tzinfo=when.tzinfo or datetime.UTC).timestamp()
    if seconds <= now:
        raise errors.Invalid(reason="expires_at has passed.")
    return seconds


@resource.operation("GET", "/users/{user_id}/application_credentials", policy="identity:list_application_credentials")
def index(call: Call) -> dict[str, Any]:
    """List a user's application credentials."""
    user_id = call.path["user_id"]
    check(call, user_id=user_id)
    asked = listing(call, text=("name",))
    wanted = type(asked)(asked.limit, asked.marker, {**asked.equal, "user_id": user_id}, asked.like)
    with call.clients.db.read(call.ctx) as tx:
        users.get(tx, user_id)
        rows = application_credentials.page(tx, wanted)
    return listed(call, "application_credentials", rows, wanted.limit, view)


@resource.operation(
    "GET",
    "/users/{user_id}/application_credentials/{credential_id}",
    policy="identity:get_application_credential",
)
def show(call: Call) -> dict[str, Any]:
    """Show an application credential."""
    check(call, user_id=call.path["user_id"])
    with call.clients.db.read(call.ctx) as tx:
        row = application_credentials.get(tx, call.path["user_id"], call.path["credential_id"])
    return {"application_credential": view(call, row)}


@resource.operation(
    "POST",
    "/users/{user_id}/application_credentials",
    policy="identity:create_application_credential",
    body=schemas.CREATE_APPLICATION,
    status=201,
)
def create(call: Call) -> dict[str, Any]:
    """Make an application credential for the project of the caller's token; its secret is shown this once."""
    user_id, wanted = call.path["user_id"], call.body["application_credential"]
    check(call, user_id=user_id)
    if call.ctx.project_id is None or wanted.get("project_id") not in (None, call.ctx.project_id):
        raise errors.Forbidden(action="make an application credential for another project than the token's")
    secret = wanted.get("secret") or base64.urlsafe_b64encode(runtime.secret_bytes(48)).decode()
    passwords.check(secret)
    values = {
        "id": ids.new(),
        "user_id": user_id,
        "project_id": call.ctx.project_id,
        "name": wanted["name"],
        "description": wanted.get("description"),
        "role_ids": codec.dump(_role_ids(call, wanted.get("roles"))),
        "unrestricted": bool(wanted.get("unrestricted")),
        "expires_at": _time(wanted.get("expires_at"), call.environ["iaas.identity.moment"].now),
        "secret_hash": call.clients.passwords.hash(secret),
    }

    def write(tx: Tx) -> Any:
        clock.advance(tx, state=False)  # requests for one more wait for each other here
        if application_credentials.count_of(tx, user_id) >= MAX_PER_USER:
            raise errors.Forbidden(action=f"keep more than {MAX_PER_USER} application credentials")
        rules = wanted.get("access_rules")
        kept = codec.dump(_kept_rules(tx, user_id, rules)) if rules is not None else None
        application_credentials.add(tx, access_rules=kept, **values)
        return application_credentials.get(tx, user_id, values["id"])

    try:
        row = call.clients.db.write(call.ctx, write)
    except DuplicateKey:
        raise errors.Conflict(reason="An application credential of that name exists.") from None
    return {"application_credential": {**view(call, row), "secret": secret}}


def _role_ids(call: Call, wanted: list[dict[str, str]] | None) -> list[str]:
    """Return the roles of a new credential: all of the caller's token, or those asked for if it has them."""
    valid = token_of(call)
    held = dict(valid.access.roles) if valid is not None else {}
    if wanted is None:
        return list(held)
    by_name = {name: role_id for role_id, name in held.items()}
    found = [role["id"] if "id" in role else by_name.get(role["name"], "") for role in wanted]
    if not all(role_id in held for role_id in found):
        raise errors.Invalid(reason="An application credential has no role that its maker's token has not.")
    return list(dict.fromkeys(found))


@resource.operation(
    "DELETE",
    "/users/{user_id}/application_credentials/{credential_id}",
    policy="identity:delete_application_credential",
    status=204,
)
def delete(call: Call) -> None:
    """Delete an application credential; tokens made with it end."""
    user_id, credential_id = call.path["user_id"], call.path["credential_id"]
    check(call, user_id=user_id)

    def write(tx: Tx) -> None:
        application_credentials.get(tx, user_id, credential_id)
        revoke.events(call.clients, tx, [{"delegate_id": credential_id}])
        application_credentials.delete(tx, credential_id)

    call.clients.db.write(call.ctx, write)


# -- access rules ------------------------------------------------------------------------------------------


def _kept_rules(tx: Tx, user_id: str, wanted: list[dict[str, str]]) -> list[dict[str, str]]:
    """Return the rules with their ids; a rule the user has already keeps its id."""
    known = {(row.service, row.method, row.path): row.id for row in application_credentials.rules(tx, user_id)}
    kept = []
    for rule in wanted:
        key = (rule["service"], rule["method"], rule["path"])
        if key not in known:
            if len(known) >= MAX_PER_USER:
                raise errors.Forbidden(action=f"keep more than {MAX_PER_USER} access rules")
            known[key] = ids.new()
            application_credentials.add_rule(tx, id=known[key], user_id=user_id, **rule)
        kept.append({"id": known[key], **rule})
    return kept


def _rule_view(call: Call, row: Any) -> dict[str, Any]:
    own = link(call, "users", row.user_id, "access_rules", row.id)
    return {
        "id": row.id,
        "service": row.service,
        "method": row.method,
        "path": row.path,
        "links": {"self": own},
    }


def _rule(call: Call, tx: Tx) -> Any:
    for row in application_credentials.rules(tx, call.path["user_id"]):
        if row.id == call.path["rule_id"]:
            return row
    raise errors.NotFound(what="Access rule", id=call.path["rule_id"])


@resource.operation("GET", "/users/{user_id}/access_rules", policy="identity:list_access_rules")
def list_rules(call: Call) -> dict[str, Any]:
    """List a user's access rules."""
    check(call, user_id=call.path["user_id"])
    with call.clients.db.read(call.ctx) as tx:
        users.get(tx, call.path["user_id"])
        rows = application_credentials.rules(tx, call.path["user_id"])
    links = {"next": None, "self": own_link(call), "previous": None}
    return {"access_rules": [_rule_view(call, row) for row in rows], "links": links}


@resource.operation("GET", "/users/{user_id}/access_rules/{rule_id}", policy="identity:get_access_rule")
def show_rule(call: Call) -> dict[str, Any]:
    """Show an access rule."""
    check(call, user_id=call.path["user_id"])
    with call.clients.db.read(call.ctx) as tx:
        return {"access_rule": _rule_view(call, _rule(call, tx))}


@resource.operation(
    "DELETE", "/users/{user_id}/access_rules/{rule_id}", policy="identity:delete_access_rule", status=204
)
def delete_rule(call: Call) -> None:
    """Delete an access rule that no application credential has."""
    user_id, rule_id = call.path["user_id"], call.path["rule_id"]
    check(call, user_id=user_id)
    every = listing(call)

    def write(tx: Tx) -> None:
        clock.advance(tx, state=False)
        _rule(call, tx)
        rows = application_credentials.page(tx, type(every)(every.limit, equal={"user_id": user_id}))
        if any(rule["id"] == rule_id for row in rows for rule in codec.load(row.access_rules, [])):
            raise errors.Forbidden(action="delete an access rule that an application credential has")
        application_credentials.delete_rule(tx, rule_id)

    call.clients.db.write(call.ctx, write)
