"""The image sweep: what is provably nobody's goes, and what an older database does not know stays."""

from __future__ import annotations

import io
import logging
import os

import pytest
import sqlalchemy as sa

from iaas.common import errors, points, runtime
from iaas.db import image_blobs
from iaas.db.models import images as tables
from iaas.image import quota, sweep
from tests.fixtures.image import ADMIN, ALICE, caller

alice = caller(ALICE)
images, blob_gc = tables.images, tables.blob_gc


def pass_time(api, seconds: float) -> None:
    """Let everything be older: files, signs of life, proofs."""
    for blob in (api.folder / "images").iterdir():
        at = blob.stat().st_mtime - seconds
        os.utime(blob, (at, at))
    for column in (images.c.upload_at, blob_gc.c.removed_at, blob_gc.c.created_at):
        api.db.write(ADMIN, lambda tx, c=column: tx.execute(sa.update(c.table).values({c.name: c - seconds})))


def lose(api, *where) -> None:
    """Remove rows by hand: what an older database is."""
    api.db.write(ADMIN, lambda tx: tx.execute(sa.delete(images).where(*where)))


def set_status(api, image_id: str, status: str) -> None:
    api.db.write(ADMIN, lambda tx: tx.execute(sa.update(images).where(images.c.id == image_id).values(status=status)))


def link(api, image_id: str, data: bytes = b"late") -> None:
    """Do what an upload does that wakes late, and dies before it asks the database."""
    with api.store.writer(image_id) as writer:
        writer.write(data)
        writer.commit()


def delete(api, image) -> None:
    assert api.request("DELETE", f"/v2/images/{image['id']}", ctx=alice).status == 204


def remembered(api) -> list[str]:
    with api.db.read(ADMIN) as tx:
        return [row.image_id for row in tx.all(sa.select(blob_gc).order_by(blob_gc.c.image_id))]


def test_an_older_database_restored_beside_a_newer_store_destroys_no_image(api, caplog):
    made = [api.make(alice, b"precious %d" % n, name=f"bk{n}") for n in range(7)]
    kept = api.make(alice, name="kept")
    deleted = api.make(alice, name="deleted")
    delete(api, deleted)
    lose(api, images.c.name.like("bk%"))
    ids = sorted(image["id"] for image in (*made, kept))
    for _ in range(3):
        pass_time(api, 30 * 86_400)
        sweep.run(api.clients)
        assert api.blobs() == ids
    lost = [line for line in caplog.messages if "is kept: no row names it" in line]
    assert all(any(image["id"] in line for line in lost) for image in made)
    assert (api.folder / "images" / made[0]["id"]).read_bytes() == b"precious 0"


def test_an_image_that_an_older_database_takes_for_queued_keeps_its_bytes(api, caplog):
    image = api.make(alice, b"precious")
    set_status(api, image["id"], "queued")
    pass_time(api, 86_400)
    sweep.run(api.clients)
    assert "is kept: its row is queued" in caplog.text
    refused = api.upload(alice, image["id"], b"others")
    assert (refused.status, refused.json["message"]) == (409, f"Image {image['id']} already has data.")
    pass_time(api, 86_400)
    sweep.run(api.clients)
    assert (api.folder / "images" / image["id"]).read_bytes() == b"precious"
    delete(api, image)
    pass_time(api, 100)
    sweep.run(api.clients)
    assert api.blobs() == [], "its deletion is the proof"


def test_an_administrator_is_told_once_an_hour_what_is_kept(api, caplog):
    link(api, runtime.uuid())
    pass_time(api, 100)
    reports = sweep.Reports()
    for _ in range(5):
        sweep.run(api.clients, reports)
    assert [row.levelno for row in caplog.records if "is kept" in row.message] == [logging.ERROR]
    reports._said = {image_id: at - 3601 for image_id, at in reports._said.items()}
    sweep.run(api.clients, reports)
    assert caplog.text.count("is kept") == 2


def test_a_store_of_an_unknown_database_is_told_of_in_parts(api, caplog):
    for _ in range(25):
        link(api, runtime.uuid())
    pass_time(api, 100)
    reports = sweep.Reports()
    sweep.run(api.clients, reports)
    assert caplog.text.count("is kept") == 20
    sweep.run(api.clients, reports)
    assert caplog.text.count("is kept") == 25
    assert len(api.blobs()) == 25


@pytest.mark.parametrize("age", [100, -3600], ids=["old", "from before the clock was set back"])
@pytest.mark.parametrize("uploaded", [True, False])
def test_a_blob_that_comes_after_its_image_was_deleted_goes(api, age, uploaded):
    image = api.make(alice) if uploaded else api.create(alice)
    kept = api.make(alice)
    delete(api, image)
    link(api, image["id"])
    sweep.run(api.clients)
    assert len(api.blobs()) == 2, "its upload may be about to ask the database"
    pass_time(api, 100)
    blob = api.folder / "images" / image["id"]
    os.utime(blob, (runtime.time() - age,) * 2)
    sweep.run(api.clients)
    assert api.blobs() == [kept["id"]]


