"""Whether this host's KVM runs guests: boot one that fits a disk sector and see whether it speaks.

Inside some virtual machines ``/dev/kvm`` opens, libvirt offers it, the firmware starts, and every kernel then
hangs without a word.  So ``virt_type = auto`` believes a guest only: the sector below (its source is
``selftest.S``) enters long mode, runs twenty million instructions, and prints a marker on its serial port.
The answer is kept in a file until the host reboots or QEMU changes.
"""

from __future__ import annotations

import base64
import json
import logging
import platform
import tempfile
from pathlib import Path

from iaas.common import runtime, shell
from iaas.compute.driver import HypervisorError

LOG = logging.getLogger(__name__)
EMULATOR = "qemu-system-x86_64"
MARKER = b"IAAS-SELFTEST-OK"
DISK_BYTES = 1 << 20  # firmware does not boot from a disk of one sector
QEMU_SECONDS = 30.0  # software emulation on a busy host
CANDIDATES = {"kvm": "kvm", "qemu": "tcg"}  # libvirt's word, QEMU's word
SECTOR = (
    base64.b85decode(
        b"`Z2(c*p9%C(7XVA{J#JYxd0gRtH%Za5Cb5`1^^%fFvkV}FoOUOAmC<$$RH0Q;AXf05C8xVBG_iRfB*o%4>D#A009614=`pA0"
        b"T!5i4<Nv14FLcEfDa<T>S25c0J#7yF#-R{b^N~oPyhh%NDs#kzOZ}%0IY<-"
        b"bQFlgX1e_Y?5H4g`)0cM1Blq}>*w_A{SO}i4*;Ni003r?0000000000000000Gc2GNkKtVEmK8IMpQ*pR4q?S4GI"
    ).ljust(510, b"\0")
    + b"\x55\xaa"
)


def disk_image() -> bytes:
    """Return a raw disk that prints the marker at each boot and then idles, deaf to everything."""
    return SECTOR.ljust(DISK_BYTES, b"\0")


def virt_type(remembered: Path, *, kvm_seconds: float) -> str:
    """Return ``kvm`` if a guest speaks under it on this host, else ``qemu``.

    :param remembered: a file that keeps the answer for as long as host and QEMU are the same
    :raises HypervisorError: no guest speaks at all.
    """
    key = {"boot": Path("/proc/sys/kernel/random/boot_id").read_text().strip(), "qemu": _version()}
    known = _recall(remembered, key)
    if known:
        return known
    found = _decide(kvm_seconds)
    fresh = remembered.with_suffix(".part")
    fresh.write_text(json.dumps({**key, "virt_type": found}))
    fresh.replace(remembered)
    return found


def _decide(kvm_seconds: float) -> str:
    if platform.machine() == "x86_64" and Path("/dev/kvm").exists():
        if speaks("kvm", kvm_seconds):
            return "kvm"
        LOG.warning(
            "KVM is offered by this host, but a test guest under it was silent for %g s: guests run in software "
            "emulation (set compute.virt_type to kvm to insist)",
            kvm_seconds,
        )
    if speaks("qemu", QEMU_SECONDS):
        return "qemu"
    raise HypervisorError(
        reason=f"A test guest under {EMULATOR} said nothing: run it by hand, or choose compute.virt_type yourself."
    )


def speaks(candidate: str, seconds: float) -> bool:
    """Boot the self-test guest under ``kvm`` or ``qemu`` and say whether it spoke within ``seconds``."""
    with tempfile.TemporaryDirectory(prefix="iaas-selftest-") as folder:
        disk, serial = Path(folder, "disk"), Path(folder, "serial")
        disk.write_bytes(disk_image())
        serial.touch()
        child = shell.start(_argv(CANDIDATES[candidate], disk, serial), log=Path(folder, "log"))
        try:
            deadline = runtime.monotonic() + seconds
            while child.poll() is None and runtime.monotonic() < deadline:
                if MARKER in serial.read_bytes():
                    return True
                runtime.sleep(0.02)
            if child.poll() is not None:
                LOG.info("the self-test under %s ended: %s", candidate, Path(folder, "log").read_text()[-400:])
            return MARKER in serial.read_bytes()
        finally:
            child.stop(2)


def _argv(accelerator: str, disk: Path, serial: Path) -> list[str]:
    return [
        EMULATOR, "-accel", accelerator, "-machine", "pc", "-m", "64", "-nodefaults", "-no-user-config",
        "-display", "none", "-serial", f"file:{serial}", "-sandbox", "on",
        "-drive", f"file={disk},format=raw,if=virtio,readonly=on",
    ]  # fmt: skip


def _version() -> str:
    try:
        return shell.run([EMULATOR, "--version"]).out.decode(errors="replace").splitlines()[0]
    except shell.CommandMissing:
        raise HypervisorError(
            reason=f"{EMULATOR} is not installed on this host: apt-get install qemu-system-x86 qemu-utils."
        ) from None


def _recall(remembered: Path, key: dict[str, str]) -> str | None:
    """The answer of an earlier run, unless the host or QEMU changed or the file is damaged."""
    try:
        words = json.loads(remembered.read_text())
    except (FileNotFoundError, ValueError):
        return None
    if not isinstance(words, dict) or any(words.get(name) != value for name, value in key.items()):
        return None
    return words.get("virt_type") if words.get("virt_type") in CANDIDATES else None
