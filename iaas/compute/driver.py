"""What a hypervisor must do: the interface every compute driver implements.

Drivers see neither the database nor the queue: a job step hands them plain values and they return plain
values.  Every method is synchronous, is called in a native thread with a deadline, and returns when the guest
has reached the state asked for.  **A method that finds its work already done returns normally**, so that any
step may run again after a crash.  ``tests/contract/compute_driver.py`` holds what is promised here.
"""

from __future__ import annotations

import abc
import enum
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from iaas.common import errors


class Power(enum.Enum):
    """What the hypervisor says of a guest; the number is the API's ``OS-EXT-STS:power_state``."""

    NOSTATE = 0
    RUNNING = 1
    PAUSED = 3
    SHUTDOWN = 4
    CRASHED = 6
    SUSPENDED = 7


@dataclass(frozen=True)
class HostFacts:
    """What this host has; sizes in MiB and GiB."""

    vcpus: int
    memory_mb: int
    disk_gb: int
    hypervisor_type: str  # "fake", "QEMU", "KVM"
    hypervisor_version: int  # 7002022 is 7.2.22
    hostname: str
    cpu_info: str = "{}"  # JSON text, as the hypervisors API shows it


@dataclass(frozen=True)
class Image:
    """An image as the image service described it when the request was accepted.

    :param disk_format: fixed at ingest and passed to every tool; never probed
    :param read: opens a stream of the image's bytes, in chunks; called at most once per download
    """

    id: str
    disk_format: str
    size: int
    hash_algo: str | None
    hash_value: str | None
    read: Callable[[], Iterator[bytes]] = field(compare=False, repr=False)
    min_disk_gb: int = 0


@dataclass(frozen=True)
class Nic:
    """One network interface; ``tap`` exists already and is filtered before the guest starts."""

    port_id: str
    mac: str
    tap: str
    mtu: int = 1500


@dataclass(frozen=True)
class Guest:
    """Everything a driver needs to build or start one guest.

    ``id`` is the instance id and the hypervisor's own uuid for it.
    """

    id: str
    name: str
    vcpus: int
    memory_mb: int
    disk_gb: int  # 0: as large as the image
    image_id: str | None
    image_format: str | None
    nics: tuple[Nic, ...] = ()
    config_drive: bool = False
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Definition:
    """What the hypervisor knows of one guest: of one that runs, what it runs with.

    :param disks: ``disk`` and ``config_drive`` for the guest's own files, and the path of anything else
    """

    vcpus: int
    memory_mb: int
    disks: frozenset[str]
    macs: frozenset[str]

    def words(self) -> dict[str, Any]:
        """Return it in the words of JSON."""
        lists = {"disks": sorted(self.disks), "macs": sorted(self.macs)}
        return {"vcpus": self.vcpus, "memory_mb": self.memory_mb, **lists}


def definition_of(guest: Any, macs: Iterable[str]) -> Definition:
    """Return what the hypervisor must know of a guest.

    :param guest: a :class:`Guest`, or the row of its instance
    """
    parts = {"disk": guest.image_id or guest.disk_gb, "config_drive": guest.config_drive}
    disks = frozenset(name for name, is_there in parts.items() if is_there)
    return Definition(guest.vcpus, guest.memory_mb, disks, frozenset(macs))


@dataclass(frozen=True)
class ConsoleAddress:
    """Where a console of a guest listens on this host: a Unix socket, or a port on loopback."""

    kind: str  # "vnc" or "serial"
    path: str | None = None
    host: str = "127.0.0.1"
    port: int | None = None  # where ``path`` is None


class HypervisorError(errors.IaasError):
    """The hypervisor refused. ``retryable`` is for faults that may pass; the sentence is fit for the user."""

    kind = errors.Kind.INTERNAL
    template = "{reason}"
    retryable: bool = True


class GuestNotFound(errors.IaasError):
    kind = errors.Kind.NOT_FOUND
    template = "The hypervisor does not know guest {guest_id}."