def test_a_blob_that_comes_after_its_upload_was_given_up_makes_room_for_another(api):
    image = api.create(alice)

    def sleep_long(name: str) -> None:
        if name == "image.upload.stored":
            points.watch(before)
            (api.folder / "images" / image["id"]).unlink()  # not linked yet
            pass_time(api, 100)
            sweep.run(api.clients)
            assert api.show(alice, image["id"])["status"] == "queued"
            link(api, image["id"])

    before = points.watch(sleep_long)
    try:
        assert api.upload(alice, image["id"], b"first").status == 404
    finally:
        points.watch(before)
    assert api.upload(alice, image["id"], b"second").status == 409
    sweep.run(api.clients)
    assert api.blobs() == [image["id"]], "another sweep may be about to remove it"
    pass_time(api, 100)
    sweep.run(api.clients)
    assert api.blobs() == []
    assert api.upload(alice, image["id"], b"second").status == 204
    pass_time(api, 86_500)
    sweep.run(api.clients)
    assert api.request("GET", f"/v2/images/{image['id']}/file", ctx=alice).data == b"second"


def test_an_upload_whose_last_transaction_failed_can_be_tried_again_at_once(api, monkeypatch):
    image = api.create(alice)

    def fail(*_words, **_values):
        raise errors.Unavailable(reason="The database is away.")

    with monkeypatch.context() as patch:
        patch.setattr(quota, "take", fail)
        assert api.upload(alice, image["id"], b"first").status == 503
    assert api.blobs() == []
    assert remembered(api) == [image["id"]], "a native thread may link it still"
    assert api.upload(alice, image["id"], b"second").status == 204


def test_an_upload_that_finds_the_bytes_of_another_proves_nothing_about_them(api):
    image = api.create(alice)
    body = io.BytesIO(b"second")
    before = points.watch(lambda name: link(api, image["id"], b"first") if name == "image.upload.begun" else None)
    try:
        assert api.request("PUT", f"/v2/images/{image['id']}/file", b"second", ctx=alice, stream=body).status == 409
    finally:
        points.watch(before)
    assert remembered(api) == []
    assert api.show(alice, image["id"])["status"] == "queued"
    assert (api.folder / "images" / image["id"]).read_bytes() == b"first"


def test_many_deletions_are_all_done_but_many_uploads_that_died_at_once_are_not(api, caplog):
    deleted = [api.make(alice) for _ in range(12)]
    for image in deleted:
        delete(api, image)
        link(api, image["id"])
    dead = [api.make(alice) for _ in range(6)]
    for image in dead:
        set_status(api, image["id"], "saving")
    for _ in range(3):
        pass_time(api, 100)
        sweep.run(api.clients)
    assert api.blobs() == sorted(image["id"] for image in dead)
    assert {api.show(alice, image["id"])["status"] for image in dead} == {"queued"}
    assert "is kept: too many uploads died at once" in caplog.text
    delete(api, dead[0])
    pass_time(api, 100)
    sweep.run(api.clients)
    assert api.blobs() == [], "five are no sign of a wrong database"


def test_a_blob_that_got_a_right_since_it_was_judged_stays(api):
    image = api.create(alice)
    delete(api, image)
    link(api, image["id"])
    pass_time(api, 100)
    with api.db.read(ADMIN) as tx:
        proof = image_blobs.judge(tx, [image["id"]], sweep.WITH_DATA, sweep.WITHOUT, 35).deleted[0]
    api.create(alice, id=image["id"])
    set_status(api, image["id"], "saving")
    assert not api.db.write(ADMIN, image_blobs.claim, proof, sweep.WITHOUT)
    set_status(api, image["id"], "queued")
    assert api.db.write(ADMIN, image_blobs.claim, proof, sweep.WITHOUT)
    assert not api.db.write(ADMIN, image_blobs.claim, proof, sweep.WITHOUT), "two sweeps do not remove it"


def test_deleted_images_are_remembered_for_a_day_and_uploads_that_died_while_their_image_is_there(api):
    deleted, broken = api.make(alice), api.create(alice)
    delete(api, deleted)
    set_status(api, broken["id"], "saving")
    sweep.run(api.clients)
    pass_time(api, 86_000)
    sweep.run(api.clients)
    assert remembered(api) == sorted([deleted["id"], broken["id"]])
    pass_time(api, 86_500)
    sweep.run(api.clients)
    assert remembered(api) == [broken["id"]]
    assert api.upload(alice, broken["id"], b"x").status == 204
    delete(api, broken)
    sweep.run(api.clients)
    assert remembered(api) == [broken["id"]]
    pass_time(api, 86_500)
    sweep.run(api.clients)
    assert remembered(api) == []


def test_an_image_whose_late_bytes_are_there_is_not_forgotten(api):
    image = api.make(alice)
    delete(api, image)
    pass_time(api, 86_500)
    link(api, image["id"])
    sweep.run(api.clients)
    assert remembered(api) == [image["id"]]
    pass_time(api, 100)
    sweep.run(api.clients)
    assert api.blobs() == []
