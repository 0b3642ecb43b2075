"""The image cache: one download, nothing kept that is wrong, a cap that holds."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import shutil
import uuid

import pytest

from iaas.common import errors, runtime, shell
from iaas.compute.driver import HypervisorError, Image, ImageRefused
from iaas.compute.drivers.libvirt.imagecache import ImageCache

MIB = 1 << 20
pytestmark = pytest.mark.skipif(shutil.which("qemu-img") is None, reason="images are NOT tested: no qemu-img")


@pytest.fixture
def cache(tmp_path):
    made = ImageCache(tmp_path / "cache", 3 * MIB, tmp_path / "instances")
    made.sweep()
    return made


@pytest.fixture
def mark(tmp_path):
    def mark():
        folder = tmp_path / "instances" / str(uuid.uuid4())
        folder.mkdir(parents=True)
        return folder / "base"

    return mark


def image_of(content, **fields):
    digest = hashlib.sha256(content).hexdigest()
    made = Image(str(uuid.uuid4()), "raw", len(content), "sha256", digest, lambda: iter([content[:7], content[7:]]))
    return dataclasses.replace(made, **fields)


def random_image(size=MIB):
    return image_of(os.urandom(size))


def files(tmp_path):
    return sorted(path.suffix for path in (tmp_path / "cache").iterdir() if path.suffix != ".lock")


def test_an_image_is_stored_as_it_is_and_read_only(cache, mark, tmp_path):
    content = b"boot" + b"\0" * 200_000 + b"end" + b"\0" * 130_000
    where = mark()
    path = cache.hold(image_of(content), where)
    assert path.read_bytes() == content
    assert path.stat().st_mode & 0o777 == 0o444
    assert where.readlink() == path
    assert cache.size_of(path) == len(content)


def test_many_at_once_download_once(cache, mark):
    reads = []
    content = os.urandom(100_000)
    image = image_of(content, read=lambda: reads.append(1) or iter([content]))
    tasks = [runtime.spawn(cache.hold, image, mark()) for _ in range(8)]
    assert len({task.wait() for task in tasks}) == 1
    assert len(reads) == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"hash_value": "0" * 64},
        {"size": 50},
        {"hash_algo": "rot13"},
        {"disk_format": "qcow2"},
        {"disk_format": "vmdk"},
    ],
)
def test_bytes_that_are_not_as_declared_are_refused_and_not_kept(cache, mark, tmp_path, fields):
    with pytest.raises(ImageRefused):
        cache.hold(dataclasses.replace(image_of(b"x" * 100_000), **fields), mark())
    assert files(tmp_path) == []


def test_a_raw_image_that_is_qcow2_is_refused(cache, mark, tmp_path):
    with pytest.raises(ImageRefused, match="declared raw but is qcow2"):
        cache.hold(image_of(b"QFI\xfb" + b"\0" * 1000), mark())
    assert files(tmp_path) == []


@pytest.mark.parametrize("option", [["-b", "canary", "-F", "raw"], ["-o", "data_file=canary2,data_file_raw=on"]])
def test_a_qcow2_that_names_a_file_of_the_host_is_refused(cache, mark, tmp_path, option):
    (tmp_path / "canary").write_bytes(b"secret" * 1000)
    shell.run(["qemu-img", "create", "-q", "-f", "qcow2", *option, "evil", "1M"], cwd=tmp_path)
    with pytest.raises(ImageRefused):
        cache.hold(image_of((tmp_path / "evil").read_bytes(), disk_format="qcow2"), mark())
    assert files(tmp_path) == []


def test_a_damaged_qcow2_is_refused(cache, mark, tmp_path):
    shell.run(["qemu-img", "create", "-q", "-f", "qcow2", "disk", "1M"], cwd=tmp_path)
    damaged = bytearray((tmp_path / "disk").read_bytes())
    damaged[20:24] = (63).to_bytes(4, "big")  # cluster_bits
    with pytest.raises(ImageRefused, match="cannot be read"):
        cache.hold(image_of(bytes(damaged), disk_format="qcow2"), mark())


def test_a_download_that_breaks_off_may_be_tried_again(cache, mark, tmp_path):
    whole = random_image()

    def broken():
        yield b"x" * 10
        raise ConnectionResetError("gone")

    for read in (broken, lambda: iter([b"short"])):
        with pytest.raises(HypervisorError) as caught:
            cache.hold(dataclasses.replace(whole, read=read), mark())
        assert caught.value.retryable
        assert files(tmp_path) == []
    assert cache.hold(whole, mark()).exists()


def test_an_error_with_a_meaning_goes_through(cache, mark):
    def gone():
        raise errors.NotFound(what="Image", id="x")

    with pytest.raises(errors.NotFound):
        cache.hold(dataclasses.replace(random_image(), read=gone), mark())


def test_the_image_used_longest_ago_makes_room(cache, mark):
    paths = []
    for number in range(3):
        where = mark()
        paths.append(cache.hold(random_image(), where))
        os.utime(paths[-1], (number, number))
        where.unlink()
    cache.hold(random_image(), mark())
    assert [path.exists() for path in paths] == [False, True, True]


def test_images_in_use_stay_and_a_full_cache_is_a_sentence(cache, mark):
    held = [cache.hold(random_image(), mark()) for _ in range(3)]
    with pytest.raises(HypervisorError, match="cache is full"):
        cache.hold(random_image(), mark())
    assert all(path.exists() for path in held)


def test_downloads_at_once_do_not_pass_the_cap_together(cache, mark, tmp_path):
    image = random_image(2 * MIB)

    def while_another_comes():
        with pytest.raises(HypervisorError, match="cache is full"):
            cache.hold(random_image(2 * MIB), mark())
        yield from image.read()

    cache.hold(dataclasses.replace(image, read=while_another_comes), mark())
    assert files(tmp_path) == [".raw"]


def test_an_image_larger_than_the_cache_is_not_downloaded(cache, mark):
    huge = dataclasses.replace(random_image(), size=1 << 50, read=lambda: pytest.fail("it was downloaded"))
    with pytest.raises(HypervisorError):
        cache.hold(huge, mark())


def test_what_an_interrupted_download_left_is_swept(cache, tmp_path):
    (tmp_path / "cache" / "abc.part").write_bytes(b"half")
    cache.sweep()
    assert files(tmp_path) == []
