"""The file store: the contract of all stores, and what is special to files."""

from __future__ import annotations

import errno
import fcntl
import os
import resource
import stat

import pytest

from iaas.common import errors, runtime
from iaas.image.stores import base, file
from tests.contract import image_store


@pytest.fixture
def root(tmp_path):
    return tmp_path / "images"


@pytest.fixture
def store(root):
    store = file.FileStore(root)
    yield store
    store.close()


class TestFileStore(image_store.ImageStoreContract):
    pass


def test_folder_and_files_are_private_whatever_the_umask(tmp_path):
    root = tmp_path / "images"
    root.mkdir(mode=0o777)
    before = os.umask(0)
    try:
        store = file.FileStore(root)
        image_id = runtime.uuid()
        with store.writer(image_id) as writer:
            (part,) = root.iterdir()
            assert stat.S_IMODE(part.stat().st_mode) == 0o600
            writer.commit()
    finally:
        os.umask(before)
    assert stat.S_IMODE(root.stat().st_mode) == 0o700
    assert stat.S_IMODE((root / image_id).stat().st_mode) == 0o600


def test_a_root_that_is_a_symbolic_link_is_refused(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "images").symlink_to("elsewhere")
    with pytest.raises(base.StoreUnusable):
        file.FileStore(tmp_path / "images")


def test_a_root_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "images").write_text("")
    with pytest.raises(base.StoreUnusable):
        file.FileStore(tmp_path / "images")


def test_links_and_pipes_in_the_folder_are_never_followed(store, root, tmp_path):
    (tmp_path / "secret").write_text("canary")
    link, pipe, folder = (runtime.uuid() for _ in range(3))
    (root / link).symlink_to(tmp_path / "secret")
    os.mkfifo(root / pipe)
    (root / folder).mkdir()
    for image_id in (link, pipe):
        with pytest.raises(base.BlobMissing):
            store.read(store.location(image_id))
    assert list(store.blobs()) == []
    with store.writer(link) as writer, pytest.raises(base.BlobExists):
        writer.commit()
    assert (tmp_path / "secret").read_text() == "canary"


def test_what_is_not_a_blob_is_not_listed_nor_swept(store, root):
    (root / "README").write_text("")
    assert list(store.blobs()) == []
    assert store.sweep(older_than=-1) == 0
    assert (root / "README").exists()


def test_a_part_of_a_process_that_was_killed_is_swept(store, root):
    image_id = runtime.uuid()
    pid = os.fork()
    if pid == 0:
        writer = store.writer(image_id)
        writer._open()  # no pool of native threads in a forked child
        writer._write(b"x" * 1000)
        os.kill(os.getpid(), 9)
    os.waitpid(pid, 0)
    assert len(list(root.iterdir())) == 1
    assert store.sweep(older_than=3600) == 0  # too young
    assert store.sweep(older_than=-1) == 1
    assert list(root.iterdir()) == []


def test_a_part_from_before_the_clock_was_set_back_is_swept(store, root):
    part = root / f"{runtime.uuid()}.0123.part"
    part.write_bytes(b"x")
    os.utime(part, (runtime.time() + 3600,) * 2)
    assert store.sweep(older_than=10) == 1


def test_a_kill_between_the_blobs_name_and_the_end_of_the_part_keeps_the_blob(store, root):
    image_id = runtime.uuid()
    location = image_store.stored(store, b"x" * 10, image_id)
    os.link(root / image_id, root / f"{image_id}.0123.part")
    assert store.sweep(older_than=-1) == 1
    assert store.size(location) == 10


def test_a_file_larger_than_the_system_allows_is_no_space_and_leaves_nothing(store, root):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, hard))
    try:
        with store.writer(runtime.uuid()) as writer:
            writer.write(b"x" * (1 << 20))
            with pytest.raises(errors.NoSpace):
                writer.write(b"x")
            assert list(root.iterdir()) == []
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("call", ["write", "fsync", "link"])
def test_a_full_disk_leaves_nothing_whatever_call_meets_it(store, root, monkeypatch, call):
    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    def write_and_commit(writer):
        writer.write(b"y")
        writer.commit()

    with store.writer(runtime.uuid()) as writer:
        writer.write(b"x" * 1000)
        monkeypatch.setattr(os, call, full)
        with pytest.raises(errors.NoSpace):
            write_and_commit(writer)
        assert list(root.iterdir()) == []
    monkeypatch.undo()
    assert image_store.stored(store, b"z")


def test_a_commit_whose_folder_cannot_be_synced_leaves_nothing(store, root, monkeypatch):
    synced = []

    def fails_the_second_time(fd):
        synced.append(fd)
        if len(synced) == 2:
            raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", fails_the_second_time)
    with store.writer(runtime.uuid()) as writer:
        writer.write(b"x")
        with pytest.raises(OSError, match="Input/output error"):
            writer.commit()
    assert list(root.iterdir()) == []


def test_no_descriptor_stays_open(store):
    before = len(os.listdir("/proc/self/fd"))
    location = image_store.stored(store, b"x" * 1000)
    list(store.read(location))
    store.size(location)
    store.sweep(older_than=-1)
    list(store.blobs())
    assert len(os.listdir("/proc/self/fd")) == before


def test_an_upload_whose_part_was_swept_before_it_was_locked_is_stored(store, root, monkeypatch):
    """A process stopped between the two for longer than a part may lie about; another one sweeps meanwhile."""
    swept, image_id = [], runtime.uuid()
    really_open = os.open

    def stopped_after(path, flags, *words, **where):
        number = really_open(path, flags, *words, **where)
        if flags & os.O_CREAT and not swept:
            swept.append(store.sweep(-1.0))
        return number

    monkeypatch.setattr(file.os, "open", stopped_after)
    with store.writer(image_id) as writer:
        writer.write(b"bytes")
        location = writer.commit()
    assert swept == [1]
    assert b"".join(store.read(location)) == b"bytes"
    assert os.listdir(root) == [image_id]


def test_an_upload_whose_part_a_sweep_holds_is_stored_in_another(store, root, monkeypatch):
    held, image_id = [], runtime.uuid()
    really_open = os.open

    def found_by_a_sweep(path, flags, *words, **where):
        number = really_open(path, flags, *words, **where)
        if flags & os.O_CREAT and not held:
            held.append(really_open(root / path, os.O_RDONLY))
            fcntl.flock(held[0], fcntl.LOCK_EX)
        return number

    monkeypatch.setattr(file.os, "open", found_by_a_sweep)
    with store.writer(image_id) as writer:
        writer.write(b"bytes")
        location = writer.commit()
    os.close(held[0])
    assert b"".join(store.read(location)) == b"bytes"
    assert store.sweep(-1.0) == 1, "what the sweep that held it did not remove, the next one does"
