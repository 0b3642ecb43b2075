"""The image tables on real databases: visibility, guards, what is counted."""

from __future__ import annotations

import pytest

from iaas.common import context, errors, runtime
from iaas.db import image_blobs, image_members, images, transitions
from iaas.db.models.base import IMAGE
from iaas.db.models.images import images as table
from iaas.db.tx import Database
from iaas.image import states

CTX = context.admin()
ALICE = context.RequestContext("req-1", project_id="alice")
BOB = context.RequestContext("req-2", project_id="bob")
NO_LIMIT = {"max_count": -1, "max_size": -1}


@pytest.fixture(
    params=[
        "sqlite",
        pytest.param("mariadb_url", marks=pytest.mark.servers),
        pytest.param("postgresql_url", marks=pytest.mark.servers),
    ]
)
def db(request, tmp_path):
    file = f"sqlite:///{tmp_path / 'image.sqlite'}"
    made = Database(file if request.param == "sqlite" else request.getfixturevalue(request.param))
    IMAGE.create_all(made.engine)
    yield made
    IMAGE.drop_all(made.engine)
    made.close()


def add(db, owner="alice", visibility="shared", *, properties=(), tags=(), **values) -> str:
    image_id, now = values.pop("id", runtime.uuid()), runtime.time()
    row = {"id": image_id, "owner": owner, "visibility": visibility, "status": "queued", "created_at": now, **values}
    db.write(CTX, images.add, properties=dict(properties), tags=tags, updated_at=now, **row)
    return image_id


def listed(db, ctx, **wanted) -> list[str]:
    with db.read(ctx) as tx:
        return [image.name for image in images.page(tx, images.Listing(limit=10, sort=(("name", "asc"),), **wanted))]


def begin(db, image_id) -> str:
    """Begin an upload and return its id."""
    upload_id = runtime.uuid()

    def start(tx):
        row = images.get_to_change(tx, image_id, "upload")
        changes = {"upload_id": upload_id, "upload_at": image_blobs.db_now()}
        transitions.move(tx, states.IMAGE, table, row, "upload", **changes)

    db.write(CTX, start)
    return upload_id


def test_an_image_comes_back_with_its_properties_and_tags(db):
    image_id = add(db, name="Ünïcode ☃", properties={"k": "v" * 65_535, "K": "other"}, tags=["b", "a", "A"])
    with db.read(ALICE) as tx:
        image = images.get(tx, image_id)
    assert (image.name, image.properties["K"], len(image.properties["k"])) == ("Ünïcode ☃", "other", 65_535)
    assert image.tags == ["A", "a", "b"]


def test_details_are_replaced_and_go_with_the_image(db):
    image_id = add(db, properties={"a": "1", "b": "2"}, tags=["x", "y"])
    db.write(CTX, images.replace_properties, image_id, {"a": "1", "b": "2"}, {"b": "3", "c": "4"})
    db.write(CTX, images.replace_tags, image_id, ["x", "y"], ["y", "z"])
    with db.read(ALICE) as tx:
        image = images.get(tx, image_id)
    assert (image.properties, image.tags) == ({"b": "3", "c": "4"}, ["y", "z"])
    db.write(CTX, images.remove, image_id)
    add(db, id=image_id)
    with db.read(ALICE) as tx:
        assert (images.get(tx, image_id).properties, images.get(tx, image_id).tags) == ({}, [])


def test_lists_hold_what_a_project_may_see(db):
    for visibility in ("private", "shared", "community", "public"):
        add(db, "alice", visibility, name=visibility)
    assert listed(db, ALICE) == ["community", "private", "public", "shared"]
    assert listed(db, BOB) == ["public"]
    assert listed(db, BOB, visibility="all") == ["community", "public"]
    assert listed(db, context.RequestContext("req-3")) == ["public"]
    assert len(listed(db, CTX)) == 4