class DiskTooSmall(errors.IaasError):
    """The image does not fit the flavor's disk: permanent, nothing was written."""

    kind = errors.Kind.INVALID
    template = "The image needs a disk of at least {needed} but the flavor has {offered}."


class ImageRefused(errors.IaasError):
    """The image's bytes are not what they were declared to be: permanent, nothing was kept."""

    kind = errors.Kind.INVALID
    template = "Image {image_id} was rejected: {reason}"


class ComputeDriver(abc.ABC):
    """One hypervisor on one host."""

    #: how long one call may take before the host counts as stuck, in seconds
    deadlines: ClassVar[Mapping[str, float]] = {
        "prepare": 600.0,
        "start": 60.0,
        "stop": 120.0,
        "reboot": 120.0,
    }

    @abc.abstractmethod
    def start_host(self) -> None:
        """Connect and make the host ready; called once before anything else, and may take long.

        :raises HypervisorError: this host cannot run guests; the sentence says why and what to do.
        """

    @abc.abstractmethod
    def stop_host(self) -> None:
        """Disconnect. Guests keep running."""

    @abc.abstractmethod
    def host_facts(self) -> HostFacts:
        """Return what the host has now."""

    @abc.abstractmethod
    def prepare(self, guest: Guest, image: Image | None, config_drive: bytes | None) -> None:
        """Make the guest's root disk, and its config drive from the ISO bytes given.

        The image is downloaded at most once per host, whatever runs at the same time; its hash and format are
        verified.  A disk that is there already is kept as it is.  ``image`` is None for an empty disk.

        :raises DiskTooSmall: the image's virtual size is larger than the flavor's disk.
        :raises ImageRefused: hash or format are not as declared.
        :raises HypervisorError: no space, or the tool failed.  No partial file is left behind.
        """

    @abc.abstractmethod
    def start(self, guest: Guest) -> None:
        """Define the guest from ``guest`` (always anew) and start it, unless it is running.

        :raises HypervisorError: the hypervisor refused; a guest that was not defined before is not left
            behind.
        """

    @abc.abstractmethod
    def stop(self, guest_id: str, *, timeout: float) -> None:
        """Ask the guest to power off by its ACPI button and force it after ``timeout`` seconds.

        ``timeout`` 0 forces at once.  A guest that is off already, or unknown, is fine.
        """

    @abc.abstractmethod
    def reboot(self, guest: Guest, *, hard: bool, timeout: float) -> None:
        """Restart the guest: softly by its ACPI button, hard by a power cycle from a fresh definition.

        A soft reboot that the guest does not answer within ``timeout`` seconds becomes a hard one.
        """

    @abc.abstractmethod
    def destroy(self, guest_id: str) -> None:
        """Stop and undefine the guest and remove its files; an unknown id is not an error."""

    @abc.abstractmethod
    def power_of(self, guest_id: str) -> Power | None:
        """Return the guest's power, or None if the hypervisor does not know the guest."""

    @abc.abstractmethod
    def guests(self) -> dict[str, Power]:
        """Return every guest of ours that this hypervisor has, by id."""

    @abc.abstractmethod
    def definitions(self) -> dict[str, Definition]:
        """Return what every guest of ours is defined as, by id."""

    @abc.abstractmethod
    def disks(self) -> set[str]:
        """Return the guests this host has files of (a disk, a config drive, a log), whether or not it knows them."""

    @abc.abstractmethod
    def console_log(self, guest_id: str, *, max_bytes: int) -> bytes:
        """Return the last ``max_bytes`` of what the guest wrote to its serial console.

        :raises GuestNotFound: the hypervisor does not know the guest.
        """

    @abc.abstractmethod
    def console(self, guest_id: str, kind: str) -> ConsoleAddress:
        """Return where the guest's ``vnc`` or ``serial`` console listens now.

        :raises GuestNotFound: the guest is unknown or not running.
        """

    def tidy(self) -> None:  # noqa: B027  most drivers have nothing to do
        """Do the host's small housekeeping, such as cutting long console logs; called every minute or so."""
