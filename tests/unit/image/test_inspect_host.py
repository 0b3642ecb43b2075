"""The image inspector against files that the host's own qemu-img makes and reads."""

from __future__ import annotations

import json

import pytest

from iaas.common import shell
from iaas.image import inspect
from tests.fixtures import bad_images

pytestmark = pytest.mark.host
GIB = 1 << 30


def qemu_img(*words) -> bytes:
    return shell.run(["qemu-img", *words]).out


def inspected(declared: str, path) -> inspect.Verdict:
    inspector = inspect.Inspector(declared)
    with path.open("rb") as image:
        while chunk := image.read(1 << 20):
            inspector.feed(chunk)
    return inspector.finish(path.stat().st_size)


@pytest.mark.parametrize("cluster_size", ["512", "4k", "64k", "2M"])
@pytest.mark.parametrize("compat", ["0.10", "1.1"])
def test_a_fresh_qcow2_is_accepted(tmp_path, compat, cluster_size):
    path = tmp_path / "disk"
    qemu_img("create", "-f", "qcow2", "-o", f"compat={compat},cluster_size={cluster_size}", path, "1G")
    assert inspected("qcow2", path) == inspect.Verdict("qcow2", GIB)


@pytest.mark.parametrize("options", ["lazy_refcounts=on", "refcount_bits=1", "refcount_bits=64"])
def test_a_qcow2_with_options_is_accepted(tmp_path, options):
    path = tmp_path / "disk"
    qemu_img("create", "-f", "qcow2", "-o", options, path, "1G")
    assert inspected("qcow2", path).virtual_size == GIB


def test_a_compressed_qcow2_of_real_data_is_accepted(tmp_path):
    source, path = tmp_path / "source", tmp_path / "disk"
    source.write_bytes(bad_images.raw(bad_images.GPT, 3 << 20) + bytes(range(256)) * 8192)
    qemu_img("convert", "-f", "raw", "-O", "qcow2", "-c", source, path)
    assert inspected("qcow2", path).virtual_size == source.stat().st_size


def test_a_qcow2_with_a_snapshot_and_a_bitmap_is_accepted(tmp_path):
    path = tmp_path / "disk"
    qemu_img("create", "-f", "qcow2", path, "64M")
    qemu_img("snapshot", "-c", "one", path)
    qemu_img("bitmap", "--add", "-f", "qcow2", path, "b0")
    assert inspected("qcow2", path).virtual_size == 64 << 20


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ("data_file={0}/data", "data file"),
        ("data_file={0}/data,data_file_raw=on", "data file"),
        ("backing_file={0}/base,backing_fmt=raw", "backing file"),
        ("compression_type=zstd", "bit 3"),
        ("extended_l2=on", "bit 4"),
    ],
)
def test_a_qcow2_that_qemu_img_makes_for_harm_is_refused(tmp_path, options, reason):
    (tmp_path / "base").write_bytes(bytes(1 << 20))
    path = tmp_path / "disk"
    qemu_img("create", "-f", "qcow2", "-o", options.format(tmp_path), path, "1M")
    with pytest.raises(inspect.ImageRejected, match=reason):
        inspected("qcow2", path)


@pytest.mark.parametrize(
    ("made", "called"),
    [
        ("vmdk", "vmdk"),
        ("vpc", "vhd"),
        ("vhdx", "vhdx"),
        ("vdi", "vdi"),
        ("qed", "qed"),
        ("parallels", "ploop"),
    ],
)
def test_other_formats_called_raw_are_refused_by_name(tmp_path, made, called):
    path = tmp_path / "disk"
    qemu_img("create", "-f", made, path, "64M")
    with pytest.raises(inspect.ImageRejected, match=f"signature of {called}"):
        inspected("raw", path)


@pytest.mark.parametrize("subformat", ["monolithicFlat", "twoGbMaxExtentSparse", "streamOptimized"])
def test_vmdk_variants_called_raw_are_refused(tmp_path, subformat):
    path = tmp_path / "disk.vmdk"
    qemu_img("create", "-f", "vmdk", "-o", f"subformat={subformat}", path, "64M")
    with pytest.raises(inspect.ImageRejected, match="signature of vmdk"):
        inspected("raw", path)


def test_what_qemu_img_probes_as_another_format_is_never_accepted_as_raw(tmp_path):
    for image in bad_images.GOOD:
        if image.declared == "qcow2" or not image.data:
            continue
        path = tmp_path / image.name
        path.write_bytes(image.data)
        assert json.loads(qemu_img("info", "--output=json", path))["format"] == "raw", image.name


def test_the_packed_good_qcow2_files_are_sound_to_qemu_img(tmp_path):
    for image in bad_images.GOOD:
        if image.declared == "qcow2" and "snapshots" not in image.name:
            path = tmp_path / image.name
            path.write_bytes(image.data)
            info = json.loads(qemu_img("info", "-f", "qcow2", "--output=json", path))
            assert info["virtual-size"] == image.virtual_size, image.name
