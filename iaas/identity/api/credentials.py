"""Credentials: a user's other secrets.  Source: https://docs.openstack.org/api-ref/identity/v3/#credentials

Owner and project are fixed when one is made.  What policy is asked about comes from the row, never from a body.
"""

from __future__ import annotations

import hashlib
from typing import Any

from iaas.common import errors
from iaas.common.rest import body as bodies
from iaas.common.rest.operations import Call
from iaas.db.identity import assignments, clock, credentials, listing, users
from iaas.db.identity import projects as projects_db
from iaas.db.tx import DuplicateKey, Tx
from iaas.identity import ids, revoke
from iaas.identity.api.base import Resource, check, link, listed
from iaas.identity.api.base import listing as listing_of
from iaas.identity.api.schemas import credentials as schemas
from iaas.identity.shapes import CREDENTIAL

resource = Resource()
EC2 = "ec2"
#: most credentials of one user
MAX_PER_USER = 50


def view(call: Call, row: Any) -> dict[str, Any]:
    """A credential as the API shows it, in clear."""
    shown = {**CREDENTIAL.view(row), "blob": call.clients.vault.open(row.blob)}
    return {**shown, "links": {"self": link(call, "credentials", row.id)}}


@resource.operation("GET", "/credentials", policy="identity:list_credentials")
def index(call: Call) -> dict[str, Any]:
    """List credentials: one's own, or with the right to it anybody's."""
    wanted = listing_of(call, text=("user_id", "type", "project_id"))
    everybody = call.clients.policy.allows(call.ctx, call.operation.policy, {"user_id": "", "project_id": ""})
    if not everybody:
        asked = wanted.equal.get("user_id", call.ctx.user_id)
        equal = {**wanted.equal, "user_id": call.ctx.user_id}
        if asked != call.ctx.user_id:
            raise errors.Forbidden(action=call.operation.policy)
        wanted = listing.Listing(wanted.limit, wanted.marker, equal, ())
    with call.clients.db.read(call.ctx) as tx:
        rows = credentials.page(tx, wanted)
    return listed(call, "credentials", rows, wanted.limit, view)


def owned(call: Call, tx: Tx, credential_id: str) -> Any:
    """Return a credential the caller may use this operation on.

    :raises NotFound: there is none, or it is somebody else's.
    """
    row = credentials.get(tx, credential_id)
    if not call.clients.policy.allows(call.ctx, call.operation.policy, {"user_id": row.user_id}):
        raise errors.NotFound(what="Credential", id=credential_id)
    return row


@resource.operation("GET", "/credentials/{credential_id}", policy="identity:get_credential")
def show(call: Call) -> dict[str, Any]:
    """Show a credential."""
    with call.clients.db.read(call.ctx) as tx:
        return {"credential": view(call, owned(call, tx, call.path["credential_id"]))}


@resource.operation("POST", "/credentials", policy="identity:create_credential", body=schemas.CREATE, status=201)
def create(call: Call) -> dict[str, Any]:
    """Keep a secret for a user."""
    wanted = call.body["credential"]
    values = CREDENTIAL.values({name: value for name, value in wanted.items() if name != "blob"})
    values.setdefault("user_id", call.ctx.user_id)
    check(call, user_id=values["user_id"])
    values["id"] = values["lookup"] = ids.new()
    if values["type"] == EC2:
        values["id"] = values["lookup"] = _lookup(wanted["blob"])
        if values.get("project_id") is None:
            raise errors.Invalid(reason="An EC2 credential needs a project_id.")
    values["blob"] = call.clients.vault.seal(wanted["blob"])
    anybodys = call.clients.policy.allows(call.ctx, call.operation.policy, {"user_id": ""})
    return {"credential": view(call, add(call, values, any_project=anybodys))}


def _lookup(blob: str) -> str:
    """What an EC2 credential is found by: a digest of its access key, so that none is decrypted to find one."""
    try:
        parsed = bodies.parse(blob.encode())
    except errors.Invalid:
        parsed = None
    if not isinstance(parsed, dict) or not all(isinstance(parsed.get(k), str) for k in ("access", "secret")):
        raise errors.Invalid(reason='The blob of an EC2 credential is JSON with "access" and "secret".')
    return hashlib.sha256(parsed["access"].encode()).hexdigest()


def add(call: Call, values: dict[str, Any], *, any_project: bool = False) -> Any:
    """Add a row and return it.

    :param any_project: whether a key may be made in advance of a role on its project; it opens nothing without one

    :raises Forbidden: the user has no role on the project, or as many credentials as one may have.
    """

    def write(tx: Tx) -> Any:
        clock.advance(tx, state=False)  # requests for one more wait for each other here
        users.get(tx, values["user_id"])
        if values.get("project_id") is not None:
            projects_db.get(tx, values["project_id"])
        if values["type"] == EC2 and not any_project and not has_role(tx, values["user_id"], values["project_id"]):
            raise errors.Forbidden(action="make a credential for a project the user has no role on")
        if credentials.count_of(tx, values["user_id"]) >= MAX_PER_USER:
            raise errors.Forbidden(action=f"keep more than {MAX_PER_USER} credentials for a user")
        credentials.add(tx, **values)
        return credentials.get(tx, values["id"])

    return _written(call, write)


def has_role(tx: Tx, user_id: str, project_id: str) -> bool:
    """Whether a user has any role on a project."""
    if assignments.roles_on(tx, user_id, "project", project_id):
        return True
    project = projects_db.get(tx, project_id)
    above = [row.id for row in projects_db.ancestors(tx, project)]
    return bool(assignments.roles_inherited(tx, user_id, project.domain_id, above))


@resource.operation("PATCH", "/credentials/{credential_id}", policy="identity:update_credential", body=schemas.UPDATE)
def update(call: Call) -> dict[str, Any]:
    """Change a credential's secret or type; whose and what for it is stays."""
    wanted, credential_id = call.body["credential"], call.path["credential_id"]

    def write(tx: Tx) -> Any:
        row = owned(call, tx, credential_id)
        values = CREDENTIAL.values({name: value for name, value in wanted.items() if name != "blob"}, row)
        kind = values.get("type", row.type)
        if (kind == EC2) != (row.type == EC2):
            raise errors.Invalid(reason="A credential cannot become an EC2 credential, nor cease to be one.")
        if "blob" in wanted:
            if kind == EC2:
                values["lookup"] = _lookup(wanted["blob"])
            values["blob"] = call.clients.vault.seal(wanted["blob"])
        credentials.update(tx, credential_id, values)
        if kind == EC2:
            revoke.events(call.clients, tx, [{"delegate_id": credential_id}])
        return credentials.get(tx, credential_id)

    return {"credential": view(call, _written(call, write))}


def _written(call: Call, write: Any) -> Any:
    try:
        return call.clients.db.write(call.ctx, write)
    except DuplicateKey:
        raise errors.Conflict(reason="A credential with that access key exists.") from None


@resource.operation("DELETE", "/credentials/{credential_id}", policy="identity:delete_credential", status=204)
def delete(call: Call) -> None:
    """Delete a credential; tokens made with it end."""

    def write(tx: Tx) -> None:
        row = owned(call, tx, call.path["credential_id"])
        revoke.events(call.clients, tx, [{"delegate_id": row.id}])
        credentials.delete(tx, row.id)

    call.clients.db.write(call.ctx, write)
