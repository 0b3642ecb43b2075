"""A second look at an image's first bytes, before any tool opens it.

The image service inspected the image at its upload.  A compute host does not take that on trust: a file that
is not what it was declared to be could make a tool open other files of this host.
Source: https://www.qemu.org/docs/master/interop/qcow2.html
"""

from __future__ import annotations

import struct

HEADER_BYTES = 512
QCOW2 = b"QFI\xfb"
#: what a raw disk does not begin with (a partition table does not, either)
FOREIGN = {
    QCOW2: "qcow2",
    b"KDMV": "VMDK",
    b"COWD": "VMDK",
    b"# Disk DescriptorFile": "VMDK",
    b"vhdxfile": "VHDX",
    b"conectix": "VHD",
    b"QED\0": "QED",
    b"LUKS\xba\xbe": "LUKS",
}
VDI = b"\x7f\x10\xda\xbe"  # at byte 64
DIRTY, COMPRESSION, EXTENDED_L2 = 1 << 0, 1 << 3, 1 << 4
HARMLESS = DIRTY | COMPRESSION | EXTENDED_L2


def objection(disk_format: str, head: bytes) -> str | None:
    """Return why a file that begins with ``head`` is not a harmless image of its format, or None."""
    if disk_format == "qcow2":
        return _qcow2(head)
    if disk_format != "raw":
        return f"the format {disk_format} is not supported."
    found = next((name for magic, name in FOREIGN.items() if head.startswith(magic)), None)
    if head[64:68] == VDI:
        found = "VDI"
    return f"it was declared raw but is {found}." if found else None


def virtual_size(disk_format: str, head: bytes, file_size: int) -> int:
    """Return the size in bytes of the disk that a guest sees."""
    return struct.unpack_from(">Q", head, 24)[0] if disk_format == "qcow2" else file_size


def _qcow2(head: bytes) -> str | None:
    if len(head) < 104 or not head.startswith(QCOW2):
        return "it was declared qcow2 but is not."
    version, backing = struct.unpack_from(">IQ", head, 4)
    if version not in (2, 3):
        return f"its qcow2 version is {version}."
    if backing:
        return "it refers to a backing file."
    if struct.unpack_from(">I", head, 32)[0]:
        return "it is encrypted."
    if version == 3 and struct.unpack_from(">Q", head, 72)[0] & ~HARMLESS:
        return "it needs features that are not allowed, such as an external data file."
    return None
