"""Rings of keys."""

from __future__ import annotations

import os

import pytest
from cryptography.fernet import InvalidToken

from iaas.common import runtime
from iaas.identity import keys
from iaas.identity.keys import KeyRing


@pytest.fixture
def ring(tmp_path, monkeypatch):
    monkeypatch.setattr(keys, "LOOK_EVERY", 0.0)
    keys.create(tmp_path / "ring")
    return KeyRing(tmp_path / "ring")


def names(ring):
    return sorted(int(path.name) for path in ring.folder.iterdir())


def rotate(ring, max_keys=4):
    keys.rotate(ring.folder, max_keys)
    # two changes of the folder may fall into one tick of the file system's clock
    moment = int(runtime.time() * 1e9) + names(ring)[-1] * 1_000_000_000
    os.utime(ring.folder, ns=(moment, moment))


def test_a_new_ring_has_a_staged_and_a_primary_key_that_only_its_owner_reads(ring):
    assert names(ring) == [0, 1]
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in ring.folder.iterdir())
    assert ring.folder.stat().st_mode & 0o777 == 0o700


def test_what_was_encrypted_is_read_until_its_key_is_dropped(ring):
    sealed = ring.fernet().encrypt(b"x")
    for _ in range(2):
        rotate(ring)
        assert ring.fernet().decrypt(sealed) == b"x"
    rotate(ring)
    assert names(ring) == [0, 2, 3, 4]
    with pytest.raises(InvalidToken):
        ring.fernet().decrypt(sealed)


def test_the_staged_key_becomes_the_primary_one(ring):
    staged = (ring.folder / "0").read_bytes()
    rotate(ring)
    assert (ring.folder / "2").read_bytes() == staged
    assert (ring.folder / "0").read_bytes() != staged


def test_a_process_reads_what_another_that_rotated_before_it_makes(ring):
    ring.fernet()
    other = KeyRing(ring.folder)
    rotate(ring)
    sealed = other.fernet().encrypt(b"x")
    assert ring.fernet().decrypt(sealed) == b"x"
    assert ring.generation == 2


def test_making_a_ring_again_keeps_its_keys(ring):
    before = {path.name: path.read_bytes() for path in ring.folder.iterdir()}
    keys.create(ring.folder)
    assert {path.name: path.read_bytes() for path in ring.folder.iterdir()} == before


def test_t62_a_key_that_others_may_read_is_refused(ring):
    (ring.folder / "1").chmod(0o644)
    with pytest.raises(keys.NoKeys):
        ring.fernet()


def test_no_folder_is_no_ring(tmp_path):
    with pytest.raises(keys.NoKeys):
        KeyRing(tmp_path / "absent").fernet()
