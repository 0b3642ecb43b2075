"""Asking the workers what their hosts really have: a signed request to the admin port of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from iaas.common import context, errors, runtime
from iaas.db import hosts
from iaas.db.tx import Database
from iaas.doctor.findings import HostTruth, host_truth, merged

#: the workers that have something on their host
TELLERS = ("iaas-compute", "iaas-network", "iaas-volume")
AT_ONCE = 16


class Asker(Protocol):
    """Asks one worker; :class:`iaas.compute.agentapi.AgentClient` is one."""

    def truth(self, admin_url: str, binary: str) -> dict[str, Any]: ...


@dataclass
class Answers:
    """What the workers said.

    :ivar silent: a sentence for each worker that could not be asked
    """

    hosts: dict[str, HostTruth] = field(default_factory=dict)
    silent: list[str] = field(default_factory=list)


def everybody(db: Database, asker: Asker) -> Answers:
    """Ask every worker that has a row, a few at a time; one that does not answer is named and left out.

    :raises Unavailable: the database cannot be reached.
    """
    with db.read(context.admin("doctor")) as tx:
        rows = [row for row in hosts.all_services(tx) if row.binary in TELLERS]
    found = Answers()
    for at in range(0, len(rows), AT_ONCE):
        _ask(rows[at : at + AT_ONCE], asker, found)
    return found


def _ask(rows: Sequence[Any], asker: Asker, found: Answers) -> None:
    tasks = [(row, runtime.spawn(_one, asker, row)) for row in rows]
    for row, task in tasks:
        said = task.wait()
        if isinstance(said, str):
            found.silent.append(f"{row.binary} on {row.host}: {said}")
        else:
            found.hosts[row.host] = merged(found.hosts.get(row.host, HostTruth()), said)


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
