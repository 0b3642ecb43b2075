"""Passwords."""

from __future__ import annotations

import bcrypt
import pytest

from iaas.common import errors, runtime
from iaas.identity import passwords
from iaas.identity.passwords import Hasher, PasswordTooLong


@pytest.fixture(scope="module")
def hasher():
    return Hasher(8192, 1, workers=2, queue=4)


@pytest.mark.parametrize("password", ["", "x", "p" * 71, "p" * 72, "p" * 73, "p" * 4096, "a\x00b", "pässwörd", "🔑"])
def test_t35_a_password_is_itself_and_nothing_else(hasher, password):
    kept = hasher.hash(password)
    assert hasher.verify(kept, password)
    assert not hasher.verify(kept, password + "x" if len(password) < 4096 else password[:-1])


def test_t35_the_73rd_byte_counts(hasher):
    assert not hasher.verify(hasher.hash("p" * 72 + "a"), "p" * 72 + "b")


def test_t35_a_longer_one_is_refused_before_it_is_hashed(hasher):
    for spend in (hasher.hash, lambda text: hasher.verify(None, text), passwords.check):
        with pytest.raises(PasswordTooLong):
            spend("\u00e9" * 2049)


def test_a_hash_made_with_bcrypt_elsewhere_is_verified(hasher):
    kept = bcrypt.hashpw(b"legacy", bcrypt.gensalt(4)).decode()
    assert hasher.verify(kept, "legacy")
    assert not hasher.verify(kept, "Legacy")


def test_bcrypt_never_matches_more_than_it_reads(hasher):
    kept = bcrypt.hashpw(b"p" * 72, bcrypt.gensalt(4)).decode()
    assert hasher.verify(kept, "p" * 72)
    assert not hasher.verify(kept, "p" * 73)


def test_nobody_has_no_password(hasher):
    assert not hasher.verify(None, "")


@pytest.mark.parametrize("kept", ["", "nonsense", "$argon2id$broken", "$2b$broken"])
def test_a_hash_that_cannot_be_read_matches_nothing(hasher, kept):
    assert not hasher.verify(kept, "x")


def test_t35_more_callers_than_may_wait_are_told_to_come_back(monkeypatch):
    hasher = Hasher(8192, 1, workers=1, queue=0)
    started, finish = runtime.event(), runtime.event()

    def slow(fn, *args):
        started.set()
        assert finish.wait(10)
        return fn(*args)

    monkeypatch.setattr(passwords.runtime, "native", slow)
    task = runtime.spawn(hasher.hash, "one")
    assert started.wait(10)
    with pytest.raises(errors.Unavailable):
        hasher.hash("two")
    finish.set()
    assert task.wait().startswith("$argon2id$v=19$m=8192,t=1,p=1$")
    assert hasher.hash("three")
