"""A disk that boots by itself, made of plain files: MBR, FAT with syslinux, ext4 for what must last."""

from __future__ import annotations

import shutil
import struct
from dataclasses import dataclass
from pathlib import Path

from guest import host

MIB = 1024 * 1024
SECTOR = 512
DISK_MB = 64
BOOT_START_MB = 1
# Room beside kernel and initramfs for syslinux and the FAT itself.
BOOT_SPARE_MB = 2
DATA_UUID = "1aa50000-0000-4000-8000-000000000002"
HASH_SEED = "1aa50000-0000-4000-8000-000000000003"
DISK_SIGNATURE = b"IAAS"
FAT16_LBA, LINUX = 0x0E, 0x83


@dataclass(frozen=True)
class Partition:
    """One row of the partition table; sizes in MiB."""

    kind: int
    start_mb: int
    size_mb: int
    active: bool = False


def build(vmlinuz: Path, initrd: Path, cmdline: str, work: Path, qcow2: Path) -> None:
    """Write the bootable disk to `qcow2`; `work` holds its parts meanwhile."""
    boot_mb = -(-(vmlinuz.stat().st_size + initrd.stat().st_size) // MIB) + BOOT_SPARE_MB
    data_start_mb = BOOT_START_MB + boot_mb
    boot = Partition(FAT16_LBA, BOOT_START_MB, boot_mb, active=True)
    data = Partition(LINUX, data_start_mb, DISK_MB - data_start_mb)
    raw = work / "disk.raw"
    with raw.open("wb") as disk:
        disk.truncate(DISK_MB * MIB)
        disk.write(boot_record(host.MBR.read_bytes(), [boot, data]))
        for partition, content in (
            (boot, _boot_partition(vmlinuz, initrd, cmdline, work, boot)),
            (data, _data_partition(work, data)),
        ):
            disk.seek(partition.start_mb * MIB)
            with content.open("rb") as source:
                shutil.copyfileobj(source, disk, MIB)
    host.run(["qemu-img", "convert", "-q", "-f", "raw", "-O", "qcow2", raw, qcow2])


def boot_record(code: bytes, partitions: list[Partition]) -> bytes:
    """Sector 0: boot code, signature, partition table."""
    if len(code) > 440:
        raise host.BuildError(f"{host.MBR} has {len(code)} bytes, a boot record takes 440")
    if not all(p.size_mb > 0 and p.start_mb + p.size_mb <= DISK_MB for p in partitions):
        raise host.BuildError(f"{DISK_MB} MiB are too few for kernel, initramfs and data")
    beyond_chs = b"\xfe\xff\xff"  # cylinder/head/sector mean nothing on such disks
    rows = b"".join(
        struct.pack(
            "<B3sB3sII",
            0x80 if p.active else 0,
            beyond_chs,
            p.kind,
            beyond_chs,
            p.start_mb * MIB // SECTOR,
            p.size_mb * MIB // SECTOR,
        )
        for p in partitions
    )
    return code.ljust(440, b"\0") + DISK_SIGNATURE + b"\0\0" + rows.ljust(64, b"\0") + b"\x55\xaa"


def _boot_partition(vmlinuz: Path, initrd: Path, cmdline: str, work: Path, place: Partition) -> Path:
    image = work / "boot.fat"
    image.unlink(missing_ok=True)
    config = work / "syslinux.cfg"
    config.write_text(
        f"DEFAULT guest\nPROMPT 0\nLABEL guest\n  KERNEL /vmlinuz\n  INITRD /initrd\n  APPEND {cmdline}\n"
    )
    label = ["--invariant", "-n", "GUESTBOOT", "-i", "1aa50001"]
    hidden = str(place.start_mb * MIB // SECTOR)  # syslinux asks the BIOS for absolute sectors
    host.run(["mkfs.vfat", *label, "-F", "16", "-h", hidden, "-C", image, str(place.size_mb * 1024)])
    for source, name in ((vmlinuz, "vmlinuz"), (initrd, "initrd"), (config, "syslinux.cfg")):
        host.run(["mcopy", "-i", image, source, f"::/{name}"])
    host.run(["syslinux", "--install", image])
    return image


def _data_partition(work: Path, place: Partition) -> Path:
    image = work / "data.ext4"
    image.unlink(missing_ok=True)
    same_every_time = ["-U", DATA_UUID, "-E", f"hash_seed={HASH_SEED},root_owner=0:0"]
    # No journal: a guest of a few megabytes has better uses for four of them.
    kind = ["-t", "ext4", "-O", "^has_journal", "-m", "0", "-L", "guestdata"]
    host.run(["mke2fs", "-q", "-F", *kind, *same_every_time, image, f"{place.size_mb}M"])
    return image
