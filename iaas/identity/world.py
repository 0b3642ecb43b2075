"""The present state of identity as one process sees it: what was revoked, and who has which roles where.

Each request looks at the change number in the database, one small query.  What was computed under the same number
is still true, on every host, so answers come from memory and a change counts from the next request on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from iaas.common.context import RequestContext
from iaas.db import tx as dbtx
from iaas.db.identity import clock, revocations
from iaas.db.identity.clock import Moment
from iaas.identity import tokens

T = TypeVar("T")
#: answers kept; a plain dictionary that starts anew is safe between native threads without a lock
MAX_KEPT = 20_000


class Revoked:
    """The revocation events in force, by what they name; the latest of each."""

    def __init__(self) -> None:
        self.loaded = 0
        self.room = 20_000  # entries before it is worth dropping those of expired tokens
        self._by: dict[tuple[Any, ...], tuple[int, int]] = {}

    def __len__(self) -> int:
        return len(self._by)

    def add(self, event: Any) -> None:
        mark = (event.seq, int(event.issued_before * 1e6))
        for key in _keys(event):
            self._by[key] = max(self._by.get(key, mark), mark)

    def concerns(self, token: tokens.Token, domain_ids: tuple[str, ...]) -> bool:
        """Whether an event later than ``token`` takes it back.

        Later is what has a greater change number; the clock is asked too, because numbers start again from an
        older one when a database is restored.

        :param domain_ids: the domains of its user and of its scope
        """
        keys: list[tuple[Any, ...]] = [
            ("audit", token.audit_id),
            ("chain", token.chain_id),
            ("user", token.user_id),
            ("on", token.user_id, token.scope, token.scope_id),
            ("scope", token.scope, token.scope_id),
            ("delegate", token.delegate_id),
        ]
        keys += [("line", start) for start in token.ancestors]
        keys += [("domain", domain_id) for domain_id in domain_ids]
        by = self._by
        for key in keys:
            mark = by.get(key)
            if mark is not None and (mark[0] > token.seq or mark[1] > token.issued_us):
                return True
        return False


def _keys(event: Any) -> list[tuple[Any, ...]]:
    """What an event names, as :meth:`Revoked.concerns` asks for it."""
    if event.audit_id is not None:
        raw = tokens.audit_bytes(event.audit_id)
        return [("audit", raw), ("line", raw[: tokens.ANCESTOR_BYTES])]
    if event.chain_id is not None:
        return [("chain", tokens.audit_bytes(event.chain_id))]
    if event.delegate_id is not None:
        return [("delegate", event.delegate_id)]
    user_id = event.user_id
    if event.system:
        return [("on", user_id, tokens.SYSTEM, "all")]
    for scope, scope_id in ((tokens.PROJECT, event.project_id), (tokens.DOMAIN, event.domain_id)):
        if user_id is not None and scope_id is not None:
            return [("on", user_id, scope, scope_id)]
    if user_id is not None:
        return [("user", user_id)]
    if event.project_id is not None:
        return [("scope", tokens.PROJECT, event.project_id)]
    return [("domain", event.domain_id)]


class World:
    """What is true at this moment, and what was computed while it was."""

    def __init__(self, db: dbtx.Database) -> None:
        self.db = db
        self.revoked = Revoked()
        self._kept: dict[Any, tuple[int, Any]] = {}

    def look(self, ctx: RequestContext) -> Moment:
        """Return the present moment, with every revocation up to it loaded.

        :raises Unavailable: the database cannot be reached.
        """
        with self.db.read(ctx) as tx:
            moment = clock.look(tx)
            if moment.seq > self.revoked.loaded:
                self._load(tx, moment)
        return moment

    def _load(self, tx: dbtx.Tx, moment: Moment) -> None:
        revoked = self.revoked
        if len(revoked) > revoked.room:
            revoked = Revoked()
        for event in revocations.since(tx, revoked.loaded):
            revoked.add(event)
        revoked.loaded = max(revoked.loaded, moment.seq)
        if revoked is not self.revoked:
            revoked.room = 20_000 + 2 * len(revoked)
            self.revoked = revoked

    def at(self, moment: Moment, key: Any, compute: Callable[[], T]) -> T:
        """Return ``compute()``, or what it returned before in the same state of the world."""
        kept = self._kept.get(key)
        if kept is not None and kept[0] == moment.state_seq:
            return kept[1]
        value = compute()
        if len(self._kept) >= MAX_KEPT:
            self._kept.clear()
        self._kept[key] = (moment.state_seq, value)
        return value
