"""Passwords: argon2id in a bounded pool of native threads.

Hashes made elsewhere with bcrypt are verified too.  bcrypt reads 72 bytes; a longer password never matches one,
so that two secrets that are equal in their first 72 bytes are two secrets here.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import TypeVar

import argon2
import bcrypt
from argon2 import exceptions

from iaas.common import errors, runtime

T = TypeVar("T")
MAX_BYTES = 4096
_BCRYPT = ("$2b$", "$2a$", "$2y$")
_BCRYPT_BYTES = 72


class PasswordTooLong(errors.IaasError):
    kind = errors.Kind.INVALID
    template = "A password is at most 4096 bytes long."


class Hasher:
    """Hashes and verifies, ``workers`` at a time; at most ``queue`` callers wait for their turn.

    :param memory_kib: KiB one hash takes
    :param passes: how often it goes over them
    """

    def __init__(self, memory_kib: int, passes: int, workers: int, queue: int) -> None:
        self._argon2 = argon2.PasswordHasher(time_cost=passes, memory_cost=memory_kib, parallelism=1)
        self._turn = runtime.semaphore(workers)
        self._room = runtime.semaphore(workers + queue)
        # the hash of no password, as expensive to verify as any
        salt, digest = (base64.b64encode(runtime.secret_bytes(count)).decode().rstrip("=") for count in (16, 32))
        self._nobody = f"$argon2id$v=19$m={memory_kib},t={passes},p=1${salt}${digest}"

    def hash(self, password: str) -> str:
        """Return the text to keep.

        :raises PasswordTooLong: over 4096 bytes.
        :raises Unavailable: too many wait already.
        """
        raw = _raw(password)
        return self._run(self._argon2.hash, raw)

    def verify(self, kept: str | None, password: str) -> bool:
        """Return whether ``password`` is the one ``kept`` was made of; None takes as long and is never right.

        :raises PasswordTooLong: over 4096 bytes.
        :raises Unavailable: too many wait already.
        """
        raw = _raw(password)
        return self._run(self._verify, kept or self._nobody, raw) and kept is not None

    def _run(self, fn: Callable[..., T], *args: object) -> T:
        if not self._room.acquire(blocking=False):
            raise errors.Unavailable(reason="Too many log-ins at the same time; try again.")
        try:
            with self._turn:
                return runtime.native(fn, *args)
        finally:
            self._room.release()

    def _verify(self, kept: str, raw: bytes) -> bool:
        try:
            if kept.startswith(_BCRYPT):
                return len(raw) <= _BCRYPT_BYTES and b"\x00" not in raw and bcrypt.checkpw(raw, kept.encode())
            return self._argon2.verify(kept, raw)
        except (exceptions.VerificationError, exceptions.InvalidHashError, ValueError):
            return False  # the wrong password, or a hash that nothing can match


def check(password: str) -> None:
    """:raises PasswordTooLong: over 4096 bytes, before anything is spent on it."""
    _raw(password)


def _raw(password: str) -> bytes:
    raw = password.encode()
    if len(raw) > MAX_BYTES:
        raise PasswordTooLong()
    return raw
