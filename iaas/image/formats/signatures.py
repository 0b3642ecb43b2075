"""Signatures: which format the bytes claim to be, read off fixed places only.

A disk that is raw by declaration must not look like anything a tool would open differently, because such a
header can name other files of the host.  Partition tables (MBR, GPT) are what raw disks carry and are fine.

Sources: the probes of QEMU's block drivers, https://www.qemu.org/docs/master/system/images.html; ECMA-119 for
ISO 9660.
"""

from __future__ import annotations

import re
from typing import NamedTuple


class Signature(NamedTuple):
    format: str
    offset: int
    magic: bytes


SIGNATURES = (
    Signature("qcow2", 0, b"QFI\xfb"),
    Signature("vmdk", 0, b"KDMV"),
    Signature("vmdk", 0, b"COWD"),
    Signature("vhd", 0, b"conectix"),
    Signature("vhdx", 0, b"vhdxfile"),
    Signature("qed", 0, b"QED\0"),
    Signature("luks", 0, b"LUKS\xba\xbe"),
    Signature("ploop", 0, b"WithoutFreeSpace"),
    Signature("ploop", 0, b"WithouFreSpacExt"),
    Signature("bochs", 0, b"Bochs Virtual HD Image"),
    Signature("cloop", 0, b"#!/bin/sh\n#V2.0 Format\nmodprobe cloop"),
    Signature("vdi", 0x40, b"\x7f\x10\xda\xbe"),
    Signature("iso", 0x8001, b"CD001"),
    Signature("iso", 0x8801, b"CD001"),
    Signature("iso", 0x9001, b"CD001"),
)
FIRST = 512  # bytes that hold every signature but ISO 9660's
LATE = max(row.offset + len(row.magic) for row in SIGNATURES)
TAIL = 512  # bytes at the end that hold a footer

_LABEL = b"# disk descriptorfile"
_NOISE = re.compile(rb"(?:#[^\n]*\n|[ \r\n])*+")  # possessive: hostile text must not make it backtrack
_VERSION = re.compile(rb"version=[123]\s*\n")


def at_head(head: bytes | bytearray) -> set[str]:
    """Return the formats whose signature stands in the first bytes of a file."""
    found = {row.format for row in SIGNATURES if head.startswith(row.magic, row.offset)}
    if _is_vmdk_text(bytes(head[:4096])):
        found.add("vmdk")
    return found


def at_tail(tail: bytes) -> set[str]:
    """Return the formats whose footer stands in the last 512 bytes of a file."""
    found = set()
    # Old Virtual PC wrote a footer of 511 bytes
    if tail.startswith(b"conectix") or tail.startswith(b"conectix", 1):
        found.add("vhd")
    if tail.startswith(b"koly"):
        found.add("dmg")
    return found


def has_mbr(head: bytes | bytearray) -> bool:
    """Whether the first sector ends in the mark of a boot record."""
    return head.startswith(b"\x55\xaa", 510)


def _is_vmdk_text(text: bytes) -> bool:
    """Whether tools would take the text for a VMDK descriptor, which names the files that hold the data."""
    if text.lstrip().lower().startswith(_LABEL):
        return True
    noise = _NOISE.match(text)
    return noise is not None and _VERSION.match(text, noise.end()) is not None
