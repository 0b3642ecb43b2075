"""Tokens issued and validated: the codec, the present moment and the directory put together."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any

from iaas.common.context import RequestContext
from iaas.db.identity.clock import Moment
from iaas.identity import tokens
from iaas.identity.access import Access, Directory
from iaas.identity.tokens import BadToken, Codec, Token
from iaas.identity.world import World

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
#: the methods of delegated tokens
EC2 = "ec2credential"
APPLICATION = "application_credential"


@dataclass(frozen=True)
class Valid:
    """A token that is in force, and what its user may do where."""

    token: Token
    access: Access

    @property
    def delegated(self) -> bool:
        return bool(self.token.delegate_id)


class Issuer:
    """Makes tokens, and says which are in force.

    :param lifetime: seconds a token lives
    """

    def __init__(self, codec: Codec, world: World, directory: Directory, lifetime: int) -> None:
        self._codec = codec
        self.world = world
        self.directory = directory
        self.lifetime = lifetime

    def validate(self, ctx: RequestContext, moment: Moment, text: str) -> Valid:
        """Return the token ``text`` is.

        :raises BadToken: it is not ours, has expired or was revoked, or its user has no access there any more.
        """
        token = self._codec.decode(text)
        if moment.now * 1e6 >= token.expires_us:
            raise BadToken()
        if APPLICATION in token.methods:
            access = self.directory.limited(ctx, moment, token.user_id, token.scope_id, token.delegate_id)
        else:
            access = self.directory.access(ctx, moment, token.user_id, token.scope, token.scope_id)
        if access is None or self.world.revoked.concerns(token, access.domain_ids):
            raise BadToken()
        return Valid(token, access)

    def issue(
        self,
        moment: Moment,
        access: Access,
        methods: tuple[str, ...],
        *,
        parent: Token | None = None,
        delegate_id: str = "",
        until: float | None = None,
    ) -> tuple[str, Valid]:
        """Return a new token of ``access`` as text.

        :param moment: that of before anything was read the token relies on
        :param parent: the token it is made from; it never outlives that
        :param delegate_id: the credential it is made with
        :param until: when that ends, in seconds since the epoch
        """
        issued = int(moment.now * 1e6)
        expires = issued + self.lifetime * 1_000_000
        audit_id = tokens.new_audit_id()
        if parent is not None:
            expires = min(expires, parent.expires_us)
        if until is not None:
            expires = min(expires, int(until * 1e6))
        token = Token(
            methods=methods,
            scope=access.scope,
            user_id=access.user["id"],
            scope_id=access.scope_id,
            issued_us=issued,
            expires_us=expires,
            seq=moment.seq,
            audit_id=audit_id,
            chain_id=parent.chain_id if parent else audit_id,
            ancestors=parent.line() if parent else (),
            delegate_id=delegate_id,
        )
        return self._codec.encode(token), Valid(token, access)


def body(valid: Valid, *, with_catalog: bool = True) -> dict[str, Any]:
    """Return a token as the API shows it."""
    token = valid.token
    said = dict(valid.access.said)
    if not with_catalog:
        said.pop("catalog", None)
    return {
        "token": {
            "methods": list(token.methods),
            **said,
            "audit_ids": token.audit_ids,
            "expires_at": stamp(token.expires_us),
            "issued_at": stamp(token.issued_us),
        }
    }


def stamp(microseconds: int) -> str:
    """Return a moment as Identity writes it: ``2026-11-21T10:00:00.000000Z``."""
    when = _EPOCH + datetime.timedelta(microseconds=microseconds)
    return when.isoformat(timespec="microseconds")[:26] + "Z"


def seconds(text: str) -> float:
    """Return seconds since the epoch of a time as Identity writes it.

    :raises ValueError: it is no time.
    """
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def context(valid: Valid, base: RequestContext) -> RequestContext:
    """Return the caller a token speaks for."""
    access = valid.access
    ref: Any = access.scope_ref
    project = ref.get("project")
    names = access.role_names
    return RequestContext(
        request_id=base.request_id,
        global_request_id=base.global_request_id,
        user_id=access.user["id"],
        user_name=access.user["name"],
        user_domain_id=access.user["domain"]["id"],
        project_id=project["id"] if project else None,
        project_name=project["name"] if project else None,
        project_domain_id=project["domain"]["id"] if project else None,
        domain_id=access.scope_id if access.scope == tokens.DOMAIN else None,
        system_scope="all" if access.scope == tokens.SYSTEM else None,
        roles=names,
        is_admin="admin" in names,
        extra={"token": valid},
    )
