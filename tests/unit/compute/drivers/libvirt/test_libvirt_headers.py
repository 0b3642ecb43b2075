"""The second look at an image's first bytes."""

from __future__ import annotations

import struct

import pytest

from iaas.compute.drivers.libvirt import headers


def qcow2(version=3, backing=0, crypt=0, incompatible=0, size=1 << 30):
    fixed = struct.pack(
        ">4sIQIIQIIQQIIQ", b"QFI\xfb", version, backing, 0, 16, size, crypt, 1, 0x30000, 0x10000, 1, 0, 0
    )
    return (fixed + struct.pack(">QQQII", incompatible, 0, 0, 4, 104)).ljust(512, b"\0")


def test_a_plain_qcow2_is_fine_and_says_its_size():
    assert headers.objection("qcow2", qcow2()) is None
    assert headers.objection("qcow2", qcow2(version=2)) is None
    assert headers.virtual_size("qcow2", qcow2(size=123), 7) == 123


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"backing": 512}, "backing file"),
        ({"crypt": 1}, "encrypted"),
        ({"incompatible": 4}, "external data"),
        *(({"incompatible": 1 << bit}, "not allowed") for bit in (1, 2, 5, 17, 63)),
        ({"version": 1}, "version is 1"),
    ],
)
def test_a_qcow2_that_reaches_outside_is_refused(fields, words):
    assert words in headers.objection("qcow2", qcow2(**fields))


@pytest.mark.parametrize("head", [b"", b"QFI\xfb", b"\0" * 512, b"KDMV".ljust(512, b"\0")])
def test_what_is_not_qcow2_is_not_taken_for_it(head):
    assert headers.objection("qcow2", head) == "it was declared qcow2 but is not."


@pytest.mark.parametrize("magic", list(headers.FOREIGN))
def test_a_raw_disk_that_is_another_format_is_refused(magic):
    assert headers.objection("raw", magic.ljust(512, b"\0")) is not None


def test_a_vdi_is_known_by_its_byte_64():
    assert "VDI" in headers.objection("raw", b"<<< x >>>".ljust(64, b"\0") + headers.VDI + b"\0" * 400)


def test_a_partition_table_is_what_raw_disks_have():
    assert headers.objection("raw", b"\0" * 510 + b"\x55\xaa") is None
    assert headers.virtual_size("raw", b"\0" * 512, 4096) == 4096


def test_other_formats_are_refused_by_name():
    assert "vmdk" in headers.objection("vmdk", b"KDMV")
