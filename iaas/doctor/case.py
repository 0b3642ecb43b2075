"""What every invariant looks at: the rows of one moment, the truth, and what may be judged now."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from typing import Any, TypeVar

from iaas.db import jobs as db
from iaas.db.doctor import ImageSnapshot, Snapshot
from iaas.doctor import unreadable
from iaas.doctor.findings import Finding, Truth
from iaas.doctor.wanted import Wanted

T = TypeVar("T")
#: the parts of a snapshot whose rows are of a table of another name
TABLES = {"history": "jobs", "groups": "security_groups", "rules": "security_group_rules"}
#: the parts whose rows are looked through when something could not be judged
READ = (
    "instances", "jobs", "history", "hosts", "services", "allocations", "volumes", "ports", "fixed_ips", "networks",
    "subnets", "groups", "rules",
)  # fmt: skip


class Case:
    """One visit.

    :ivar judging: the invariant that is looked at

    :param grace: seconds for which a resource may be untouched before it is judged; 0: nothing is under way,
        everything is judged
    :param images: the image service's rows, if they were read
    """

    def __init__(self, rows: Snapshot, truth: Truth, grace: float, images: ImageSnapshot | None = None) -> None:
        self.rows = rows
        self._images = images
        self.judging = ""
        self._spoilt: dict[tuple[str, str, str], Finding] = {}
        self._untold: list[Finding] = []
        self.truth = truth
        self.grace = grace
        self.now = rows.now
        self.instances = {row.id: row for row in rows.instances}
        self.volumes = {row.id: row for row in rows.volumes}
        self.ports = {row.id: row for row in rows.ports}
        self.hosts = {row.id: row for row in rows.hosts}
        self.live = [job for job in rows.jobs if job.state in db.LIVE]
        self._excused = {job.resource_id for job in rows.jobs}

    @property
    def images(self) -> ImageSnapshot:
        """The image service's rows; asked for only by what needs them."""
        assert self._images is not None  # noqa: S101  see Invariant.needs
        return self._images

    @cached_property
    def live_by_resource(self) -> dict[tuple[str, str], list[Any]]:
        found: dict[tuple[str, str], list[Any]] = defaultdict(list)
        for job in self.live:
            found[job.resource_type, job.resource_id].append(job)
        return found

    @cached_property
    def addresses(self) -> dict[str, list[Any]]:
        """The addresses of each port."""
        return _grouped(self.rows.fixed_ips, "port_id")

    @cached_property
    def ports_of(self) -> dict[str, list[Any]]:
        """The ports of each server."""
        return _grouped(filter(is_servers, self.rows.ports), "device_id")

    def queues(self) -> Iterator[tuple[str, int, str | None]]:
        """Yield each queue with how much waits, and the host of the process it is inside of, if it is."""
        for queue, depth in sorted((self.truth.queues or {}).items()):
            yield queue, depth, None
        for name, queues in self.told("queues"):
            for queue, depth in sorted(queues.items()):
                yield queue, depth, name

    @cached_property
    def groups(self) -> dict[str, Any]:
        return {row.id: row for row in self.rows.groups}

    @cached_property
    def groups_of(self) -> dict[str, list[Any]]:
        """The rows of ``port_groups`` of each port."""
        return _grouped(self.rows.port_groups, "port_id")

    @cached_property
    def wanted(self) -> Wanted:
        """What hosts should have in their filters and DHCP servers."""
        return Wanted(self)

    # -- what cannot be read -------------------------------------------------------------------------------------

    def read(self, table: str, row: Any, column: str, how: Callable[[Any], T]) -> T | None:
        """Return what a column holds, made by ``how``; None where it cannot be read, which is told once."""
        try:
            return how(getattr(row, column))
        except unreadable.ERRORS:
            self._note(table, row, column)
            return None

    def numbers(self, table: str, row: Any, columns: Iterable[str]) -> bool:
        """Whether these columns hold numbers; where one does not, that is told once."""
        held = [self.read(table, row, column, unreadable.number) for column in columns]
        return None not in held

    @contextlib.contextmanager
    def wall(self, subject: str) -> Iterator[None]:
        """Judge one thing: whatever fails is told, the row at fault by name if it is found, and the next is judged."""
        try:
            yield
        except Exception as error:  # the doctor is most needed where rows are worst
            tables = ((TABLES.get(name, name), getattr(self.rows, name)) for name in READ)
            for table, row, column in unreadable.suspects(tables):
                self._note(table, row, column)
            self._untold.append(unreadable.of_fault(self.judging, subject, error))

    def untold(self) -> list[Finding]:
        """Return what could not be judged since this was asked last."""
        found, self._untold = self._untold, []
        return found

    def _note(self, table: str, row: Any, column: str) -> None:
        found = unreadable.of_row(self.judging, table, row, column)
        if self._spoilt.setdefault((table, found.subject, column), found) is found:
            self._untold.append(found)

    # -- what may be judged --------------------------------------------------------------------------------------

    def old(self, touched_at: float) -> bool:
        """Whether something was last touched before the grace."""
        return not self.grace or touched_at <= self.now - self.grace

    def settled(self, resource_id: str, touched_at: float | None = None) -> bool:
        """Whether a resource may be judged: it has no job, and neither it nor a job of it changed lately."""
        if not self.grace:
            return True
        return (touched_at is None or self.old(touched_at)) and resource_id not in self._excused

    def server_settled(self, row: Any) -> bool:
        """Whether a server may be judged together with its ports."""
        ports = self.ports_of[row.id]
        return self.settled(row.id, row.updated_at) and all(self.settled(port.id, port.updated_at) for port in ports)

    def told(self, what: str) -> Iterator[tuple[str, Any]]:
        """Yield the hosts that were asked for ``guests``, ``disks``, …, each with what it said."""
        for name, host in self.truth.hosts.items():
            if (said := getattr(host, what)) is not None:
                yield name, said


def is_servers(port: Any) -> bool:
    """Whether a port belongs to a server: users may write any device id, only the cloud this owner."""
    return bool(port.device_id) and port.device_owner.startswith("compute:")


def _grouped(rows: Iterable[Any], column: str) -> dict[str, list[Any]]:
    """Return the rows by what a column says; nothing said is an empty list."""
    found: dict[str, list[Any]] = defaultdict(list)
    for row in rows:
        found[getattr(row, column)].append(row)
    return found
