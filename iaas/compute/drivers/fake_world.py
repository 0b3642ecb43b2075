"""The machine room behind the fake hypervisor: what stays when the compute daemon dies.

A :class:`World` holds guests, their disks and their consoles.  A driver is only a view of it, so a test ends
a daemon by dropping its driver, and the guests are still there for the next one.  Tests also use it to make
things go wrong: a guest that crashes, a call that fails before, in the middle of, or after its work.
"""

from __future__ import annotations

import base64
import dataclasses
import itertools
import json
import logging
import os
import zlib
from collections import Counter
from pathlib import Path
from typing import Any, Literal

from iaas.common import errors, runtime
from iaas.compute.driver import Guest, HypervisorError, Power

LOG = logging.getLogger(__name__)
MAX_LOG = 256 * 1024  # of each guest's console, in bytes
COMPACT_AFTER = 2000  # journal lines more than guests
FIRST_VNC_PORT = 5900

Moment = Literal["before", "middle", "after"]


class ProcessKilled(BaseException):
    """The daemon died at this moment: nothing after it runs, not even its error handling."""


@dataclasses.dataclass
class FakeGuest:
    """One guest. ``power`` None: it has files, but the hypervisor does not know it."""

    id: str
    name: str = ""
    vcpus: int = 0
    memory_mb: int = 0
    macs: tuple[str, ...] = ()
    disk_bytes: int | None = None
    image_id: str | None = None
    config_drive: bytes | None = None  # compressed
    power: Power | None = None
    vnc_port: int | None = None
    boots: int = 0
    log: bytes = b""

    def write(self, text: str) -> None:
        """Add to what the guest said on its serial console."""
        self.log = (self.log + text.encode())[-MAX_LOG:]

    def to_json(self) -> dict[str, Any]:
        words = dataclasses.asdict(self)
        words["power"] = self.power.value if self.power else None
        words["log"] = self.log.decode("latin-1")
        words["config_drive"] = base64.b64encode(self.config_drive).decode() if self.config_drive else None
        return words

    @classmethod
    def from_json(cls, words: dict[str, Any]) -> FakeGuest:
        kept = dict(words)
        kept["power"] = Power(words["power"]) if words["power"] is not None else None
        kept["macs"] = tuple(words["macs"])
        kept["log"] = words["log"].encode("latin-1")
        kept["config_drive"] = base64.b64decode(words["config_drive"]) if words["config_drive"] else None
        return cls(**kept)


class World:
    """Guests, disks and consoles of one host, and the faults a test has planned for it.

    :param path: a journal of JSON lines, so that guests outlive the process; None keeps them in memory
    """

    def __init__(self, path: Path | None = None) -> None:
        self.lock = runtime.native_lock()
        self.all: dict[str, FakeGuest] = {}
        self.calls: Counter[str] = Counter()
        self.acpi_deaf: set[str] = set()  # guests that do not hear the power button
        self._plans: dict[tuple[str, Moment], list[BaseException]] = {}
        self._journal = _Journal(path) if path else None
        if self._journal:
            self.all = self._journal.load()

    # -- for the driver ----------------------------------------------------------------------------------

    def save(self, guest_id: str) -> None:
        """Make what happened to one guest outlive the process."""
        if self._journal:
            self._journal.add(guest_id, self.all.get(guest_id), self.all)

    def boot(self, entry: FakeGuest, guest: Guest) -> None:
        """Let a defined guest run from its beginning."""
        entry.power = Power.RUNNING
        entry.boots += 1
        entry.write(_boot_text(entry, guest))
        self.save(entry.id)

    def switch_off(self, entry: FakeGuest, power: Power = Power.SHUTDOWN, words: str = "") -> None:
        """Let a running guest end."""
        entry.power = power
        entry.vnc_port = None
        entry.write(words)
        self.save(entry.id)

    def reach(self, method: str, moment: Moment) -> None:
        """Count a call, and raise what a test planned for this moment of it."""
        if moment == "before":
            self.calls[method] += 1
        plan = self._plans.get((method, moment))
        if plan:
            raise plan.pop(0)

    def vnc_port(self, entry: FakeGuest) -> int:
        """Return the port of a running guest's screen, chosen when it is first asked for."""
        if entry.vnc_port is None:
            taken = {guest.vnc_port for guest in self.all.values()}
            entry.vnc_port = next(port for port in itertools.count(FIRST_VNC_PORT) if port not in taken)
            self.save(entry.id)
        return entry.vnc_port

    # -- for tests ---------------------------------------------------------------------------------------

    def fail_next(
        self, method: str, error: BaseException | None = None, *, at: Moment = "before", times: int = 1
    ) -> None:
        """Make the next ``times`` calls of a driver method fail.

        ``before`` its work; in the ``middle``: a start that defined the guest, a reboot that stopped it, a
        destroy that left the files, a prepare that made the disk and no config drive; ``after`` its work, as
        when the answer is lost.  ``ProcessKilled()`` as ``error`` skips the driver's own clean-up.
        """
        fault = error or HypervisorError(reason=f"The fake hypervisor was told to fail {method}.")
        with self.lock:
            self._plans.setdefault((method, at), []).extend([fault] * times)

    def power_off_from_inside(self, guest_id: str) -> None:
        """The guest's own user shuts it down."""
        with self.lock:
            self.switch_off(self._known(guest_id), words="reboot: Power down\n")

    def crash(self, guest_id: str) -> None:
        """The guest's process dies."""
        with self.lock:
            self.switch_off(self._known(guest_id), Power.CRASHED, "Kernel panic - not syncing: fake\n")

    def lose(self, guest_id: str) -> None:
        """Somebody removes the guest behind our back, files and all."""
        with self.lock:
            self.all.pop(guest_id, None)
            self.save(guest_id)

    def reboot_host(self) -> None:
        """The host loses power: every guest is off, none is lost."""
        with self.lock:
            for guest in self.all.values():
                if guest.power is not None:
                    self.switch_off(guest)

    def config_drive(self, guest_id: str) -> bytes | None:
        """Return the ISO image the guest was given."""
        with self.lock:
            drive = self.all[guest_id].config_drive
        return zlib.decompress(drive) if drive else None

    def _known(self, guest_id: str) -> FakeGuest:
        entry = self.all.get(guest_id)
        if entry is None or entry.power is None:
            raise errors.NotFound(what="Guest", id=guest_id)
        return entry


