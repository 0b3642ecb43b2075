"""Asking the workers what their hosts really have: a signed request to the admin port of each."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from iaas.common import context, errors, runtime
from iaas.db import hosts
from iaas.db.tx import Database
from iaas.doctor.findings import TELLERS, TOLD_BY, HostTruth, host_truth, merged

#: workers that are asked at once: one that hangs keeps one of these places until its time is up
AT_ONCE = 64


class Asker(Protocol):
    """Asks one worker, within a time; :class:`iaas.compute.agentapi.AgentClient` is one."""

    def truth(self, admin_url: str, binary: str) -> dict[str, Any]: ...


@dataclass(frozen=True)
class Silent:
    """A worker that could not be asked.

    :param id: of its service
    """

    id: str
    binary: str
    host: str
    why: str

    def __str__(self) -> str:
        return f"{self.binary} on {self.host}: {self.why}"


@dataclass
class Answers:
    """What the workers said."""

    hosts: dict[str, HostTruth] = field(default_factory=dict)
    silent: list[Silent] = field(default_factory=list)


def tellers(needs: Collection[str], *, broker_is_inside: bool) -> set[str]:
    """Return the binaries that can tell something of this, in the words of :data:`iaas.doctor.invariants.NEEDS`."""
    if "queues" in needs and broker_is_inside:
        return set(TELLERS)
    return {TOLD_BY[what] for what in needs if what in TOLD_BY}


def _nobody(asked: int, workers: int) -> None:
    """Tell nobody how far it is."""


def everybody(
    db: Database,
    asker: Asker,
    *,
    tellers: Collection[str] = TELLERS,
    but: Collection[str] = (),
    progress: Callable[[int, int], None] = _nobody,
) -> Answers:
    """Ask every worker that has a row, side by side; one that does not answer is named and left out.

    :param tellers: the binaries of those to ask
    :param but: services not to ask, by id
    :param progress: called with how many were asked, of how many
    :raises Unavailable: the database cannot be reached.
    """
    with db.read(context.admin("doctor")) as tx:
        rows = [row for row in hosts.all_services(tx) if row.binary in tellers and row.id not in but]
    said: dict[str, HostTruth | str] = {}
    progress(0, len(rows))
    for row, answer in _asked(rows, asker):
        said[row.id] = answer
        progress(len(said), len(rows))
    found = Answers()
    for row in rows:  # in their order, whoever answered first
        answer = said[row.id]
        if isinstance(answer, str):
            found.silent.append(Silent(row.id, row.binary, row.host, answer))
        else:
            found.hosts[row.host] = merged(found.hosts.get(row.host, HostTruth()), answer)
    return found


def _asked(rows: Collection[Any], asker: Asker) -> Iterator[tuple[Any, HostTruth | str]]:
    """Yield each worker with what it said, or why it did not, as they answer."""
    answers = runtime.queue()

    def ask(row: Any) -> None:
        try:
            answers.put((row, _one(asker, row)))
        except Exception as error:  # who waits for an answer must have one
            answers.put((row, f"asking it failed: {type(error).__name__}: {error}"))

    left, waiting = list(rows), 0
    while left or waiting:
        while left and waiting < AT_ONCE:
            runtime.spawn(ask, left.pop(0))
            waiting += 1
        yield answers.get()
        waiting -= 1


def _one(asker: Asker, row: Any) -> HostTruth | str:
    if not row.admin_url:
        return "it has not said where it can be asked; it is of an older release, or its admin port is off."
    try:
        return _checked(asker.truth(row.admin_url, row.binary))
    except errors.IaasError as error:
        return error.message


def _checked(said: Mapping[str, Any]) -> HostTruth:
    """:raises Invalid: the answer is not what a worker says."""
    try:
        return host_truth(said)
    except (TypeError, ValueError) as error:
        raise errors.Invalid(reason=f"Its answer cannot be read: {error}") from error
