"""The file store: every blob is a file in one folder, named by the image's id.

An upload grows in ``<id>.<random>.part`` and gets its name by a hard link, which unlike a rename never
replaces a blob.  The writer holds a lock on the part for as long as it lives, so that a sweep can tell an
upload that died from one that is slow.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import io
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from iaas.common import errors, runtime, units
from iaas.image.stores import base, writeback

PART = ".part"
# One write takes one block for the page cache.  A virtual machine may hand free blocks of 128 KiB and more back to
# its host and pays for each it takes again: larger writes cost up to five times as much (docs/performance.md).
_PIECE = 64 * units.KIB
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class FileStore(base.Store):
    """A folder of its own, mode 0700; other users of the host see neither names nor bytes."""

    scheme = "file"

    def __init__(self, root: Path) -> None:
        """Open the store in ``root``, which is made if it is missing.

        :raises StoreUnusable: ``root`` is a symbolic link, not a folder, or another user's.
        """
        self._folder: int = runtime.native(_open_folder, root)

    def close(self) -> None:
        os.close(self._folder)

    def writer(self, image_id: str) -> FileWriter:
        return FileWriter(self._folder, base.checked(image_id), self.location(image_id))

    def read(
        self, location: str, offset: int = 0, length: int | None = None, chunk_size: int = base.CHUNK
    ) -> FileReader:
        image_id = self.image_id(location)
        if offset < 0 or chunk_size < 1 or (length is not None and length < 0):
            raise errors.Invalid(reason="A range of bytes cannot be negative.")
        file = runtime.native(_open_blob, self._folder, image_id, offset)
        return FileReader(file, length, chunk_size)

    def size(self, location: str) -> int:
        return runtime.native(_size, self._folder, self.image_id(location))

    def delete(self, location: str) -> None:
        runtime.native(_unlink, self._folder, self.image_id(location))

    def blobs(self) -> Iterator[tuple[str, float]]:
        now = runtime.time()
        for name, changed in runtime.native(_entries, self._folder):
            with contextlib.suppress(errors.Invalid):  # parts, and what is not ours
                yield base.checked(name), _age(now, changed)

    def sweep(self, older_than: float = 60.0) -> int:
        return runtime.native(_sweep, self._folder, runtime.time(), older_than)


class FileWriter(base.Writer):
    """An upload into a part file that nobody sees before ``commit``."""

    def __init__(self, folder: int, image_id: str, location: str) -> None:
        self._folder = folder
        self._image_id = image_id
        self._location = location
        self._part = ""
        self._fd = -1
        self._size = 0
        # A killed green thread may abort while its last write still runs in a native thread
        self._lock = runtime.native_lock()

    def __enter__(self) -> FileWriter:
        runtime.native(self._open)
        return self

    def write(self, chunk: bytes | memoryview) -> None:
        runtime.native(self._write, chunk)

    def commit(self) -> str:
        runtime.native(self._commit)
        return self._location

    def abort(self) -> None:
        runtime.native(self._abort)

    def _open(self) -> None:
        with self._lock, self._no_trace_on_failure():
            while not self._begin():
                os.close(self._fd)
                self._fd = -1

    def _begin(self) -> bool:
        """Make a part and lock it; False if we stood still between the two, and a sweep took it for dead."""
        self._part = f"{self._image_id}.{runtime.secret_bytes(8).hex()}{PART}"
        self._fd = os.open(self._part, _CREATE, 0o600, dir_fd=self._folder)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:  # the sweep is about to remove it
            return False
        return os.fstat(self._fd).st_nlink > 0

    def _write(self, chunk: bytes | memoryview) -> None:
        with self._lock, self._no_trace_on_failure():
            rest = memoryview(chunk)
            while rest:
                rest = rest[os.write(self._checked_fd(), rest[:_PIECE]) :]
            writeback.begin(self._fd, self._size, len(chunk))
            self._size += len(chunk)

    def _commit(self) -> None:
        with self._lock, self._no_trace_on_failure():
            os.fsync(self._checked_fd())
            try:
                os.link(self._part, self._image_id, src_dir_fd=self._folder, dst_dir_fd=self._folder)
            except FileExistsError:
                raise base.BlobExists(image_id=self._image_id) from None
            try:
                os.fsync(self._folder)
            except OSError:
                _unlink(self._folder, self._image_id)
                raise
            self._abort()  # the part's name only: the blob has its own

    def _abort(self) -> None:
        with self._lock:
            if self._fd >= 0:
                fd, self._fd = self._fd, -1
                _unlink(self._folder, self._part)
                os.close(fd)

    def _checked_fd(self) -> int:
        if self._fd < 0:
            raise ValueError(f"the upload of image {self._image_id} has ended")
        return self._fd

    @contextlib.contextmanager
    def _no_trace_on_failure(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self._abort()
            if error.errno in _FULL:
                raise errors.NoSpace(reason="The image store is full.") from error
            raise
        except errors.IaasError:
            self._abort()
            raise


class FileReader(base.Reader):
    """The chunks of an open file."""

    def __init__(self, file: io.FileIO, length: int | None, chunk_size: int) -> None:
        self._file = file
        self._left = length
        # Filled by native threads but made here: each thread's own allocator would keep a chunk for ever
        self._buffer = memoryview(bytearray(chunk_size))

    def __next__(self) -> bytes:
        buffer = self._buffer if self._left is None else self._buffer[: self._left]
        size = 0 if self._file.closed or not buffer else runtime.native(self._file.readinto, buffer)
        if not size:
            self.close()
            raise StopIteration
        if self._left is not None:
            self._left -= size
        return bytes(buffer[:size])

    def send_rest(self, send: runtime.FileSender) -> bool:
        offset = self._file.tell()
        left = os.fstat(self._file.fileno()).st_size - offset if self._left is None else self._left
        if left:
            send(self._file, offset, left)
        self.close()
        return True

    def close(self) -> None:
        self._file.close()


def _open_folder(root: Path) -> int:
    try:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        raise base.StoreUnusable(reason=f"{root}: {error.strerror}") from error
    if os.fstat(folder).st_uid != os.geteuid():
        os.close(folder)
        raise base.StoreUnusable(reason=f"{root} belongs to another user")
    os.fchmod(folder, 0o700)
    return folder


def _open_blob(folder: int, name: str, offset: int) -> io.FileIO:
    try:
        file = io.FileIO(os.open(name, _READ, dir_fd=folder), "rb")
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ELOOP):
            raise
        raise base.BlobMissing(image_id=name) from error
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise base.BlobMissing(image_id=name)
    file.seek(offset)
    return file


def _size(folder: int, name: str) -> int:
    with _open_blob(folder, name, 0) as file:
        return os.fstat(file.fileno()).st_size


def _unlink(folder: int, name: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(name, dir_fd=folder)


def _entries(folder: int) -> list[tuple[str, float]]:
    """Return name and time of last change of every regular file in the folder."""
    found = []
    with os.scandir(folder) as entries:
        for entry in entries:
            with contextlib.suppress(FileNotFoundError):  # deleted since
                if entry.is_file(follow_symlinks=False):
                    found.append((entry.name, entry.stat(follow_symlinks=False).st_mtime))
    return found


def _age(now: float, changed: float) -> float:
    """Return seconds since a change; one in the future was made before the clock was set back, so long ago at least."""
    return abs(now - changed)


def _sweep(folder: int, now: float, older_than: float) -> int:
    entries = _entries(folder)
    parts = [name for name, changed in entries if name.endswith(PART) and _age(now, changed) > older_than]
    return sum(_remove_dead(folder, name) for name in parts)


def _remove_dead(folder: int, part: str) -> bool:
    """Remove a part that no writer holds."""
    try:
        fd = os.open(part, _READ, dir_fd=folder)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _unlink(folder, part)
    except BlockingIOError:
        return False
    finally:
        os.close(fd)
    return True
