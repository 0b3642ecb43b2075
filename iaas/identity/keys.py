"""Rings of Fernet keys in a folder: one file a key, named by a number.

0 is *staged*: every process already accepts what it made before any process makes anything with it.  The highest
number is *primary*: it encrypts.  The others still decrypt.  A rotation renames 0 to the next number, writes a new
0 and drops the oldest, each by an atomic rename; the folder's modification time tells the other processes.
"""

from __future__ import annotations

import base64
import contextlib
import os
from pathlib import Path

from cryptography.fernet import Fernet, MultiFernet

from iaas.common import errors, runtime

STAGED = 0
#: seconds between looks at the folder
LOOK_EVERY = 1.0


class NoKeys(errors.IaasError):
    """There is no usable key ring; ``iaas-manage`` makes one."""

    kind = errors.Kind.UNAVAILABLE
    template = "There are no keys in {folder}."
    retry_after = 30


class KeyRing:
    """The keys of one folder, read again when the folder changes.

    :ivar generation: grows whenever other keys are in force
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.generation = 0
        self._fernet: MultiFernet | None = None
        self._seen = -1
        self._next_look = 0.0

    def fernet(self) -> MultiFernet:
        """Return the keys in force.

        :raises NoKeys: the folder has none, or one that others may read.
        """
        now = runtime.monotonic()
        if self._fernet is None or now >= self._next_look:
            self._next_look = now + LOOK_EVERY
            self._look()
        if self._fernet is None:
            raise NoKeys(folder=self.folder)
        return self._fernet

    def reload(self) -> None:
        """Read the folder now, whatever its time says."""
        self._seen = -1
        self._look()

    def _look(self) -> None:
        try:
            modified = self.folder.stat().st_mtime_ns
        except FileNotFoundError:
            self._fernet = None
            return
        if modified == self._seen and self._fernet is not None:
            return
        keys = _read(self.folder)
        numbers = sorted(keys, reverse=True)  # primary first, staged last
        self._fernet = MultiFernet([Fernet(keys[number]) for number in numbers]) if numbers else None
        self._seen = modified
        self.generation += 1


def _read(folder: Path) -> dict[int, bytes]:
    for _ in range(10):
        try:
            return {int(path.name): _key(path) for path in folder.iterdir() if path.name.isdigit()}
        except FileNotFoundError:
            continue  # a rotation renamed one between the listing and the reading
    raise NoKeys(folder=folder)


def _key(path: Path) -> bytes:
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        if os.fstat(fd).st_mode & 0o077:
            raise NoKeys(folder=f"{path.parent}: {path.name} may be read by others (make it mode 0600)")
        return os.read(fd, 1024).strip()
    finally:
        os.close(fd)


def create(folder: str | Path) -> None:
    """Make a ring of one staged and one primary key, unless there is one."""
    folder = Path(folder)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not any(path.name.isdigit() and path.name != str(STAGED) for path in folder.iterdir()):
        _write(folder, 1)
    if not (folder / str(STAGED)).exists():
        _write(folder, STAGED)


def rotate(folder: str | Path, max_keys: int) -> None:
    """Make the staged key the primary one, stage a new one, and keep the newest ``max_keys``.

    A ring must hold as many keys as rotations happen in the life of what it encrypts, and two more.
    """
    folder = Path(folder)
    create(folder)
    numbers = sorted(int(path.name) for path in folder.iterdir() if path.name.isdigit())
    (folder / str(STAGED)).rename(folder / str(numbers[-1] + 1))
    _write(folder, STAGED)
    kept = sorted(int(path.name) for path in folder.iterdir() if path.name.isdigit() and path.name != str(STAGED))
    for number in kept[: max(0, len(kept) - (max_keys - 1))]:
        (folder / str(number)).unlink(missing_ok=True)
    _sync(folder)


def _write(folder: Path, number: int) -> None:
    """A new key, whole or not at all."""
    key = base64.urlsafe_b64encode(runtime.secret_bytes(32))
    temporary = folder / f".{number}.{runtime.uuid()}"
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        os.write(fd, key)
        os.fsync(fd)
    finally:
        os.close(fd)
    try:
        temporary.rename(folder / str(number))
    except OSError:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()
        raise
    _sync(folder)


def _sync(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
