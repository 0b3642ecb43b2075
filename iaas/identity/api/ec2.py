"""EC2 credentials, and tokens for requests signed with one.

Source: https://docs.openstack.org/api-ref/identity/v2-ext/ (OS-EC2); the signatures are those of
``iaas.identity.sigv4``.
"""

from __future__ import annotations

import datetime
import hashlib
from typing import Any

import orjson

from iaas.common import errors, runtime
from iaas.common.rest.operations import Call, Reply
from iaas.db import codec
from iaas.db.identity import credentials, listing, projects, users
from iaas.db.tx import Tx
from iaas.identity import ids, issue, revoke, sigv4, tokens
from iaas.identity.api import credentials as generic
from iaas.identity.api.base import Resource, check, flag, link, moment_of, own_link
from iaas.identity.api.schemas import credentials as schemas

resource = Resource()
_MAX_LISTED = 1000


def _view(call: Call, row: Any) -> dict[str, Any]:
    blob = orjson.loads(call.clients.vault.open(row.blob))
    return {
        "access": blob["access"],
        "secret": blob["secret"],
        "user_id": row.user_id,
        "tenant_id": row.project_id,
        "trust_id": blob.get("trust_id"),
        "links": {"self": link(call, "users", row.user_id, "credentials", "OS-EC2", blob["access"])},
    }


def lookup(access: str) -> str:
    """Return what the credential with that access key is found by."""
    return hashlib.sha256(access.encode()).hexdigest()


def _owned(call: Call, tx: Tx) -> Any:
    row = credentials.find_key(tx, lookup(call.path["access"]))
    if row is None or row.user_id != call.path["user_id"]:
        raise errors.NotFound(what="EC2 credential", id=call.path["access"])
    return row


@resource.operation("GET", "/users/{user_id}/credentials/OS-EC2", policy="identity:ec2_list_credentials")
def index(call: Call) -> dict[str, Any]:
    """List a user's EC2 credentials."""
    user_id = call.path["user_id"]
    check(call, user_id=user_id)
    wanted = listing.Listing(_MAX_LISTED, equal={"user_id": user_id, "type": generic.EC2})
    with call.clients.db.read(call.ctx) as tx:
        users.get(tx, user_id)
        rows = credentials.page(tx, wanted)
    links = {"next": None, "self": own_link(call), "previous": None}
    return {"credentials": [_view(call, row) for row in rows], "links": links}


@resource.operation("GET", "/users/{user_id}/credentials/OS-EC2/{access}", policy="identity:ec2_get_credential")
def show(call: Call) -> dict[str, Any]:
    """Show an EC2 credential."""
    check(call, user_id=call.path["user_id"])
    with call.clients.db.read(call.ctx) as tx:
        return {"credential": _view(call, _owned(call, tx))}


@resource.operation(
    "POST",
    "/users/{user_id}/credentials/OS-EC2",
    policy="identity:ec2_create_credential",
    body=schemas.CREATE_EC2,
    status=201,
)
def create(call: Call) -> dict[str, Any]:
    """Make an access key and its secret, for a project the user has a role on."""
    user_id, project_id = call.path["user_id"], call.body["tenant_id"]
    check(call, user_id=user_id)
    access, secret = ids.new(), runtime.secret_bytes(16).hex()
    blob = codec.dump({"access": access, "secret": secret, "trust_id": None})
    with call.clients.db.read(call.ctx) as tx:
        users.get(tx, user_id)
        projects.get(tx, project_id)
    row = generic.add(
        call,
        {
            "id": lookup(access),
            "lookup": lookup(access),
            "user_id": user_id,
            "project_id": project_id,
            "type": generic.EC2,
            "blob": call.clients.vault.seal(blob),
            "extra": "{}",
        },
    )
    return {"credential": _view(call, row)}


@resource.operation(
    "DELETE",
    "/users/{user_id}/credentials/OS-EC2/{access}",
    policy="identity:ec2_delete_credential",
    status=204,
)
def delete(call: Call) -> None:
    """Delete an EC2 credential; tokens made with it end."""
    check(call, user_id=call.path["user_id"])

    def write(tx: Tx) -> None:
        row = _owned(call, tx)
        revoke.events(call.clients, tx, [{"delegate_id": row.id}])
        credentials.delete(tx, row.id)

    call.clients.db.write(call.ctx, write)


@resource.operation("POST", "/ec2tokens", policy="identity:ec2_token", body=schemas.EC2_TOKEN)
def create_token(call: Call) -> Reply:
    """Give a service the token of who signed a request.

    Only services may ask: a signed request is no secret, whoever sees it must not become its signer (OSSA-2025-002).
    """
    signed = call.body.get("credentials") or call.body["ec2Credentials"]
    moment = moment_of(call)
    with call.clients.db.read(call.ctx) as tx:
        row = credentials.find_key(tx, lookup(signed["access"]))
    # an unknown key is checked against a secret nobody has: the same work, the same answer
    secret = orjson.loads(call.clients.vault.open(row.blob))["secret"] if row else runtime.secret_bytes(16).hex()
    window = datetime.timedelta(seconds=call.clients.settings.identity.clock_skew)
    try:
        sigv4.verify(signed, secret, runtime.now(), window=window)
    except (sigv4.SignatureMismatch, sigv4.RequestExpired):
        raise errors.Unauthenticated() from None
    if row is None:
        raise errors.Unauthenticated()
    access = call.clients.directory.access(call.ctx, moment, row.user_id, tokens.PROJECT, row.project_id)
    if access is None:
        raise errors.Unauthenticated()
    text, valid = call.clients.issuer.issue(moment, access, (issue.EC2,), delegate_id=row.id)
    body = issue.body(valid, with_catalog=not flag(call, "nocatalog"))
    return Reply(body, headers={"X-Subject-Token": text, "Cache-Control": "no-store"})
