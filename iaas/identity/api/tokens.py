"""Tokens.  Source: https://docs.openstack.org/api-ref/identity/v3/#authentication-and-token-management"""

from __future__ import annotations

from iaas.common import errors
from iaas.common.rest.operations import PUBLIC, Call, Reply
from iaas.db.identity import revocations
from iaas.identity import auth, issue, rules
from iaas.identity.api.base import Resource, flag, moment_of, token_of
from iaas.identity.api.schemas.auth import AUTHENTICATE
from iaas.identity.issue import Valid
from iaas.identity.tokens import BadToken

resource = Resource()


class TokenNotFound(errors.IaasError):
    """The subject of the request is no token in force; its text is a secret and is not repeated."""

    kind = errors.Kind.NOT_FOUND
    template = "The token could not be found."


@resource.operation("POST", "/auth/tokens", policy=PUBLIC, body=AUTHENTICATE, status=201, delegated=True)
def create(call: Call) -> Reply:
    """Log in, or change the scope of a token."""
    wanted = dict(call.body["auth"])
    if wanted.get("scope") == "unscoped":
        wanted["scope"] = {"unscoped": {}}
    text, valid = auth.authenticate(call.clients, call.ctx, moment_of(call), wanted)
    return Reply(issue.body(valid, with_catalog=not flag(call, "nocatalog")), headers=_headers(text))


@resource.operation("GET", "/auth/tokens", policy="identity:validate_own_token", delegated=True)
def show(call: Call) -> Reply:
    """Validate a token."""
    text, valid = _subject(call, "identity:validate_token")
    if rules.limited(valid.access.said) and not call.header(rules.HEADER):
        raise TokenNotFound()  # who asks would let it do anything
    return Reply(issue.body(valid, with_catalog=not flag(call, "nocatalog")), headers=_headers(text))


@resource.operation("DELETE", "/auth/tokens", policy="identity:revoke_own_token", status=204, delegated=True)
def delete(call: Call) -> None:
    """Revoke a token, and those made from it."""
    _, valid = _subject(call, "identity:revoke_token")
    token = valid.token
    first = token.chain_id == token.audit_id
    event = {"chain_id" if first else "audit_id": token.audit_ids[0]}
    kept = call.clients.settings.identity.token_lifetime
    call.clients.db.write(call.ctx, revocations.add, kept, [event], state=False)


def _subject(call: Call, rule: str) -> tuple[str, Valid]:
    """Return the token in ``X-Subject-Token``: the caller's own, of the same user, or anybody's by ``rule``."""
    text = call.header("X-Subject-Token")
    if not text:
        raise errors.Invalid(reason="The header X-Subject-Token is missing.")
    own = token_of(call)
    if own is not None and text == call.header("X-Auth-Token"):
        return text, own
    try:
        valid = call.clients.issuer.validate(call.ctx, moment_of(call), text)
    except BadToken:
        raise TokenNotFound() from None
    if own is None or valid.token.user_id != own.token.user_id or own.delegated:
        call.clients.policy.check(call.ctx, rule)
    return text, valid


def _headers(text: str) -> dict[str, str]:
    return {"X-Subject-Token": text, "Vary": "X-Auth-Token", "Cache-Control": "no-store"}
