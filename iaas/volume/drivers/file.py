"""Volumes as sparse raw files in one folder, named by the volume's id.

A volume grows in ``<id>.<random>.part`` and gets its name by a rename, so that a file with a volume's name has a
volume's size.  Nothing is overcommitted: what every volume may still grow to counts as taken.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from iaas.common import errors, runtime
from iaas.common.units import GIB
from iaas.volume import driver

SUFFIX, PART, LOCK = ".raw", ".part", ".lock"
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class FileDriver(driver.VolumeDriver):
    """A folder of its own, mode 0700, held by one process at a time.

    :param statvfs: tells how full the file system is; tests give one of their own
    """

    deadlines = {"create": 60.0, "delete": 300.0}

    def __init__(self, folder: Path, statvfs: Callable[[int], Any] = os.fstatvfs) -> None:
        self._path = folder
        self._statvfs = statvfs
        self._folder = -1
        self._held = -1
        self._lock = runtime.native_lock()  # one creation at a time: each counts what the others promised

    def start_host(self) -> None:
        """Open the folder, which is made if it is missing, and remove what a killed creation left."""
        try:
            self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._folder = os.open(self._path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            os.fchmod(self._folder, 0o700)
            self._held = os.open(
                LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=self._folder
            )
            fcntl.flock(self._held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.stop_host()
            raise driver.VolumeError(reason=f"Another volume worker uses {self._path}; stop it first.") from None
        except OSError as error:
            self.stop_host()
            raise driver.VolumeError(reason=f"Volumes cannot be kept in {self._path}: {error.strerror}.") from error
        for name in os.listdir(self._folder):
            if name.endswith(PART):
                os.unlink(name, dir_fd=self._folder)

    def stop_host(self) -> None:
        for fd in (self._held, self._folder):
            if fd >= 0:
                os.close(fd)
        self._held = self._folder = -1

    def pool_facts(self) -> driver.PoolFacts:
        facts = self._statvfs(self._opened())
        free = max(0, self._room())
        return driver.PoolFacts(facts.f_blocks * facts.f_frsize // GIB, free // GIB, "file")

    def create(self, volume_id: str, size_gb: int) -> None:
        name = driver.checked(volume_id) + SUFFIX
        size = size_gb * GIB
        with self._lock, _translated():
            found = self._size(name)
            if found == size:
                return
            if found is not None:
                raise driver.VolumeError(
                    reason=f"A volume {volume_id} of {found // GIB} GiB exists; it cannot be made with {size_gb} GiB."
                )
            if self._room() < size:
                raise errors.NoSpace(reason=f"The volume service has no room for {size_gb} GiB.")
            self._make(name, size)

    def delete(self, volume_id: str) -> None:
        name = driver.checked(volume_id) + SUFFIX
        with _translated(), contextlib.suppress(FileNotFoundError):
            os.unlink(name, dir_fd=self._opened())
            os.fsync(self._opened())

    def volumes(self) -> dict[str, int]:
        return {name.removesuffix(SUFFIX): facts.st_size // GIB for name, facts in self._files()}

    def path(self, volume_id: str) -> Path:
        """Return where the volume's bytes are."""
        return self._path / (driver.checked(volume_id) + SUFFIX)

    # -- the folder --------------------------------------------------------------------------------------

    def _opened(self) -> int:
        if self._folder < 0:
            raise driver.VolumeError(reason="The volume folder is not open; start_host comes first.")
        return self._folder

    def _make(self, name: str, size: int) -> None:
        part = f"{name}.{runtime.secret_bytes(8).hex()}{PART}"
        fd = os.open(part, _CREATE, 0o600, dir_fd=self._opened())
        try:
            os.ftruncate(fd, size)
            os.fsync(fd)
            os.rename(part, name, src_dir_fd=self._folder, dst_dir_fd=self._folder)
            os.fsync(self._folder)
        except OSError:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(part, dir_fd=self._folder)
            raise
        finally:
            os.close(fd)

    def _size(self, name: str) -> int | None:
        try:
            return os.stat(name, dir_fd=self._opened(), follow_symlinks=False).st_size
        except FileNotFoundError:
            return None

    def _room(self) -> int:
        """Return the bytes that are free and promised to no volume."""
        facts = self._statvfs(self._opened())
        owed = sum(max(0, stat.st_size - stat.st_blocks * 512) for _, stat in self._files())
        return facts.f_bavail * facts.f_frsize - owed

    def _files(self) -> Iterator[tuple[str, os.stat_result]]:
        with os.scandir(self._opened()) as entries:
            for entry in entries:
                named = entry.name.endswith(SUFFIX) and driver.is_id(entry.name.removesuffix(SUFFIX))
                with contextlib.suppress(FileNotFoundError):  # deleted since
                    if named and entry.is_file(follow_symlinks=False):
                        yield entry.name, entry.stat(follow_symlinks=False)


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise errors.NoSpace(reason="The volume service's file system is full.") from error
        raise driver.VolumeError(reason=f"The volume service's folder failed: {error.strerror}.") from error
