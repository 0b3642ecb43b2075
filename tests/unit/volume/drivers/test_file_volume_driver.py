"""The file driver keeps the contract of volume drivers, on a real file system."""

from __future__ import annotations

import dataclasses
import os
import stat

import pytest

from iaas.common import errors, runtime
from iaas.common.units import GIB
from iaas.volume.driver import VolumeError
from iaas.volume.drivers.file import FileDriver
from tests.contract.volume_driver import VolumeDriverContract


@dataclasses.dataclass
class Space:
    """A file system of a chosen size, as ``statvfs`` tells it."""

    f_bavail: int = 20 * GIB // 4096
    f_blocks: int = 40 * GIB // 4096
    f_frsize: int = 4096


@pytest.fixture
def space():
    return Space()


@pytest.fixture
def started(tmp_path, space):
    driver = FileDriver(tmp_path / "volumes", lambda _fd: space)
    driver.start_host()
    yield driver
    driver.stop_host()


class TestFileDriver(VolumeDriverContract):
    @pytest.fixture
    def driver(self, started):
        return started

    def again(self, driver):
        driver.stop_host()
        driver.start_host()
        return driver

    def read(self, driver, volume_id, offset, count):
        with driver.path(volume_id).open("rb") as file:
            file.seek(offset)
            return file.read(count)


def test_a_volume_is_a_sparse_file_of_its_size_that_only_we_can_read(started):
    volume_id = runtime.uuid()
    started.create(volume_id, 5)
    facts = started.path(volume_id).stat()
    assert facts.st_size == 5 * GIB
    assert facts.st_blocks * 512 < 1 << 20
    assert stat.S_IMODE(facts.st_mode) == 0o600
    assert stat.S_IMODE(started.path(volume_id).parent.stat().st_mode) == 0o700


def test_what_a_guest_wrote_is_not_counted_twice(started, space):
    volume_id = runtime.uuid()
    started.create(volume_id, 8)
    with started.path(volume_id).open("r+b") as file:
        file.write(b"x" * (64 << 20))
        os.fsync(file.fileno())
    space.f_bavail -= (64 << 20) // 4096  # the real file system would say so
    assert started.pool_facts().free_gb == 12


def test_a_creation_that_was_killed_is_cleaned_up_at_the_next_start(started):
    left = started.path(runtime.uuid()).with_suffix(".raw.0123.part")
    left.write_bytes(b"")
    assert started.volumes() == {}
    started.stop_host()
    started.start_host()
    assert not left.exists()


def test_files_that_are_not_ours_are_neither_listed_nor_touched(started):
    folder = started.path(runtime.uuid()).parent
    (folder / "notes.raw").write_text("mine")
    (folder / f"{runtime.uuid()}.raw").symlink_to("/etc/passwd")
    assert started.volumes() == {}
    started.stop_host()
    started.start_host()
    assert (folder / "notes.raw").read_text() == "mine"


def test_two_workers_cannot_use_one_folder(started):
    second = FileDriver(started.path(runtime.uuid()).parent)
    with pytest.raises(VolumeError, match="Another volume worker"):
        second.start_host()


def test_a_folder_that_cannot_be_made_is_a_clear_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(VolumeError, match="cannot be kept in"):
        FileDriver(tmp_path / "file" / "volumes").start_host()


def test_a_full_file_system_while_making_the_file_leaves_no_trace(started, monkeypatch):
    def full(_fd, _size):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("iaas.volume.drivers.file.os.ftruncate", full)
    with pytest.raises(errors.NoSpace):
        started.create(runtime.uuid(), 1)
    assert [name for name in os.listdir(started.path(runtime.uuid()).parent) if name != ".lock"] == []