def test_an_offer_counts_for_lists_once_accepted(db):
    image_id = add(db, name="it")
    db.write(CTX, image_members.add, image_id, "bob")
    assert listed(db, BOB) == []
    assert listed(db, BOB, member_status="pending") == ["it"]
    db.write(CTX, image_members.set_status, image_id, "bob", "accepted")
    assert listed(db, BOB) == ["it"]
    with pytest.raises(errors.Conflict):
        db.write(CTX, image_members.add, image_id, "bob")


def test_conditions_find_properties_and_tags(db):
    add(db, name="a", properties={"os": "debian"}, tags=["t"])
    add(db, name="b", properties={"os": "Debian"}, tags=["T"])
    assert listed(db, ALICE, conditions=[images.has_property("os", "debian")]) == ["a"]
    assert listed(db, ALICE, conditions=[images.has_tag("T")]) == ["b"]
    assert listed(db, ALICE, conditions=[images.negated(images.column_is("name", ["a"]))]) == ["b"]


def test_pages_pass_over_nulls(db):
    for name, size in (("a", None), ("b", 1), ("c", None), ("d", 2)):
        add(db, name=name, size=size)
    for direction in ("asc", "desc"):
        found, marker = [], None
        for _ in range(4):
            with db.read(ALICE) as tx:
                row = images.page(tx, images.Listing(limit=1, marker=marker, sort=(("size", direction),)))[0]
            found.append(row.size)
            marker = row.id
        assert found == ([None, None, 1, 2] if direction == "asc" else [2, 1, None, None])


def test_an_id_is_not_used_again_before_its_blob_is_gone(db):
    image_id = add(db)
    db.write(CTX, image_blobs.bury, image_id, "file:" + image_id)
    db.write(CTX, images.remove, image_id)
    with pytest.raises(images.ImageExists):
        add(db, id=image_id)
    with db.read(CTX) as tx:
        assert [row.location for row in image_blobs.buried(tx)] == ["file:" + image_id]
    db.write(CTX, image_blobs.removed, image_id)
    with db.read(CTX) as tx:
        assert image_blobs.buried(tx) == []
    assert add(db, id=image_id) == image_id
    with pytest.raises(images.ImageExists):
        add(db, id=image_id)


def test_only_the_upload_that_owns_the_row_may_finish(db):
    image_id = add(db)
    first = begin(db, image_id)
    with pytest.raises(errors.InvalidTransition):
        begin(db, image_id)
    assert db.write(CTX, image_blobs.beat, image_id, first)
    with db.read(CTX) as tx:
        assert image_blobs.silent_uploads(tx, "saving", 60) == []
        row = image_blobs.silent_uploads(tx, "saving", -1)[0]
    second = runtime.uuid()
    assert db.write(CTX, image_blobs.take_over, row, second)
    assert not db.write(CTX, image_blobs.take_over, row, runtime.uuid())
    assert not db.write(CTX, image_blobs.beat, image_id, first)
    with db.read(CTX) as tx:
        assert images.uploading(tx, image_id, first) is None
        assert images.uploading(tx, image_id, second) is not None


def test_an_upload_that_gave_a_sign_of_life_is_not_taken_over(db):
    image_id = add(db)
    upload_id = begin(db, image_id)
    with db.read(CTX) as tx:
        row = image_blobs.silent_uploads(tx, "saving", -1)[0]
    db.write(CTX, image_blobs.beat, image_id, upload_id)
    assert not db.write(CTX, image_blobs.take_over, row, runtime.uuid())


