"""Uploads and downloads, through the API."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import sqlalchemy as sa
from sqlalchemy import exc

from iaas.common import points, runtime, units
from iaas.db import image_blobs
from iaas.db.models import images as tables
from iaas.image import sweep
from tests.fixtures import bad_images
from tests.fixtures.image import ADMIN, ALICE, BOB, ImageApi, caller

ROOT = Path(__file__).parents[3]
alice, bob = caller(ALICE), caller(BOB)


class Pieces:
    """A request body that does something at a place: ``at`` bytes have been read when ``act`` is called."""

    def __init__(self, data: bytes, act=None, at: int = 0, piece: int = 1 << 16) -> None:
        self._data, self._act, self._at, self._piece, self._read = data, act, at, piece, 0

    def read(self, size: int) -> bytes:
        if self._act is not None and self._read >= self._at:
            act, self._act = self._act, None
            act()
        found = self._data[self._read : self._read + min(size, self._piece)]
        self._read += len(found)
        return found


def file(image) -> str:
    return f"/v2/images/{image['id']}/file"


def test_what_was_uploaded_is_downloaded_and_described(api):
    data = runtime.rng().randbytes(3_000_000)
    image = api.make(alice, data)
    assert image["status"] == "active"
    assert image["size"] == image["virtual_size"] == len(data)
    assert image["checksum"] == hashlib.md5(data).hexdigest()  # noqa: S324
    assert image["os_hash_algo"] == "sha512"
    assert image["os_hash_value"] == hashlib.sha512(data).hexdigest()
    answer = api.request("GET", file(image), ctx=alice)
    assert answer.data == data
    assert answer.headers["Content-Length"] == str(len(data))
    assert answer.headers["Content-MD5"] == image["checksum"]
    assert answer.headers["Content-Type"] == "application/octet-stream"


def test_a_chunked_body_needs_no_length(api):
    image = api.create(alice)
    chunked = {"Transfer-Encoding": "chunked"}
    answer = api.request("PUT", file(image), b"", ctx=alice, headers=chunked, stream=Pieces(b"abc" * 1000))
    assert answer.status == 204
    assert api.show(alice, image["id"])["size"] == 3000


def test_the_virtual_size_is_the_inspectors(api):
    image = api.make(alice, bad_images.qcow2(), disk_format="qcow2")
    assert image["virtual_size"] == 1 << 20


@pytest.mark.parametrize("image", bad_images.GOOD, ids=lambda image: image.name)
def test_good_images_become_active(api, image):
    assert api.make(alice, image.data, disk_format=image.declared)["virtual_size"] == image.virtual_size


@pytest.mark.parametrize("bad", bad_images.BAD, ids=lambda image: image.name)
def test_a_bad_image_is_refused_with_the_reason_and_leaves_nothing(api, bad):
    wanted = {"name": "bad", "disk_format": bad.declared, "container_format": "bare"}
    made = api.request("POST", "/v2/images", wanted, ctx=alice)
    if made.status == 201:
        answer = api.upload(alice, made.json["id"], bad.data)
        image = api.show(alice, made.json["id"])
        assert (image["status"], image["size"], image["checksum"]) == ("killed", None, None)
        assert api.request("GET", file(image), ctx=alice).status == 204
        assert bad.reason in answer.message
    else:  # a format that is never accepted
        answer = made
    assert answer.status == 400
    assert api.blobs() == []
    assert api.store.sweep(older_than=-1) == 0


def test_a_second_upload_is_a_conflict_and_changes_nothing(api):
    image = api.make(alice, b"first")
    answer = api.upload(alice, image["id"], b"second")
    assert answer.status == 409
    assert api.request("GET", file(image), ctx=alice).data == b"first"


def test_an_upload_beside_an_upload_is_a_conflict(api):
    image = api.create(alice)
    seen = []
    body = Pieces(b"x" * 100_000, lambda: seen.append(api.upload(alice, image["id"], b"other").status), at=1)
    answer = api.request("PUT", file(image), b"", ctx=alice, stream=body, headers={"Content-Length": "100000"})
    assert (answer.status, seen) == (204, [409])
    assert api.show(alice, image["id"])["size"] == 100_000


@pytest.mark.parametrize("at", [0, 150_000, 250_000])
def test_a_deleted_images_upload_ends_and_leaves_nothing(api, at):
    image = api.create(alice)
    path = f"/v2/images/{image['id']}"
    body = Pieces(b"x" * 300_000, lambda: api.request("DELETE", path, ctx=alice), at=at, piece=50_000)
    answer = api.request("PUT", file(image), b"", ctx=alice, stream=body, headers={"Content-Length": "300000"})
    assert answer.status == 404
    assert "deleted while" in answer.message
    assert api.blobs() == []
    assert api.request("GET", path, ctx=alice).status == 404


def test_an_image_deleted_while_its_upload_commits_leaves_nothing(api):
    image = api.create(alice)

    def delete(name: str) -> None:
        if name == "image.upload.stored":
            api.request("DELETE", f"/v2/images/{image['id']}", ctx=alice)

    before = points.watch(delete)
    try:
        assert api.upload(alice, image["id"], b"x" * 1000).status == 404
    finally:
        points.watch(before)
    assert api.blobs() == []


def test_a_body_shorter_than_announced_returns_the_image_to_queued(api):
    image = api.create(alice)
    answer = api.request("PUT", file(image), b"short", ctx=alice, headers={"Content-Length": "6"})
    assert (answer.status, answer.message) == (400, "5 bytes came, but 6 were announced.")
    assert api.show(alice, image["id"])["status"] == "queued"
    assert api.blobs() == []
    assert api.upload(alice, image["id"], b"longer").status == 204


def test_a_broken_connection_returns_the_image_to_queued(api):
    def cut() -> None:
        raise ConnectionResetError("reset by peer")

    image = api.create(alice)
    body = Pieces(b"x" * 300_000, cut, at=200_000)
    answer = api.request("PUT", file(image), b"", ctx=alice, stream=body, headers={"Content-Length": "300000"})
    assert answer.status == 400
    assert api.show(alice, image["id"])["status"] == "queued"
    assert api.blobs() == []


def test_an_upload_is_octets(api):
    image = api.create(alice)
    answer = api.request("PUT", file(image), b"{}", ctx=alice, headers={"Content-Type": "application/json"})
    assert answer.status == 415
    assert api.show(alice, image["id"])["status"] == "queued"


@pytest.mark.parametrize("missing", ["disk_format", "container_format"])
def test_the_formats_come_before_the_data(api, missing):
    image = api.create(alice, **{missing: None})
    answer = api.upload(alice, image["id"], b"x")
    assert answer.status == 400
    assert "Set disk_format and container_format" in answer.message


def test_only_the_owner_uploads(api):
    image = api.create(ADMIN, visibility="public")
    assert api.upload(bob, image["id"], b"x").status == 403
    assert api.upload(bob, api.create(alice)["id"], b"x").status == 404


@pytest.fixture
def small(tmp_path):
    made = ImageApi(tmp_path, max_project_gb=1, max_size_gb=2)
    yield made
    made.close()


def test_an_announced_size_over_the_limit_is_refused_before_a_byte_is_read(small):
    image = small.create(alice)
    answer = small.request("PUT", file(image), b"", ctx=alice, headers={"Content-Length": str(1 << 40)}, stream=None)
    assert answer.status == 413
    assert small.show(alice, image["id"])["status"] == "queued"


def test_a_chunked_body_over_the_limit_is_cut_off(small):
    image = small.create(alice)
    endless = SimpleNamespace(read=lambda _size: bytes(1 << 20))
    chunked = {"Transfer-Encoding": "chunked"}
    small.clients.settings.image.max_project_gb = 0
    answer = small.request("PUT", file(image), b"", ctx=alice, headers=chunked, stream=endless)
    assert answer.status == 413
    assert small.show(alice, image["id"])["status"] == "queued"
    assert small.blobs() == []


def test_two_uploads_together_do_not_pass_the_projects_quota(small):
    first, second = small.create(alice), small.create(alice)
    limits = {"max_count": -1, "max_size": units.GIB}
    small.db.write(alice, image_blobs.take, alice.project_id, size=units.GIB - 10, **limits)
    body = Pieces(b"x" * 8, lambda: small.upload(alice, second["id"], b"x" * 8), at=1, piece=4)
    answer = small.request("PUT", file(first), b"", ctx=alice, headers={"Content-Length": "8"}, stream=body)
    assert answer.status == 413
    assert small.blobs() == [second["id"]]
    assert small.show(alice, first["id"])["status"] == "queued"


def test_more_uploads_than_allowed_are_told_to_come_back(tmp_path):
    api = ImageApi(tmp_path, max_uploads=1)
    first, second = api.create(alice), api.create(alice)
    seen = []
    body = Pieces(b"x" * 10, lambda: seen.append(api.upload(alice, second["id"], b"x")), at=1, piece=5)
    assert api.request("PUT", file(first), b"", ctx=alice, headers={"Content-Length": "10"}, stream=body).status == 204
    assert seen[0].status == 503
    assert "Retry-After" in seen[0].headers
    assert api.upload(alice, second["id"], b"x").status == 204
    api.close()


# -- downloads --------------------------------------------------------------------------------------------


def test_an_image_without_data_has_an_empty_answer(api):
    answer = api.request("GET", file(api.create(alice)), ctx=alice)
    assert (answer.status, answer.data) == (204, b"")


@pytest.mark.parametrize(
    ("wanted", "status", "span"),
    [
        ("bytes=0-9", 206, slice(0, 10)),
        ("bytes=90-", 206, slice(90, 100)),
        ("bytes=-5", 206, slice(95, 100)),
        ("bytes=50-1000", 206, slice(50, 100)),
        ("bytes=0-", 200, slice(0, 100)),
        ("bytes=9-3", 200, slice(0, 100)),
        ("bytes=0-1,4-5", 200, slice(0, 100)),
        ("lines=1-2", 200, slice(0, 100)),
    ],
)
def test_a_range_is_a_part(api, wanted, status, span):
    data = bytes(range(100))
    image = api.make(alice, data)
    answer = api.request("GET", file(image), ctx=alice, headers={"Range": wanted})
    assert (answer.status, answer.data) == (status, data[span])
    assert answer.headers["Content-Length"] == str(len(data[span]))
    if status == 206:
        assert answer.headers["Content-Range"] == f"bytes {span.start}-{span.stop - 1}/100"
        assert "Content-MD5" not in answer.headers


def test_a_range_past_the_end_is_refused(api):
    answer = api.request("GET", file(api.make(alice, b"x" * 10)), ctx=alice, headers={"Range": "bytes=10-"})
    assert answer.status == 416
    assert answer.headers["Content-Range"] == "bytes */10"


def test_downloads_beyond_the_fast_ones_are_whole_too_and_lanes_come_back(api):
    data = runtime.rng().randbytes(300_000)
    image = api.make(alice, data)
    api.clients.lanes = runtime.semaphore(1)
    call = {"ctx": alice}
    with api.opened("GET", file(image), **call) as first, api.opened("GET", file(image), **call) as second:
        assert [len(chunk) for chunk in (next(iter(first)), next(iter(second)))] == [300_000, 65_536]
    with api.opened("GET", file(image), **call) as dropped:
        del dropped
    assert api.request("GET", file(image), ctx=alice).data == data
    assert api.clients.lanes.acquire(blocking=False)


def test_a_blob_of_another_size_is_never_handed_out(api, caplog):
    image = api.make(alice, b"x" * 10)
    blob = next((p for p in api.folder.rglob(image["id"])), None)
    assert blob is not None
    blob.write_bytes(b"tampered with")
    answer = api.request("GET", file(image), ctx=alice)
    assert answer.status == 500
    assert b"tampered" not in answer.data
    assert "should have 10 bytes, but its store has 13" in caplog.text


def test_a_deactivated_image_is_downloaded_by_administrators_only(api):
    image = api.make(alice, b"bytes")
    actions = f"/v2/images/{image['id']}/actions"
    assert api.request("POST", f"{actions}/deactivate", ctx=bob).status == 404
    assert api.request("POST", f"{actions}/deactivate", ctx=alice).status == 204
    assert api.request("POST", f"{actions}/deactivate", ctx=ADMIN).status == 204
    assert api.show(alice, image["id"])["status"] == "deactivated"
    refused = api.request("GET", file(image), ctx=alice)
    assert refused.status == 403
    assert "deactivated" in refused.message
    assert api.request("GET", file(image), ctx=ADMIN).data == b"bytes"
    assert api.request("POST", f"{actions}/reactivate", ctx=ADMIN).status == 204
    assert api.request("GET", file(image), ctx=alice).data == b"bytes"


def test_another_projects_data_is_not_found(api):
    image = api.make(alice)
    assert api.request("GET", file(image), ctx=bob).status == 404
    assert api.request("HEAD", file(image), ctx=bob).status == 404


# -- what dies is swept -----------------------------------------------------------------------------------


def test_a_deleted_images_blob_is_gone_at_once_and_its_id_free(api):
    image = api.make(alice)
    assert api.request("DELETE", f"/v2/images/{image['id']}", ctx=alice).status == 204
    assert api.blobs() == []
    assert api.create(alice, id=image["id"])["status"] == "queued"


def test_a_blob_that_could_not_be_deleted_is_swept_and_its_id_taken_until_then(api, monkeypatch):
    image = api.make(alice)

    def full(_location: str) -> None:
        raise OSError("the disk is away")

    with monkeypatch.context() as patch:
        patch.setattr(api.store, "delete", full)
        assert api.request("DELETE", f"/v2/images/{image['id']}", ctx=alice).status == 204
    assert api.blobs() == [image["id"]]
    wanted = {"id": image["id"], "disk_format": "raw", "container_format": "bare"}
    assert api.request("POST", "/v2/images", wanted, ctx=alice).status == 409
    sweep.run(api.clients)
    assert api.blobs() == []
    assert api.request("POST", "/v2/images", wanted, ctx=alice).status == 201


UPLOADER = """
import sys
from pathlib import Path
from tests.fixtures.image import ALICE, ImageApi, caller
api = ImageApi(Path(sys.argv[1]))
image = api.create(caller(ALICE), id=sys.argv[2])
api.upload(caller(ALICE), image["id"], b"x" * 3_000_000)
"""


@pytest.mark.parametrize("point", ["image.upload.begun", "image.upload.stored"])
def test_a_process_killed_while_it_uploads_leaves_nothing_after_the_sweep(api, point):
    image_id = runtime.uuid()
    words = [sys.executable, "-c", UPLOADER, str(api.folder), image_id]
    died = subprocess.run(words, env={**os.environ, "IAAS_CRASH_AT": point}, cwd=ROOT)
    assert died.returncode == -9
    assert api.show(alice, image_id)["status"] == "saving"
    sweep.run(api.clients)
    assert api.show(alice, image_id)["status"] == "saving", "it may live still"
    make_silent(api, image_id)
    sweep.run(api.clients)
    assert api.show(alice, image_id)["status"] == "queued"
    assert api.blobs() == []
    assert api.store.sweep(older_than=-1) == 0
    assert api.upload(alice, image_id, b"again").status == 204


def make_silent(api, image_id: str) -> None:
    long_ago = sa.update(tables.images).values(upload_at=tables.images.c.upload_at - 100)
    api.db.write(ADMIN, lambda tx: tx.execute(long_ago.where(tables.images.c.id == image_id)))


def test_a_slow_upload_that_was_taken_for_dead_cannot_finish(api):
    image = api.create(alice)

    def swept_and_done_again() -> None:
        make_silent(api, image["id"])
        sweep.run(api.clients)
        assert api.upload(alice, image["id"], b"second").status == 204

    body = Pieces(b"first!!!", swept_and_done_again, at=4, piece=4)
    answer = api.request("PUT", file(image), b"", ctx=alice, stream=body, headers={"Content-Length": "8"})
    assert answer.status == 404
    assert api.request("GET", file(image), ctx=alice).data == b"second"


@pytest.mark.parametrize("nth", [1, 2, 3], ids=["begin", "beat", "activate"])
def test_an_upload_whose_commit_was_not_heard_of_is_stored(api, monkeypatch, nth):
    image = api.create(alice)
    commit, done = api.db._commit, []

    def unheard(connection):
        commit(connection)
        done.append(1)
        if len(done) == nth:
            raise exc.OperationalError("COMMIT", {}, sqlite3.OperationalError("database is locked"))

    monkeypatch.setattr(api.db, "_commit", unheard)
    assert api.upload(alice, image["id"], b"precious").status == 204
    assert len(done) > 3
    assert api.request("GET", file(image), ctx=alice).data == b"precious"
    with api.db.read(ADMIN) as tx:
        assert image_blobs.stored(tx, ALICE) == (1, len(b"precious"))


def test_an_upload_that_wakes_late_leaves_the_bytes_of_the_one_after_it(api):
    image = api.create(alice)

    def sleep_long(name: str) -> None:
        if name == "image.upload.stored":
            points.watch(before)
            make_silent(api, image["id"])
            sweep.run(api.clients)
            assert api.upload(alice, image["id"], b"second").status == 204

    before = points.watch(sleep_long)
    try:
        assert api.upload(alice, image["id"], b"first").status == 404
    finally:
        points.watch(before)
    assert api.request("GET", file(image), ctx=alice).data == b"second"
