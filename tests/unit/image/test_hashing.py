"""Uploads on their way into a store: hashes, verdict, errors and the order of things."""

from __future__ import annotations

import hashlib
import logging
import os

import pytest

from iaas.common import errors, runtime
from iaas.image import hashing, inspect
from iaas.image.stores import file
from tests.fixtures import bad_images


@pytest.fixture
def store(tmp_path):
    store = file.FileStore(tmp_path / "images")
    yield store
    store.close()


def feed(upload: hashing.Ingest, batches: int) -> None:
    for _ in range(batches):
        upload.feed(bytes(hashing.BATCH))


def uploaded(store, data: bytes, declared: str = "raw", chunk_size: int = 1 << 16, **options):
    with store.writer(runtime.uuid()) as writer, hashing.Ingest(writer, declared, **options) as upload:
        for at in range(0, len(data), chunk_size):
            upload.feed(data[at : at + chunk_size])
        done = upload.finish()
        return done, writer.commit()


@pytest.mark.parametrize("size", [0, 1, hashing.BATCH - 1, hashing.BATCH, hashing.BATCH + 1, 9 * hashing.BATCH + 7])
@pytest.mark.parametrize("chunk_size", [1 << 12, 100_003, 1 << 20, 3 << 20])
def test_hashes_size_and_stored_bytes_are_those_of_what_came(store, size, chunk_size):
    data = runtime.rng().randbytes(size)
    done, location = uploaded(store, data, chunk_size=chunk_size)
    assert done.size == done.verdict.virtual_size == size
    assert done.checksum == hashlib.md5(data).hexdigest()  # noqa: S324
    assert done.os_hash_algo == "sha512"
    assert done.os_hash_value == hashlib.sha512(data).hexdigest()
    assert b"".join(store.read(location)) == data


def test_the_verdict_is_the_inspectors(store):
    done, _ = uploaded(store, bad_images.qcow2(), "qcow2")
    assert done.verdict == inspect.Verdict("qcow2", 1 << 20)


@pytest.mark.parametrize("image", bad_images.BAD[::9], ids=lambda image: image.name)
def test_a_bad_image_is_refused_and_leaves_no_trace_nor_log(store, image, caplog):
    with caplog.at_level(logging.INFO), pytest.raises(inspect.ImageRejected, match=image.reason):
        uploaded(store, image.data, image.declared)
    assert list(store.blobs()) == []
    assert store.sweep(older_than=-1) == 0
    assert caplog.records == []


def test_a_bad_image_is_refused_long_before_its_end(store):
    data = bad_images.backed(b"/etc/passwd") + bytes(hashing.BATCH)
    with store.writer(runtime.uuid()) as writer, hashing.Ingest(writer, "qcow2") as upload:
        upload.feed(data)
        with pytest.raises(inspect.ImageRejected, match="backing file"):
            feed(upload, hashing.BUFFERS + 2)
        assert upload.size <= hashing.BUFFERS * hashing.BATCH


def test_a_size_other_than_announced_is_refused(store):
    with store.writer(runtime.uuid()) as writer, hashing.Ingest(writer, "raw") as upload:
        upload.feed(b"x" * 10)
        with pytest.raises(inspect.ImageRejected, match="10 bytes came, but 11 were announced"):
            upload.finish(11)


def test_no_byte_over_the_limit_reaches_the_store(store, tmp_path):
    limit = 3 * hashing.BATCH
    with store.writer(runtime.uuid()) as writer:
        with hashing.Ingest(writer, "raw", max_size=limit) as upload:
            for _ in range(limit >> 16):
                upload.feed(bytes(1 << 16))
            with pytest.raises(errors.TooLarge):
                upload.feed(b"x")
        (part,) = (tmp_path / "images").iterdir()
        assert part.stat().st_size <= limit


class FullAfter(file.FileWriter):
    """A writer whose disk is full after some bytes."""

    room = room_at_start = 2 * hashing.BATCH

    def _write(self, chunk):
        self.room -= len(chunk)
        if self.room < 0:
            raise errors.NoSpace(reason="The image store is full.")
        super()._write(chunk)


def test_a_full_store_is_told_while_feeding(store):
    image_id = runtime.uuid()
    full = FullAfter(store._folder, image_id, store.location(image_id))
    with full as writer, hashing.Ingest(writer, "raw") as upload:
        with pytest.raises(errors.NoSpace):
            feed(upload, hashing.BUFFERS + 6)
        assert upload.size <= full.room_at_start + hashing.BUFFERS * hashing.BATCH
    assert list(store.blobs()) == []


class Slow(file.FileWriter):
    """A writer that holds its write until it is let go, and tells whether it was used after its end.

    Pipes, because they hold native threads on every runtime back-end.
    """

    def __init__(self, *args) -> None:
        super().__init__(*args)
        self.begun, self.go, self.late = os.pipe(), os.pipe(), False

    def _write(self, chunk):
        os.write(self.begun[1], b"x")
        os.read(self.go[0], 1)
        self.late = self._fd < 0
        super()._write(chunk)


def test_leaving_early_waits_for_the_running_write(store):
    image_id = runtime.uuid()
    slow = Slow(store._folder, image_id, store.location(image_id))

    def interrupted():
        with slow as writer, hashing.Ingest(writer, "raw") as upload:
            upload.feed(bytes(hashing.BATCH))
            runtime.native(os.read, slow.begun[0], 1)
            raise ConnectionError("the client went away")

    task = runtime.spawn(interrupted)
    for _ in range(5):
        runtime.sleep(0)
        assert not task.done
    os.write(slow.go[1], b"x")
    with pytest.raises(ConnectionError):
        task.wait()
    assert slow.late is False
    assert list(store.blobs()) == []
    for end in slow.begun + slow.go:
        os.close(end)


def test_an_unsupported_format_is_refused_before_any_byte(store):
    with store.writer(runtime.uuid()) as writer, pytest.raises(inspect.ImageRejected, match="vmdk"):
        hashing.Ingest(writer, "vmdk")


def test_buffers_the_caller_reuses_are_copied(store):
    buffer = bytearray(1 << 16)
    expected = hashlib.sha512()
    with store.writer(runtime.uuid()) as writer, hashing.Ingest(writer, "raw") as upload:
        for number in range(40):
            buffer[:] = bytes([number]) * len(buffer)
            expected.update(buffer)
            upload.feed(memoryview(buffer))
        assert upload.finish().os_hash_value == expected.hexdigest()


def test_an_upload_outside_its_block_has_no_hashes(store):
    with store.writer(runtime.uuid()) as writer:
        upload = hashing.Ingest(writer, "raw")
        upload.feed(b"bytes that no lane takes")
        with pytest.raises(RuntimeError, match="in the block"):
            upload.finish()
