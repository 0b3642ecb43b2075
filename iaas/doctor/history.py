"""What clients were promised, and whether it was kept (I12).

A 2xx is a promise: what was made is there, or says in ``ERROR`` why it is not usable; what was deleted is gone; a verb
is done, or its action says why not; one client token made one set of things.  An answer that never came promises
nothing, but excuses: what it asked for may have happened or not.

A test's clients write the record; :func:`kept` holds a settled cloud against it::

    history.accepted("create", "server", made["id"], name="web", token="t1")
    history.unanswered("delete", "server", made["id"])
    assert kept(history, db) == []
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from iaas.common import context
from iaas.db import codec
from iaas.db import doctor as db
from iaas.db import jobs as job_rows
from iaas.db.tx import Database
from iaas.doctor.findings import Finding

CREATE, DELETE = "create", "delete"
REMEDY = (
    "A fault of the program, unless rows were changed or restored: `iaas-manage trace` tells what was done about it."
)


@dataclass(frozen=True)
class Promise:
    """One 2xx: ``who`` was told that ``verb`` is done, or will be, to one thing.

    :param noun: ``server``, ``volume``, ``port``, ``network``, ``subnet`` or ``security_group``
    :param at: when, in seconds since the epoch, if it matters
    """

    verb: str
    noun: str
    id: str
    request_id: str | None = None
    who: str = ""
    at: float | None = None


@dataclass
class History:
    """The record of all clients, in the order of the answers.

    :ivar unwanted: ids somebody asked to delete, whether an answer came or not
    :ivar unknown: how often a request to make something of a name had no answer
    :ivar tokens: the sets of ids each client token was answered with, by (who, token)
    """

    promises: list[Promise] = field(default_factory=list)
    unwanted: set[str] = field(default_factory=set)
    unknown: Counter[str] = field(default_factory=Counter)
    tokens: dict[tuple[str, str], set[tuple[str, ...]]] = field(default_factory=dict)

    def accepted(
        self, verb: str, noun: str, *ids: str, request_id: str | None = None, who: str = "", token: str | None = None,
        at: float | None = None,
    ) -> None:  # fmt: skip
        """Note a 2xx about these things.

        :param token: the client token the request had; asked again with it, the same ids must be answered
        """
        for id_ in ids:
            self.promises.append(Promise(verb, noun, id_, request_id, who, at))
        if verb == DELETE:
            self.unwanted.update(ids)
        if token is not None:
            self.tokens.setdefault((who, token), set()).add(tuple(sorted(ids)))

    def unanswered(self, verb: str, id_: str | None = None, *, name: str | None = None) -> None:
        """Note a request whose answer never came: it may have been done or not."""
        if verb == DELETE and id_ is not None:
            self.unwanted.add(id_)
        if verb == CREATE and name is not None:
            self.unknown[name] += 1


def kept(history: History, database: Database, *, complete: bool = False) -> list[Finding]:
    """Return the promises a settled cloud did not keep.

    :param complete: every client is in the record, so that what nobody was told of is a finding too
    :raises Unavailable: the database cannot be reached.
    """
    requests = sorted({promise.request_id for promise in history.promises if promise.request_id})
    with database.snapshot(context.admin("doctor")) as tx:
        there = db.things(tx)
        jobs = {(job.resource_id, job.request_id): job for job in db.jobs_of_requests(tx, requests)}
    found = [broken for promise in history.promises for broken in _broken(promise, history, there[promise.noun], jobs)]
    for (who, token), answers in history.tokens.items():
        if len(answers) > 1:
            what = f"It made {len(answers)} different sets of things."
            found.append(_told(f"token {token}", f"{who}: {what}" if who else what))
    return found + (list(_strangers(history, there)) if complete else [])


def _broken(
    promise: Promise, history: History, rows: Mapping[str, Any], jobs: Mapping[tuple[str, str], Any]
) -> Iterator[Finding]:
    row, subject = rows.get(promise.id), f"{promise.noun} {promise.id}"
    if promise.verb == DELETE:
        if row is not None:
            yield _told(subject, "Its deletion was accepted and it is there.", promise.at)
    elif promise.verb == CREATE:
        if row is None and promise.id not in history.unwanted:
            yield _told(subject, "It was accepted, nobody deleted it, and it is gone.", promise.at)
        elif row is not None and row.state in ("error", "building", "creating") and not row.fault:
            yield _told(subject, f"It was accepted, it is {row.state}, and nothing says why.", promise.at)
    elif promise.id not in history.unwanted and promise.request_id is not None:
        yield from _done(promise, subject, jobs.get((promise.id, promise.request_id)))


def _done(promise: Promise, subject: str, job: Any) -> Iterator[Finding]:
    """A verb that was accepted is done, or its job says why not."""
    if job is None:
        yield _told(subject, f"Its {promise.verb} was accepted and left no action.", promise.at)
    elif job.state != job_rows.DONE and not codec.load(job.error):
        what = f"Its {promise.verb} ended as {job.state} and nothing says why."
        yield _told(subject, what, promise.at)


def _told(subject: str, what: str, at: float | None = None) -> Finding:
    return Finding("I12", subject, what, at, REMEDY)


def _strangers(history: History, there: Mapping[str, Mapping[str, Any]]) -> Iterator[Finding]:
    """What is there and nobody was told of; one may be for each request that had no sure answer."""
    known = {promise.id for promise in history.promises}
    for noun in ("server", "volume"):
        strangers = Counter(row.name for row in there[noun].values() if row.id not in known)
        for name, count in strangers.items():
            if count > history.unknown[name or ""]:
                yield _told(f"{noun} named {name}", f"{count} of it are there that nobody was told of.")
