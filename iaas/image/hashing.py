"""Ingest: hash, inspect and store an upload while it streams by.

MD5 is done in one native thread and SHA-512, inspection and storing in another, side by side on one buffer, while the
other buffer is filled from the network; so the slowest of the three sets the pace, and no byte is copied on its way.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType

from iaas.common import errors, runtime, units
from iaas.image import inspect
from iaas.image.stores import base

HASH_ALGORITHM = "sha512"
BATCH = 2 * units.MIB


@dataclass(frozen=True)
class Ingested:
    """What an upload turned out to be: bytes, MD5, SHA-512 (both in hex), and the inspector's verdict."""

    size: int
    checksum: str
    os_hash_value: str
    verdict: inspect.Verdict
    os_hash_algo: str = HASH_ALGORITHM


class Ingest:
    """One upload on its way into a store, used in a ``with`` block inside the writer's.

    Put bytes into ``room`` and say how many in ``took``, which returns at once while a buffer is free, and waits for
    the batch before when none is: two buffers of 2 MiB are all that is held.  It raises what went wrong with
    earlier bytes as soon as it is known.  The caller commits the writer after ``finish``.
    """

    def __init__(self, writer: base.Writer, disk_format: str, *, max_size: int | None = None) -> None:
        """Prepare to take an image declared as ``disk_format``, of at most ``max_size`` bytes.

        :raises ImageRejected: the format is not accepted, whatever the bytes.
        """
        self.size = 0
        self._writer = writer
        self._max_size = max_size
        self._inspector = inspect.Inspector(disk_format)
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._sha512 = hashlib.sha512()
        self._buffer = _buffer()
        self._spare: memoryview | None = None  # what the running batch is read from, or free
        self._filled = 0
        self._running: list[runtime.Task[Exception | None]] = []

    def __enter__(self) -> Ingest:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        # Nothing may still use the writer when its own block ends
        for task in self._running:
            task.wait()

    @property
    def room(self) -> memoryview:
        """Where the next bytes go; never empty."""
        return self._buffer[self._filled :]

    def took(self, count: int) -> None:
        """Go on with the first ``count`` bytes of ``room``.

        :raises ImageRejected: the inspector refused the image.
        :raises NoSpace: the store is full.
        :raises TooLarge: more than ``max_size`` bytes came; none over it reach the store.
        """
        self.size += count
        if self._max_size is not None and self.size > self._max_size:
            raise errors.TooLarge(reason=f"The image is larger than {self._max_size} bytes.")
        self._filled += count
        if self._filled == len(self._buffer):
            self._next_batch()

    def feed(self, chunk: bytes | memoryview) -> None:
        """Take a copy of the next bytes; raises what ``took`` raises."""
        rest = memoryview(chunk)
        while rest:
            room = self.room
            count = min(len(room), len(rest))
            room[:count] = rest[:count]
            rest = rest[count:]
            self.took(count)

    def finish(self, size: int | None = None) -> Ingested:
        """Wait for the last bytes and return what came, which should be ``size`` bytes if that was announced.

        :raises ImageRejected: the inspector refused the image, or it has another size.
        :raises NoSpace: the store is full.
        """
        self._next_batch()
        self._settle()
        verdict = self._inspector.finish(self.size if size is None else size)
        return Ingested(self.size, self._md5.hexdigest(), self._sha512.hexdigest(), verdict)

    def _next_batch(self) -> None:
        """Start work on what was gathered, when the batch before is done, and gather in the other buffer."""
        self._settle()
        batch = self._buffer[: self._filled]
        for step in (self._md5.update, self._hash_and_store):
            self._running.append(runtime.spawn(_attempt, step, batch))
        self._buffer, self._spare, self._filled = self._spare or _buffer(), self._buffer, 0

    def _settle(self) -> None:
        """Wait for the running batch; an error of it is raised once all of it has ended."""
        failures = [failure for task in self._running if (failure := task.wait()) is not None]
        self._running = []
        if failures:
            raise failures[0]

    def _hash_and_store(self, batch: memoryview) -> None:
        """The rest of the work takes as long as MD5 does; more threads would only pass the interpreter around."""
        self._sha512.update(batch)
        self._inspector.feed(batch)
        self._writer.write(batch)


def _buffer() -> memoryview:
    return memoryview(bytearray(BATCH))


def _attempt(step: Callable[[memoryview], None], batch: memoryview) -> Exception | None:
    """Run one step in a native thread and return what it raised: a refusal is no fault to be logged."""
    try:
        runtime.native(step, batch)
    except Exception as error:
        return error
    return None
