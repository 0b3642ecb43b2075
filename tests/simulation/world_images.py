"""The images of a simulated world: the disk under the product's file store, and what clients were promised of it.

The image processes are the product's own, with its file store, over real files in the memory of this machine: what a
process wrote before it died is there afterwards, half a file too.  The kernel is told apart where it matters: a
file's times are those of the simulated clock, and a lock goes with its process.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from iaas.common import context
from iaas.common.runtime.sim_backend import Process
from iaas.db.models.images import images
from iaas.doctor import Finding
from iaas.image.stores import file as file_store

if TYPE_CHECKING:
    from tests.simulation.world import World

#: the calls that change the disk, and the moments of each where an image process may die
CALLS: Mapping[str, tuple[str, ...]] = {
    "open": ("before", "after"),
    "write": ("before", "after"),
    "fsync": ("before", "after"),
    "link": ("before", "after"),
    "unlink": ("before", "after"),
}
NEEDS_SPACE = ("open", "write", "fsync", "link")


def points() -> list[str]:
    """Return the named points of the disk."""
    return [f"driver.image.{call}.{moment}" for call, moments in CALLS.items() for moment in moments]


class Disk:
    """What ``os`` is to the file store: slow, full, and there when its callers die.

    :ivar folder: where the files are
    """

    def __init__(self, world: World, folder: Path) -> None:
        self.folder = folder
        self._world = world
        self._locked: dict[int, Process] = {}  # descriptor of a part → who has it open
        self._begun: set[int] = set()  # those of which one write was cut short

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def open(self, path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        if not flags & os.O_CREAT:
            number = os.open(path, flags, mode, dir_fd=dir_fd)
            if str(path).endswith(file_store.PART):
                self._locked[number] = self._world.backend.current.process
            return number
        with self._call("open"):
            number = os.open(path, flags, mode, dir_fd=dir_fd)
            self._locked[number] = self._world.backend.current.process
            self._touch(number)
            return number

    def write(self, number: int, data: memoryview) -> int:
        """Write what the caller wants, the first time only the half of it."""
        with self._call("write"):
            cut = len(data) if number in self._begun else -(-len(data) // 2)
            self._begun.add(number)
            written = os.write(number, data[:cut])
            self._touch(number)
            return written

    def fsync(self, number: int) -> None:
        with self._call("fsync"):
            pass  # the machine goes on: what a process wrote is there

    def link(self, *words: Any, **where: Any) -> None:
        with self._call("link"):
            os.link(*words, **where)

    def unlink(self, *words: Any, **where: Any) -> None:
        with self._call("unlink"):
            os.unlink(*words, **where)

    def close(self, number: int) -> None:
        self._begun.discard(number)
        self._locked.pop(number, None)
        os.close(number)

    @contextlib.contextmanager
    def scandir(self, folder: Any) -> Iterator[Any]:
        """The entries by name: in a real folder chance decides who is first."""
        with os.scandir(folder) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
        yield iter(found)

    def let_go(self, process: Process) -> None:
        """Drop the locks of a dead process, as its kernel does."""
        for number in [number for number, owner in self._locked.items() if owner is process]:
            fcntl.flock(number, fcntl.LOCK_UN)

    def blobs(self) -> dict[str, int]:
        """Return the bytes of each image."""
        return {path.name: path.stat().st_size for path in self._files() if path.suffix != file_store.PART}

    def parts(self) -> list[str]:
        """Return the names of unfinished files."""
        return [path.name for path in self._files() if path.suffix == file_store.PART]

    def _files(self) -> list[Path]:
        return sorted(self.folder.iterdir()) if self.folder.is_dir() else []

    def _touch(self, number: int) -> None:
        now = self._world.backend.time()
        os.utime(number, (now, now))

    @contextlib.contextmanager
    def _call(self, call: str) -> Iterator[None]:
        """The moments around a change of the disk."""
        world, faults = self._world, self._world.faults
        slow = faults.happens("slow driver")
        world.backend.sleep(world.lasting(faults.between(1, 25)) if slow else faults.between(0.0, 0.05))
        world.at(f"driver.image.{call}.before")
        if call in NEEDS_SPACE and faults.happens("disk full"):
            world.say(f"no space for {call}")
            raise OSError(errno.ENOSPC, "No space left on device")
        yield
        world.at(f"driver.image.{call}.after")


class Library:
    """What clients were told of their images.

    :ivar made: images whose making was answered
    :ivar data: image → the bytes whose upload was answered 204
    :ivar unwanted: images somebody asked to delete, whether an answer came or not
    :ivar gone: images whose deletion was answered
    """

    def __init__(self) -> None:
        self.made: set[str] = set()
        self.data: dict[str, bytes] = {}
        self.unwanted: set[str] = set()
        self.gone: set[str] = set()


def kept(world: World) -> list[Finding]:
    """Return the promises about images that a settled cloud did not keep, and what uploads left behind."""
    with world.database.unspoilt.read(context.admin()) as tx:
        rows = {row.id: row for row in tx.all(sa.select(images))}
    found = [Finding("I7", f"file {name}", "It is part of an upload that ended.") for name in world.disk.parts()]
    return [*found, *_promises(world.library, rows), *_contents(world, rows)]


def _promises(library: Library, rows: Mapping[str, Any]) -> Iterator[Finding]:
    for image_id in sorted(library.made - library.unwanted - rows.keys()):
        yield Finding("I12", f"image {image_id}", "It was made, nobody deleted it, and it is gone.")
    for image_id in sorted(library.gone & rows.keys()):
        yield Finding("I12", f"image {image_id}", "Its deletion was answered and it is there.")
    for image_id, data in sorted(library.data.items()):
        row = rows.get(image_id)
        if row is not None and (row.status, row.size, row.os_hash_value) != ("active", len(data), fingerprint(data)):
            what = f"{len(data)} bytes of it were accepted; it is {row.status} with {row.size} bytes."
            yield Finding("I12", f"image {image_id}", what)


def _contents(world: World, rows: Mapping[str, Any]) -> Iterator[Finding]:
    """I11: bytes are those that were hashed; their number is the doctor's business."""
    for image_id, row in rows.items():
        if row.status == "saving":
            yield Finding("I2", f"image {image_id}", "It is saving and nobody uploads.")
        path = world.disk.folder / image_id
        if row.status == "active" and path.is_file() and fingerprint(path.read_bytes()) != row.os_hash_value:
            yield Finding("I11", f"image {image_id}", "Its bytes are not those of its hash.")


def fingerprint(data: bytes) -> str:
    return hashlib.sha512(data).hexdigest()
