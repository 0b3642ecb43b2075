"""Ingest: hash, inspect and store an upload while it streams by.

MD5, SHA-512, and inspecting and storing are three lanes: each takes every batch of bytes in order, in native threads,
at its own pace, while the next batches come from the network.  The lanes read one ring of buffers; so no byte is
copied on its way, and a lane that is held up holds up nobody until the ring is full.
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
BUFFERS = 4


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
    the slowest lane when none is: four buffers of 2 MiB are all that is held.  It raises what went wrong with
    earlier bytes when the next batch begins.  The caller commits the writer after ``finish``.
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
        self._ring = [_buffer()]
        self._buffer = self._ring[0]
        self._filled = 0
        self._batches = 0
        self._lanes: list[_Lane] = []

    def __enter__(self) -> Ingest:
        self._lanes = [_Lane(step) for step in (self._md5.update, self._sha512.update, self._inspect_and_store)]
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        # Nothing may still use the writer when its own block ends
        for lane in self._lanes:
            lane.close()
        for lane in self._lanes:
            lane.wait()
        self._lanes.clear()  # they know this object: without a cycle, the ring is free at once

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
            self._send_batch()
            self._next_buffer()

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
        :raises RuntimeError: it is not used in its block, so nothing was hashed.
        """
        if not self._lanes:
            raise RuntimeError("an upload is taken in the block of its Ingest, and nowhere else")
        if self._filled:
            self._send_batch()
        for lane in self._lanes:
            lane.finish()
        for lane in self._lanes:
            lane.wait()
        self._raise_failure()
        verdict = self._inspector.finish(self.size if size is None else size)
        return Ingested(self.size, self._md5.hexdigest(), self._sha512.hexdigest(), verdict)

    def _send_batch(self) -> None:
        self._raise_failure()
        for lane in self._lanes:
            lane.put(self._buffer[: self._filled])

    def _next_buffer(self) -> None:
        """Gather in the buffer that was sent longest ago, which every lane has done with: ``put`` waited for it."""
        self._raise_failure()
        self._batches += 1
        if self._batches < BUFFERS:
            self._ring.append(_buffer())
        self._buffer, self._filled = self._ring[self._batches % BUFFERS], 0

    def _raise_failure(self) -> None:
        for lane in self._lanes:
            if lane.failure is not None:
                raise lane.failure

    def _inspect_and_store(self, batch: memoryview) -> None:
        self._inspector.feed(batch)
        self._writer.write(batch)


class _Lane:
    """One step of the work: done of each batch in order, in native threads; after a failure, of none.

    :ivar failure: what the step raised: a refusal is no fault to be logged
    """

    def __init__(self, step: Callable[[memoryview], None]) -> None:
        self.failure: Exception | None = None
        self._step = step
        self._closed = False
        self._batches = runtime.queue()
        self._room = runtime.semaphore(BUFFERS - 1)  # one more is being filled
        self._task = runtime.spawn(self._run)

    def put(self, batch: memoryview) -> None:
        """Hand over a batch; waits until, with it, at most all buffers but one are waiting or in work."""
        self._room.acquire()
        self._batches.put(batch)

    def finish(self) -> None:
        """Let it end after the batches it has."""
        self._batches.put(None)

    def close(self) -> None:
        """Let it end after the batch it is at."""
        self._closed = True
        self._batches.put(None)

    def wait(self) -> None:
        """Wait for the end."""
        self._task.wait()

    def _run(self) -> None:
        while (batch := self._batches.get()) is not None:
            if not self._closed and self.failure is None:
                self._attempt(batch)
            self._room.release()

    def _attempt(self, batch: memoryview) -> None:
        try:
            runtime.native(self._step, batch)
        except Exception as error:
            self.failure = error


def _buffer() -> memoryview:
    return memoryview(bytearray(BATCH))
