"""What the doctor is told of the world outside the database, and what it says."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from typing import Any


def counted(number: int, one: str, more: str | None = None) -> str:
    """Return ``1 port``, ``2 ports``: a number and its noun, whose plural is ``more`` if an s does not make it."""
    return f"{number} {one if number == 1 else more or f'{one}s'}"


@dataclass(frozen=True)
class Finding:
    """One breach of an invariant.

    :param invariant: ``I7``
    :param subject: what it is about: ``server <id>``, ``host <name>``, …
    :param what: what is wrong, a sentence
    :param not_before: when it was not so yet, in seconds since the epoch: mostly the last change the cloud made to the
        row; it began at some moment after that. None if nothing tells
    :param remedy: what to do, or what ``iaas-manage doctor --fix`` would do
    :param fix: the name of a repair the doctor knows, see ``iaas.doctor.repairs``
    :param host: the host it was found on, if it is about something there
    """

    invariant: str
    subject: str
    what: str
    not_before: float | None = None
    remedy: str = ""
    fix: str | None = None
    host: str | None = None

    def __str__(self) -> str:
        return f"{self.invariant} {self.subject}: {self.what}"

    @property
    def key(self) -> tuple[str, str, str]:
        """What makes it the same finding when it is looked for again."""
        return self.invariant, self.subject, self.what

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


@dataclass(frozen=True)
class HostTruth:
    """What one host really holds; None is what it was not asked.

    :param guests: the name of the power of each guest, by server id: ``RUNNING``, ``SHUTDOWN``, …
    :param definitions: what each guest is defined as, by server id: ``vcpus``, ``memory_mb``, ``disks`` and ``macs``
    :param disks: servers the host has files of
    :param ports: ports that carry frames
    :param taps: ports there is a tap of, carrying or closed
    :param networks: networks there is a bridge or a DHCP server of
    :param rules: by port, a digest of what its security groups let through, as it is in force
    :param senders: by port, a digest of the addresses it may send from
    :param members: by remote security group, a digest of its addresses; the key is the host's name for the group
    :param leases: by network, the MAC that DHCP gives each address to
    :param volumes: GiB of each volume, by id
    :param queues: messages that wait in the broker inside its process, by topic
    """

    guests: Mapping[str, str] | None = None
    definitions: Mapping[str, Mapping[str, Any]] | None = None
    disks: Set[str] | None = None
    ports: Set[str] | None = None
    taps: Set[str] | None = None
    networks: Set[str] | None = None
    rules: Mapping[str, str] | None = None
    senders: Mapping[str, str] | None = None
    members: Mapping[str, str] | None = None
    leases: Mapping[str, Mapping[str, str]] | None = None
    volumes: Mapping[str, int] | None = None
    queues: Mapping[str, int] | None = None


SETS = ("disks", "ports", "taps", "networks")
#: which worker tells what of its host; ``queues`` are told by each whose broker is inside its process
TOLD_BY = {
    **dict.fromkeys(("guests", "definitions", "disks"), "iaas-compute"),
    **dict.fromkeys(("ports", "taps", "networks", "rules", "senders", "members", "leases"), "iaas-network"),
    "volumes": "iaas-volume",
}
TELLERS = ("iaas-compute", "iaas-network", "iaas-volume")
MAPS = ("guests", "definitions", "rules", "senders", "members", "leases", "volumes", "queues")


@dataclass(frozen=True)
class Truth:
    """What there really is, as far as anybody was asked.

    :param hosts: by the host's name in the rows
    :param blobs: bytes of each image in the store, by image id
    :param written: when those bytes were written last, in seconds since the epoch, by image id
    :param digests: the SHA-512 of the bytes of each image that was read, by image id; None: they cannot be read
    :param queues: messages that wait in the broker between processes, by topic; the dead letters among them
    :param ratios: how many times the hosts may be sold: has ``cpu_ratio``, ``ram_ratio`` and ``disk_ratio``
    :param down_after: seconds without a report after which a service is down
    :param limits_kept: whether no quota was lowered since it was used: only then is use above it a breach
    """

    hosts: Mapping[str, HostTruth] = field(default_factory=dict)
    blobs: Mapping[str, int] | None = None
    written: Mapping[str, float] = field(default_factory=dict)
    digests: Mapping[str, str | None] | None = None
    queues: Mapping[str, int] | None = None
    ratios: Any = None
    down_after: float | None = None
    limits_kept: bool = False


def host_truth(words: Mapping[str, Any]) -> HostTruth:
    """Return what the ``truth()`` of one worker says, in the words of JSON."""
    found: dict[str, Any] = {name: frozenset(words[name]) for name in SETS if name in words}
    found.update({name: dict(words[name]) for name in MAPS if name in words})
    return HostTruth(**found)


def merged(first: HostTruth, second: HostTruth) -> HostTruth:
    """Return what two workers of one host say together."""
    told = {f.name: getattr(second, f.name) for f in dataclasses.fields(HostTruth)}
    return dataclasses.replace(first, **{name: value for name, value in told.items() if value is not None})