class _Journal:
    """One JSON line per change, the last line of a guest wins; rewritten when it has grown long."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lines = 0

    def load(self) -> dict[str, FakeGuest]:
        found: dict[str, FakeGuest] = {}
        text = self._path.read_bytes() if self._path.exists() else b""
        whole, _, torn = text.rpartition(b"\n")
        if torn:
            LOG.warning("%s: the last line was cut off by a crash and is dropped", self._path)
        for line in whole.splitlines():
            words = json.loads(line)
            if words["guest"] is None:
                found.pop(words["id"], None)
            else:
                found[words["id"]] = FakeGuest.from_json(words["guest"])
        self._rewrite(found)
        return found

    def add(self, guest_id: str, guest: FakeGuest | None, everyone: dict[str, FakeGuest]) -> None:
        if self._lines > len(everyone) + COMPACT_AFTER:
            self._rewrite(everyone)
            return
        with self._path.open("ab") as file:
            file.write(_line(guest_id, guest))
        self._lines += 1

    def _rewrite(self, everyone: dict[str, FakeGuest]) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._path.with_suffix(".part")
        fresh.write_bytes(b"".join(_line(guest_id, guest) for guest_id, guest in everyone.items()))
        os.replace(fresh, self._path)
        self._lines = len(everyone)


def _line(guest_id: str, guest: FakeGuest | None) -> bytes:
    words = {"id": guest_id, "guest": guest.to_json() if guest else None}
    return json.dumps(words, separators=(",", ":")).encode() + b"\n"


def _boot_text(entry: FakeGuest, guest: Guest) -> str:
    lines = [
        f"Linux version 6.1.0-fake (boot {entry.boots})",
        f"Command line: root=/dev/vda1 console=ttyS0 instance={entry.id}",
        f"smp: Brought up 1 node, {entry.vcpus} CPUs",
        f"Memory: {entry.memory_mb * 1024}K available",
        "PCI: Using configuration type 1 for base access",
        "Serial: 8250/16550 driver, 4 ports, IRQ sharing enabled",
        f"virtio_blk virtio1: [vda] {(entry.disk_bytes or 0) // 512} 512-byte logical blocks",
        *(f"virtio_net virtio{n + 2}: MAC address {nic.mac}" for n, nic in enumerate(guest.nics)),
        "EXT4-fs (vda1): mounted filesystem with ordered data mode",
        *(["ISO 9660 Extensions: config-2 on sr0"] if entry.config_drive else []),
        "systemd[1]: Reached target Multi-User System.",
    ]
    stamped = [f"[{n * 0.125:12.6f}] {line}\n" for n, line in enumerate(lines)]
    return "".join(stamped) + f"\nDebian GNU/Linux 12 {guest.name} ttyS0\n\n{guest.name} login: \n"
