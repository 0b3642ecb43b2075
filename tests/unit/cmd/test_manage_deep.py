"""`iaas-manage doctor --deep`: the bytes of images are read and compared with their hashes."""

from __future__ import annotations

import hashlib
import json

import pytest
import sqlalchemy as sa

from iaas.cmd.manage import blobs
from iaas.common import context
from iaas.db.models.images import images
from tests.fixtures.doctor import IMAGE_ID, Rows, sound
from tests.fixtures.manage import Manage

pytest_plugins = ["tests.fixtures.manage"]
DATA = b"1234567"


@pytest.fixture
def store(manage: Manage):
    """A folder with the bytes of the one image of a sound cloud."""
    rows = Rows(manage.database(), manage.database("image"))
    sound(rows)
    hashed = {"os_hash_algo": "sha512", "os_hash_value": hashlib.sha512(DATA).hexdigest()}
    rows.image_db.write(context.admin(), lambda tx: tx.execute(sa.update(images).values(**hashed)))
    folder = manage.folder / "images"
    folder.mkdir(mode=0o700)
    (folder / IMAGE_ID).write_bytes(DATA)
    return folder


def ask(manage: Manage, store, *words: str):
    """Return what the doctor says of I11."""
    words = ("--set", f"image.store_dir={store}", "doctor", "--patience", "0.01", "--only", "I11", "--json", *words)
    done = manage.run(*words)
    return json.loads(done.stdout), done


def test_bytes_that_were_changed_in_their_place_are_found_by_reading_them_only(manage: Manage, store) -> None:
    (store / IMAGE_ID).write_bytes(b"12E4567")
    said, _ = ask(manage, store)
    assert said["findings"] == []
    assert "--deep" in next(row["why"] for row in said["unchecked"] if row["invariant"] == "I11")
    said, done = ask(manage, store, "--deep")
    (found,) = said["findings"]
    assert found["subject"] == f"image {IMAGE_ID}"
    assert found["what"].startswith("Its bytes are not those that were uploaded")
    assert done.exit_code == 1
    assert "Reading 1 image" in done.stderr


def test_bytes_that_are_what_they_were_are_sound(manage: Manage, store) -> None:
    said, _ = ask(manage, store, "--deep")
    assert said["findings"] == []
    assert [row for row in said["unchecked"] if row["invariant"] == "I11"] == []


def test_images_found_sound_are_not_read_again_when_it_looks_again(manage: Manage, store, monkeypatch) -> None:
    read = []
    digest = blobs._digest
    monkeypatch.setattr(blobs, "_digest", lambda store, id_, tell: read.append(id_) or digest(store, id_, tell))
    (store / "00000000-0000-4000-8000-000000000099").write_bytes(b"of nobody")
    _, done = ask(manage, store, "--deep", "--grace", "0")
    assert read == [IMAGE_ID]
    assert done.stderr.count("Reading") == 1


def test_a_store_that_is_elsewhere_is_not_read(manage: Manage, store) -> None:
    said, _ = ask(manage, store / "nowhere", "--deep")
    assert said["findings"] == []
    assert any("--deep reads them where the store is" in row["why"] for row in said["unchecked"])


def test_bytes_that_are_gone_or_cannot_be_read_have_no_hash(manage: Manage, store, monkeypatch) -> None:
    with manage.database("image").read(context.admin()) as tx:
        rows = tx.all(sa.select(images))
    told: list[int] = []
    assert blobs.digests(store, rows, told.append) == {IMAGE_ID: hashlib.sha512(DATA).hexdigest()}
    assert sum(told) == len(DATA)

    def broken(*_):
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(blobs, "_digest", broken)
        assert blobs.digests(store, rows, told.append) == {IMAGE_ID: None}
    (store / IMAGE_ID).unlink()
    assert blobs.digests(store, rows, told.append) == {}
