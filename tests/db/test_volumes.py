"""Queries on volumes and types on a real database: SQLite always, the others where they can be started."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from iaas.common import errors, runtime
from iaas.common.context import admin
from iaas.db import codec, ends, paging, quotas, volumes
from iaas.db.models.controller import CONTROLLER
from iaas.db.models.volumes import volumes as table
from iaas.db.tx import Database
from tests.fixtures import compute

pytest_plugins = ["tests.fixtures.servers"]
ADMIN = admin()
MINE = compute.context(compute.USER, compute.PROJECT, "member")
THEIRS = compute.context(compute.OTHER_USER, compute.OTHER_PROJECT, "member")


@pytest.fixture(
    params=[
        "sqlite",
        pytest.param("mariadb", marks=pytest.mark.servers),
        pytest.param("postgresql", marks=pytest.mark.servers),
    ]
)
def db(request):
    if request.param == "sqlite":
        made = Database("sqlite://")
        CONTROLLER.create_all(made.engine)
        yield made
        made.close()
        return
    url = sa.make_url(request.getfixturevalue(f"{request.param}_url"))
    name = "volumes_" + runtime.uuid().replace("-", "")
    with sa.create_engine(url, isolation_level="AUTOCOMMIT").connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    made = Database(url.set(database=name).render_as_string(hide_password=False))
    CONTROLLER.create_all(made.engine)
    yield made
    made.close()


def row(**words):
    fields = {
        "id": runtime.uuid(),
        "project_id": compute.PROJECT,
        "user_id": compute.USER,
        "name": "v",
        "size_gb": 1,
        "status": "available",
        "zone": "nova",
        "metadata": "{}",
        "created_at": 1.0,
        "updated_at": 1.0,
    }
    return {**fields, **words}


def add(db, **words):
    fields = row(**words)
    db.write(ADMIN, lambda tx: volumes.add(tx, **fields))
    return fields["id"]


def test_a_volume_is_seen_by_its_project_and_by_admins(db):
    volume_id = add(db)
    for ctx in (MINE, ADMIN):
        with db.read(ctx) as tx:
            assert volumes.get(tx, volume_id).id == volume_id
    with db.read(THEIRS) as tx:
        assert volumes.find(tx, volume_id) is None
        with pytest.raises(volumes.VolumeNotFound):
            volumes.get(tx, volume_id)
        assert volumes.page(tx, [], [("created_at", "desc")], 10, None) == []
        with pytest.raises(paging.MarkerNotFound):
            volumes.page(tx, [], [("created_at", "desc")], 10, volume_id)


def test_pages_meet_without_a_gap_also_where_keys_are_equal_or_null(db):
    ids = {add(db, name=name, created_at=float(at)) for at in (1, 1, 2) for name in (None, "a", "a")}
    for sort in ([("created_at", "desc")], [("name", "asc"), ("created_at", "desc")], [("name", "desc")]):
        found, marker = [], None
        with db.read(MINE) as tx:
            while page := volumes.page(tx, [], sort, 2, marker):
                found += [volume.id for volume in page]
                marker = page[-1].id
        assert len(found) == len(ids)
        assert set(found) == ids


def test_a_metadata_pair_is_found_exactly(db):
    texts = ["b", "B", '"', "\\", "%", "_", "ä", "\U0001f600", 'a":"b']
    made = {text: add(db, metadata=codec.dump({"x": "y", "k": text})) for text in texts}
    with db.read(MINE) as tx:
        for text, volume_id in made.items():
            found = volumes.page(tx, [volumes.has_item(tx, "k", text)], [("id", "asc")], 100, None)
            assert [volume.id for volume in found] == [volume_id], text


def test_metadata_another_request_changed_are_not_overwritten(db):
    volume_id = add(db)
    with db.read(MINE) as tx:
        seen = volumes.get(tx, volume_id)
    db.write(MINE, volumes.replace_metadata, seen, {"a": "1"}, 2.0)
    with pytest.raises(errors.StateConflict):
        db.write(MINE, volumes.replace_metadata, seen, {"b": "2"}, 3.0)
    with db.read(MINE) as tx:
        assert codec.load(volumes.get(tx, volume_id).metadata) == {"a": "1"}


def test_writing_the_same_metadata_again_is_no_conflict(db):
    volume_id = add(db)
    with db.read(MINE) as tx:
        seen = volumes.get(tx, volume_id)
    db.write(MINE, volumes.replace_metadata, seen, {}, seen.updated_at)


def test_the_state_is_not_written_around_its_table(db):
    volume_id = add(db)
    with pytest.raises(ValueError, match=r"transitions\.move"):
        db.write(MINE, volumes.update, volume_id, status="error")


def test_the_end_of_a_volume_gives_its_quota_back_once(db):
    volume_id = add(db, size_gb=5)
    defaults = compute.settings().quota
    db.write(MINE, quotas.take, compute.PROJECT, {"volumes": 2, "gigabytes": 7}, defaults)
    for _ in range(2):
        db.write(ADMIN, ends.forget_volume, volume_id)
    with db.read(ADMIN) as tx:
        assert {row.resource: row.used for row in quotas.of_project(tx, compute.PROJECT)} == {
            "volumes": 1,
            "gigabytes": 2,
        }
        assert tx.all(sa.select(table)) == []


def test_the_default_type_is_made_once_and_adopts_one_of_its_name(db):
    first = db.write(MINE, volumes.default_type, "__DEFAULT__")
    again = db.write(THEIRS, volumes.default_type, "other")
    assert first.id == again.id
    assert first.is_default


def test_a_type_of_the_default_name_becomes_the_default_one(db):
    fields = {"description": None, "is_public": True, "is_default": False, "extra_specs": "{}", "created_at": 1.0}
    db.write(ADMIN, lambda tx: volumes.add_type(tx, id=runtime.uuid(), name="__DEFAULT__", **fields))
    assert db.write(MINE, volumes.default_type, "__DEFAULT__").is_default
    with pytest.raises(volumes.VolumeTypeExists):
        db.write(ADMIN, lambda tx: volumes.add_type(tx, id=runtime.uuid(), name="__DEFAULT__", **fields))


def test_a_type_is_removed_only_when_no_volume_has_it(db):
    fields = {"description": None, "is_public": False, "is_default": False, "extra_specs": "{}", "created_at": 1.0}
    type_id = runtime.uuid()
    db.write(ADMIN, lambda tx: volumes.add_type(tx, id=type_id, name="fast", **fields))
    volume_id = add(db, type_id=type_id, type_name="fast")
    with db.read(ADMIN) as tx:
        kind = volumes.get_type(tx, "fast")
    with db.read(MINE) as tx, pytest.raises(volumes.VolumeTypeNotFound):
        volumes.get_type(tx, type_id)
    with pytest.raises(volumes.VolumeTypeInUse):
        db.write(ADMIN, volumes.remove_type, kind)
    db.write(ADMIN, volumes.remove, volume_id)
    db.write(ADMIN, volumes.remove_type, kind)
    with db.read(ADMIN) as tx, pytest.raises(volumes.VolumeTypeNotFound):
        volumes.get_type(tx, "fast")
