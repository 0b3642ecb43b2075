"""What every image store must do; a store's tests inherit this and give a ``store`` fixture."""

from __future__ import annotations

import pytest

from iaas.common import errors, runtime
from iaas.image.stores import base

HOSTILE_IDS = [
    "", ".", "..", "../../etc/passwd", "/etc/passwd", "a" * 300, "%2e%2e/", "//host/path", "x\0y",
    "0F8FAD5B-D9CB-469F-A165-70867728950E", "0f8fad5bd9cb469fa16570867728950e",
    "0f8fad5b-d9cb-469f-a165-70867728950e\n", "0f8fad5b-d9cb-469f-a165-70867728950e/..",
]  # fmt: skip


def stored(store: base.Store, data: bytes, image_id: str | None = None) -> str:
    """Put ``data`` into the store in three chunks and return its location."""
    with store.writer(image_id or runtime.uuid()) as writer:
        third = len(data) // 3
        for chunk in (data[:third], memoryview(data)[third : 2 * third], data[2 * third :]):
            writer.write(chunk)
        return writer.commit()


class ImageStoreContract:
    """The suite; its subclass's ``store`` is empty at the start of each test."""

    def test_what_was_committed_is_read_back(self, store):
        data = bytes(range(256)) * 5000
        location = stored(store, data)
        assert b"".join(store.read(location)) == data
        assert store.size(location) == len(data)

    def test_an_empty_blob_is_a_blob(self, store):
        location = stored(store, b"")
        assert list(store.read(location)) == []
        assert store.size(location) == 0

    @pytest.mark.parametrize(
        ("offset", "length"),
        [(0, 10), (7, 1), (7, 0), (95, 10), (99, None), (100, None), (1000, 5), (0, 100)],
    )
    def test_a_range_is_read_as_slices_read(self, store, offset, length):
        data = bytes(range(100))
        location = stored(store, data)
        end = None if length is None else offset + length
        assert b"".join(store.read(location, offset, length, chunk_size=3)) == data[offset:end]

    def test_chunks_are_of_the_size_asked_for_but_the_last(self, store):
        location = stored(store, b"x" * 100)
        assert [len(chunk) for chunk in store.read(location, chunk_size=30)] == [30, 30, 30, 10]

    def test_a_reader_that_was_closed_yields_nothing_more(self, store):
        reader = store.read(stored(store, b"x" * 100), chunk_size=30)
        next(reader)
        reader.close()
        reader.close()
        assert list(reader) == []

    @pytest.mark.parametrize("wrong", [{"offset": -1}, {"length": -1}, {"chunk_size": 0}])
    def test_a_negative_range_is_refused(self, store, wrong):
        location = stored(store, b"x")
        with pytest.raises(errors.Invalid):
            store.read(location, **wrong)

    def test_the_location_is_known_from_the_id_alone(self, store):
        image_id = runtime.uuid()
        location = stored(store, b"x", image_id)
        assert location == store.location(image_id)
        assert store.image_id(location) == image_id

    def test_an_upload_is_not_visible_before_commit(self, store):
        image_id = runtime.uuid()
        with store.writer(image_id) as writer:
            writer.write(b"x")
            assert list(store.blobs()) == []
            with pytest.raises(base.BlobMissing):
                store.read(store.location(image_id))
            writer.commit()
        assert [blob for blob, _ in store.blobs()] == [image_id]

    def test_leaving_the_block_by_an_error_leaves_no_trace(self, store):
        def interrupted():
            with store.writer(runtime.uuid()) as writer:
                writer.write(b"x")
                raise ConnectionError

        with pytest.raises(ConnectionError):
            interrupted()
        assert list(store.blobs()) == []
        assert store.sweep(older_than=-1) == 0

    def test_leaving_the_block_without_commit_leaves_no_trace(self, store):
        with store.writer(runtime.uuid()) as writer:
            writer.write(b"x")
        assert list(store.blobs()) == []
        assert store.sweep(older_than=-1) == 0

    def test_a_writer_that_ended_takes_nothing_more(self, store):
        with store.writer(runtime.uuid()) as writer:
            writer.abort()
            writer.abort()
            with pytest.raises(ValueError, match="has ended"):
                writer.write(b"x")
            with pytest.raises(ValueError, match="has ended"):
                writer.commit()
        assert list(store.blobs()) == []

    def test_the_first_of_two_uploads_wins_and_its_bytes_stay(self, store):
        image_id = runtime.uuid()
        with store.writer(image_id) as slow:
            slow.write(b"slow")
            location = stored(store, b"fast", image_id)
            with pytest.raises(base.BlobExists):
                slow.commit()
        assert b"".join(store.read(location)) == b"fast"
        assert store.sweep(older_than=-1) == 0

    def test_delete_removes_and_may_be_said_twice(self, store):
        location = stored(store, b"x")
        store.delete(location)
        store.delete(location)
        assert list(store.blobs()) == []
        with pytest.raises(base.BlobMissing):
            store.size(location)
        with pytest.raises(base.BlobMissing):
            store.read(location)

    def test_a_download_survives_the_delete_of_its_blob(self, store):
        location = stored(store, b"x" * 100)
        reader = store.read(location, chunk_size=10)
        first = next(reader)
        store.delete(location)
        assert first + b"".join(reader) == b"x" * 100

    def test_a_deleted_blob_may_be_written_anew(self, store):
        image_id = runtime.uuid()
        store.delete(stored(store, b"old", image_id))
        assert b"".join(store.read(stored(store, b"new", image_id))) == b"new"

    def test_blobs_have_an_age(self, store):
        stored(store, b"x")
        ((_, age),) = store.blobs()
        assert 0 <= age < 60

    def test_a_sweep_leaves_running_uploads_and_blobs_alone(self, store):
        location = stored(store, b"x")
        with store.writer(runtime.uuid()) as writer:
            writer.write(b"y")
            assert store.sweep(older_than=-1) == 0
            running = writer.commit()
        assert store.size(location) == store.size(running) == 1

    @pytest.mark.parametrize("image_id", HOSTILE_IDS)
    def test_only_a_uuid_becomes_a_name(self, store, image_id):
        with pytest.raises(errors.Invalid):
            store.writer(image_id)
        for use in (store.read, store.size, store.delete):
            with pytest.raises(errors.Invalid):
                use(f"{store.scheme}:{image_id}")

    @pytest.mark.parametrize("location", ["file:///etc/passwd", "filesystem:///etc/passwd", "http://127.0.0.1/", "x"])
    def test_a_location_of_another_kind_is_refused(self, store, location):
        for use in (store.read, store.size, store.delete):
            with pytest.raises(errors.Invalid):
                use(location)
