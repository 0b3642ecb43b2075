"""qcow2: the header, checked field by field; whatever could reach another file or exhaust a tool is refused.

Source: https://www.qemu.org/docs/master/interop/qcow2.html
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from iaas.common import units
from iaas.image.formats import ImageRejected

MAGIC = b"QFI\xfb"
MAX_VIRTUAL_SIZE = 64 << 40
MAX_L1_BYTES = 32 * units.MIB
MAX_REFCOUNT_TABLE_BYTES = 8 * units.MIB
MAX_SNAPSHOTS = 100
MAX_EXTENSIONS = 32
SMALLEST_SNAPSHOT = 40  # bytes of a snapshot table entry without names

_V2 = struct.Struct(">4sIQIIQIIQQIIQ")
_V3 = struct.Struct(">QQQII")
_EXTENSION = struct.Struct(">II")
_DIRTY, _CORRUPT, _DATA_FILE, _COMPRESSION, _EXTENDED_L2 = (1 << bit for bit in range(5))
_AUTOCLEAR_RAW_DATA_FILE = 1 << 1
_REFUSED_FEATURES = {
    _CORRUPT: "the qcow2 image is marked corrupt",
    _DATA_FILE: "the qcow2 image keeps its data in an external data file",
    _COMPRESSION: "the qcow2 image needs a compression other than zlib (incompatible feature bit 3)",
    _EXTENDED_L2: "the qcow2 image uses extended L2 entries (incompatible feature bit 4)",
}
_REFUSED_EXTENSIONS = {
    0x44415441: "the qcow2 header names an external data file",
    0x0537BE77: "the qcow2 image is encrypted",
}


@dataclass(frozen=True)
class Region:
    """A table of the image: where it stands and how many bytes it has."""

    name: str
    offset: int
    length: int

    @property
    def end(self) -> int:
        return self.offset + self.length


@dataclass(frozen=True)
class Header:
    """What a sound header says; offsets and sizes in bytes."""

    virtual_size: int
    extensions_start: int
    extensions_end: int
    regions: tuple[Region, ...]


def parse(head: bytes | bytearray) -> Header:
    """Return the header at the start of ``head``, which holds at least 512 bytes of a file that has them.

    :raises ImageRejected: it is not a qcow2 header that stands on its own.
    """
    if len(head) < _V2.size:
        raise ImageRejected(reason="the qcow2 header is cut short")
    (magic, version, backing_at, backing_length, cluster_bits, size, crypt, l1_entries, l1_at,
     refcounts_at, refcount_clusters, snapshots, snapshots_at) = _V2.unpack_from(head)  # fmt: skip
    _require(magic == MAGIC, "it is declared qcow2 but is not")
    _require(version in (2, 3), f"qcow2 version {version} is not supported")
    _require(backing_at == 0 and backing_length == 0, "the qcow2 image names a backing file")
    _require(9 <= cluster_bits <= 21, f"qcow2 cluster_bits {cluster_bits} is not between 9 and 21")
    _require(crypt == 0, "the qcow2 image is encrypted")
    _require(0 < size <= MAX_VIRTUAL_SIZE, f"the virtual size of {size} bytes is not between 1 and 64 TiB")
    cluster = 1 << cluster_bits
    start = _V2.size if version == 2 else _check_version_3(head, cluster)
    _check_l1(l1_entries, size, cluster)
    table_bytes = refcount_clusters * cluster
    table_fits = 0 < table_bytes <= MAX_REFCOUNT_TABLE_BYTES
    _require(table_fits, f"a qcow2 refcount table of {table_bytes} bytes is refused")
    _require(snapshots <= MAX_SNAPSHOTS, f"{snapshots} internal snapshots are more than {MAX_SNAPSHOTS}")
    regions = [Region("L1 table", l1_at, l1_entries * 8), Region("refcount table", refcounts_at, table_bytes)]
    if snapshots:
        regions.append(Region("snapshot table", snapshots_at, snapshots * SMALLEST_SNAPSHOT))
    _check_regions(regions, cluster)
    return Header(size, start, cluster, tuple(regions))


def check_extensions(header: Header, head: bytes | bytearray) -> None:
    """Walk the header extensions, as far as ``head`` holds them.

    :raises ImageRejected: one is refused, or does not end within the header's cluster and ``head``.
    """
    at = header.extensions_start
    limit = min(header.extensions_end, len(head))
    for _ in range(MAX_EXTENSIONS):
        if at == header.extensions_end:
            return
        _require(at + _EXTENSION.size <= limit, "the qcow2 header extensions are cut short")
        kind, length = _EXTENSION.unpack_from(head, at)
        if kind == 0:
            return
        if kind in _REFUSED_EXTENSIONS:
            raise ImageRejected(reason=_REFUSED_EXTENSIONS[kind])
        at += _EXTENSION.size + -(-length // 8) * 8
        _require(at <= limit, f"a qcow2 header extension of {length} bytes passes the end of the header")
    raise ImageRejected(reason=f"the qcow2 header has more than {MAX_EXTENSIONS} extensions")


def check_bounds(header: Header, file_size: int) -> None:
    """Check that every table lies inside a file of ``file_size`` bytes.

    :raises ImageRejected: one does not.
    """
    for region in header.regions:
        _require(region.end <= file_size, f"the qcow2 {region.name} lies past the end of the file")


def _check_version_3(head: bytes | bytearray, cluster: int) -> int:
    """Check what version 3 added and return the header's length."""
    _require(len(head) >= _V2.size + _V3.size, "the qcow2 header is cut short")
    incompatible, _, autoclear, refcount_order, length = _V3.unpack_from(head, _V2.size)
    for bit, reason in _REFUSED_FEATURES.items():
        _require(not incompatible & bit, reason)
    unknown = incompatible & ~_DIRTY
    _require(not unknown, f"the qcow2 image has unknown incompatible features {unknown:#x}")
    _require(not autoclear & _AUTOCLEAR_RAW_DATA_FILE, "the qcow2 image describes a raw external data file")
    _require(refcount_order <= 6, f"qcow2 refcount_order {refcount_order} is over 6")
    _require(
        _V2.size + _V3.size <= length <= cluster and length % 8 == 0,
        f"a qcow2 header_length of {length} is refused",
    )
    if length > _V2.size + _V3.size:
        _require(head[104:105] == b"\0", "the qcow2 compression type does not match the image's features")
    return length


def _check_l1(entries: int, virtual_size: int, cluster: int) -> None:
    _require(entries * 8 <= MAX_L1_BYTES, f"a qcow2 L1 table of {entries} entries is refused")
    needed = -(-virtual_size // (cluster * (cluster // 8)))
    _require(entries >= needed, "the qcow2 L1 table is too small for the virtual size")


def _check_regions(regions: list[Region], cluster: int) -> None:
    free_from, before = cluster, "header"
    for region in sorted(regions, key=lambda region: region.offset):
        _require(region.offset % cluster == 0, f"the qcow2 {region.name} is not aligned to a cluster")
        _require(region.offset >= free_from, f"the qcow2 {region.name} overlaps the {before}")
        free_from, before = region.end, region.name


def _require(fact: bool, reason: str) -> None:
    if not fact:
        raise ImageRejected(reason=reason)