def test_blobs_are_judged_by_their_images_and_by_what_was_given_up(db):
    queued, active, given_up, dead, odd, deleted, buried, gone = (runtime.uuid() for _ in range(8))
    add(db, id=odd, status="odd")
    for image_id, status in ((queued, "queued"), (active, "active"), (given_up, "queued"), (dead, "killed")):
        add(db, id=image_id, status=status)
    for image_id in (given_up, active, deleted, odd):
        db.write(CTX, image_blobs.give_up, image_id, "file:" + image_id)
    db.write(CTX, image_blobs.bury, buried, "file:" + buried)
    every = [queued, active, given_up, dead, odd, deleted, buried, gone]

    def judged(rest):
        with db.read(CTX) as tx:
            return image_blobs.judge(tx, every, ["saving", "active"], ["queued", "killed"], rest)

    assert judged(60).deleted == judged(60).given_up == [], "they were noted a moment ago"
    found = judged(-1)
    assert [row.image_id for row in found.deleted] == [deleted]
    assert [row.image_id for row in found.given_up] == [given_up]
    assert found.unproven == {queued: "queued", dead: "killed", odd: "odd", gone: None}


def test_of_two_that_want_to_remove_a_blob_one_may(db):
    image_id = add(db)
    db.write(CTX, image_blobs.give_up, image_id, "file:" + image_id)
    with db.read(CTX) as tx:
        proof = image_blobs.judge(tx, [image_id], ["active"], ["queued"], -1).given_up[0]
    assert not db.write(CTX, image_blobs.claim, proof, ["killed"])
    assert db.write(CTX, image_blobs.claim, proof, ["queued"])
    assert not db.write(CTX, image_blobs.claim, proof, ["queued"])


def test_an_image_deleted_after_an_upload_of_it_was_given_up_is_buried(db):
    image_id = add(db)
    db.write(CTX, image_blobs.give_up, image_id, "file:" + image_id)
    db.write(CTX, image_blobs.bury, image_id, "file:" + image_id)
    with db.read(CTX) as tx:
        assert [row.image_id for row in image_blobs.buried(tx)] == [image_id]


def test_only_what_cannot_come_back_is_forgotten(db):
    waiting, first, second, buried = add(db), *(runtime.uuid() for _ in range(3))
    for image_id in (waiting, first, second):
        db.write(CTX, image_blobs.give_up, image_id, "file:" + image_id)
    db.write(CTX, image_blobs.bury, buried, "file:" + buried)
    with db.read(CTX) as tx:
        assert image_blobs.forgettable(tx, 60) == []
        assert sorted(image_blobs.forgettable(tx, -1)) == sorted([first, second])
    db.write(CTX, image_blobs.forget, [first], 60)
    db.write(CTX, image_blobs.forget, [second, buried], -1)
    with db.read(CTX) as tx:
        assert image_blobs.forgettable(tx, -1) == [first]
        assert [row.image_id for row in image_blobs.buried(tx)] == [buried]


def test_what_a_project_stores_has_limits_that_hold(db):
    take = image_blobs.take
    db.write(CTX, take, "alice", count=1, size=90, max_count=2, max_size=100)
    with pytest.raises(image_blobs.ImageQuotaExceeded, match="90 of at most 100 bytes"):
        db.write(CTX, take, "alice", size=11, max_count=2, max_size=100)
    db.write(CTX, take, "alice", size=10, max_count=2, max_size=100)
    db.write(CTX, take, "alice", count=1, max_count=2, max_size=100)
    with pytest.raises(image_blobs.ImageQuotaExceeded, match="2 of at most 2 images"):
        db.write(CTX, take, "alice", count=1, max_count=2, max_size=100)
    db.write(CTX, take, "bob", count=1, size=1, max_count=2, max_size=100)
    db.write(CTX, image_blobs.give_back, "alice", count=1, size=100)
    with db.read(CTX) as tx:
        assert image_blobs.stored(tx, "alice") == (1, 0)
        assert image_blobs.stored(tx, "nobody") == (0, 0)
    db.write(CTX, take, None, count=5, size=1 << 50, **NO_LIMIT)


def test_a_state_is_not_changed_beside_the_state_table(db):
    image_id = add(db)
    with pytest.raises(ValueError, match="transitions"):
        db.write(CTX, images.update, image_id, status="active")
