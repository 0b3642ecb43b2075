"""A hypervisor that keeps its guests in a data structure: for tests, the simulator and hosts without KVM.

It promises what the interface promises and does so in microseconds, any number of guests at a time.  The
guests live in a :class:`~iaas.compute.drivers.fake_world.World`, which outlives the driver.
"""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from iaas.common import errors, runtime, units
from iaas.compute import driver
from iaas.compute.driver import ConsoleAddress, Definition, Guest, HostFacts, HypervisorError, Image, Power
from iaas.compute.drivers.fake_world import FakeGuest, World


@dataclass(frozen=True)
class FakeSettings:
    """What the fake host looks like.

    :param delays: seconds that a method takes, by its name
    :param acpi: whether guests answer their power button; see also ``World.acpi_deaf``
    :param state_file: where guests are kept over a restart; None keeps them in memory
    :param console_dir: where serial consoles would listen; nothing does unless a test puts something there
    """

    hostname: str = "fake"
    vcpus: int = 64
    memory_mb: int = 256 * 1024
    disk_gb: int = 10_000
    delays: Mapping[str, float] = field(default_factory=dict)
    acpi: bool = True
    state_file: Path | None = None
    console_dir: Path = Path("/run/iaas-fake")


class FakeDriver(driver.ComputeDriver):
    """A view of a world of guests; several drivers may share one world, one after the other."""

    def __init__(self, settings: FakeSettings | None = None, world: World | None = None) -> None:
        self.settings = settings or FakeSettings()
        self.world = world or World(self.settings.state_file)

    def start_host(self) -> None:
        with self._call("start_host"):
            pass

    def stop_host(self) -> None:
        """Guests keep running: nothing is held."""

    def host_facts(self) -> HostFacts:
        return HostFacts(
            vcpus=self.settings.vcpus,
            memory_mb=self.settings.memory_mb,
            disk_gb=self.settings.disk_gb,
            hypervisor_type="fake",
            hypervisor_version=1_000_000,
            hostname=self.settings.hostname,
            cpu_info='{"arch": "x86_64", "model": "fake", "vendor": "fake", "features": []}',
        )

    def prepare(self, guest: Guest, image: Image | None, config_drive: bytes | None) -> None:
        disk_bytes = _disk_bytes(guest, image)
        packed = zlib.compress(config_drive, 1) if config_drive else None
        with self._call("prepare"):
            entry = self.world.all.setdefault(guest.id, FakeGuest(guest.id))
            if entry.disk_bytes is None and disk_bytes:
                entry.disk_bytes = disk_bytes
                entry.image_id = image.id if image else None
            self.world.save(guest.id)
            self.world.reach("prepare", "middle")
            entry.config_drive = packed or entry.config_drive
            self.world.save(guest.id)

    def start(self, guest: Guest) -> None:
        with self._call("start"):
            entry = self._with_files(guest)
            if entry.power is Power.RUNNING:
                return
            if entry.power is Power.PAUSED:
                entry.power = Power.RUNNING
                self.world.save(guest.id)
                return
            self._define_and_boot(entry, guest, "start")

    def _define_and_boot(self, entry: FakeGuest, guest: Guest, method: str) -> None:
        before = entry.power
        entry.name, entry.vcpus, entry.memory_mb = guest.name, guest.vcpus, guest.memory_mb
        entry.macs = tuple(nic.mac for nic in guest.nics)
        entry.power = Power.SHUTDOWN
        self.world.save(entry.id)
        try:
            self.world.reach(method, "middle")
        except Exception:
            entry.power = before
            self.world.save(entry.id)
            raise
        self.world.boot(entry, guest)

    def stop(self, guest_id: str, *, timeout: float) -> None:
        with self._call("stop", after=False):
            pass
        self._button(guest_id, timeout)
        with self.world.lock:
            entry = self.world.all.get(guest_id)
            if entry and entry.power in (Power.RUNNING, Power.PAUSED):
                self.world.switch_off(entry)
            self.world.reach("stop", "after")

    def _button(self, guest_id: str, timeout: float) -> None:
        """Press the power button; a guest that hears it is off at once, else ``timeout`` seconds pass."""
        with self.world.lock:
            entry = self.world.all.get(guest_id)
            if entry is None or entry.power is not Power.RUNNING or timeout <= 0:
                return
            if self.settings.acpi and guest_id not in self.world.acpi_deaf:
                self.world.switch_off(entry, words="reboot: Power down\n")
                return
        deadline = runtime.monotonic() + timeout
        while self.power_of(guest_id) is Power.RUNNING and runtime.monotonic() < deadline:
            runtime.sleep(min(0.05, timeout))

    def reboot(self, guest: Guest, *, hard: bool, timeout: float) -> None:
        with self._call("reboot", after=False):
            self._with_files(guest)
        if not hard:
            self._button(guest.id, timeout)
        with self.world.lock:
            entry = self._with_files(guest)
            if entry.power is not None and entry.power is not Power.SHUTDOWN:
                self.world.switch_off(entry)
            self._define_and_boot(entry, guest, "reboot")
            self.world.reach("reboot", "after")

    def destroy(self, guest_id: str) -> None:
        with self._call("destroy"):
            entry = self.world.all.get(guest_id)
            if entry is None:
                return
            entry.power, entry.vnc_port = None, None
            self.world.save(guest_id)
            self.world.reach("destroy", "middle")
            del self.world.all[guest_id]
            self.world.save(guest_id)

    def power_of(self, guest_id: str) -> Power | None:
        with self._call("power_of"):
            entry = self.world.all.get(guest_id)
            return entry.power if entry else None

    def guests(self) -> dict[str, Power]:
        with self._call("guests"):
            return {entry.id: entry.power for entry in self.world.all.values() if entry.power is not None}

    def definitions(self) -> dict[str, Definition]:
        with self._call("definitions"):
            return {entry.id: definition(entry) for entry in self.world.all.values() if entry.power is not None}

    def disks(self) -> set[str]:
        with self._call("disks"):
            entries = self.world.all.values()
            return {entry.id for entry in entries if entry.disk_bytes is not None or entry.config_drive is not None}

    def console_log(self, guest_id: str, *, max_bytes: int) -> bytes:
        with self._call("console_log"):
            log = self._known(guest_id).log
            return log[-max_bytes:] if max_bytes > 0 else b""

    def console(self, guest_id: str, kind: str) -> ConsoleAddress:
        with self._call("console"):
            entry = self._known(guest_id)
            if entry.power is not Power.RUNNING:
                raise driver.GuestNotFound(guest_id=guest_id)
            match kind:
                case "vnc":
                    return ConsoleAddress("vnc", port=self.world.vnc_port(entry))
                case "serial":
                    return ConsoleAddress("serial", path=str(self.settings.console_dir / f"{guest_id}.sock"))
                case _:
                    raise errors.Invalid(reason=f"A guest has no console of the type {kind}.")

    @contextlib.contextmanager
    def _call(self, method: str, *, after: bool = True) -> Iterator[None]:
        """One call: its delay, then its work under the world's lock, with the planned faults around it."""
        delay = self.settings.delays.get(method, 0.0)
        if delay:
            runtime.sleep(delay)
        with self.world.lock:
            self.world.reach(method, "before")
            yield
            if after:
                self.world.reach(method, "after")

    def _known(self, guest_id: str) -> FakeGuest:
        entry = self.world.all.get(guest_id)
        if entry is None or entry.power is None:
            raise driver.GuestNotFound(guest_id=guest_id)
        return entry

    def _with_files(self, guest: Guest) -> FakeGuest:
        entry = self.world.all.get(guest.id)
        if entry is None or (entry.disk_bytes is None and (guest.image_id or guest.disk_gb)):
            raise HypervisorError(reason=f"Guest {guest.id} has no disk on this host.")
        if guest.config_drive and entry.config_drive is None:
            raise HypervisorError(reason=f"Guest {guest.id} has no config drive on this host.")
        return entry


def definition(entry: FakeGuest) -> Definition:
    """Return what the fake hypervisor knows of a guest."""
    parts = {"disk": entry.disk_bytes, "config_drive": entry.config_drive}
    disks = frozenset(name for name, made in parts.items() if made is not None)
    return Definition(entry.vcpus, entry.memory_mb, disks, frozenset(entry.macs))


def _disk_bytes(guest: Guest, image: Image | None) -> int:
    """The size of the root disk; what an image needs is known for raw ones and by its ``min_disk_gb``."""
    offered = guest.disk_gb * units.GIB
    if image is None:
        return offered
    if image.disk_format not in ("raw", "qcow2"):
        raise driver.ImageRefused(image_id=image.id, reason=f"the format {image.disk_format} is not supported.")
    needed = max(image.min_disk_gb * units.GIB, image.size if image.disk_format == "raw" else 0)
    if offered and needed > offered:
        raise driver.DiskTooSmall(needed=units.human(needed), offered=units.human(offered))
    return offered or needed or units.GIB
