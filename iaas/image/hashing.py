"""Ingest: hash, inspect and store an upload while it streams by.

Both hashes and the store work side by side in native threads on one batch of chunks, while the next batch
is read from the network; so the slowest of the four sets the pace, not their sum.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from iaas.common import errors, runtime, units
from iaas.image import inspect
from iaas.image.stores import base

HASH_ALGORITHM = "sha512"
BATCH = 2 * units.MIB
_SMALL = 128 * units.KIB  # under this, joining chunks costs less than passing each to three threads

Batch = list[bytes]


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

    ``feed`` returns at once while there is room, and waits for the batch before when there is not: at most
    two batches of 2 MiB (and the chunk that filled them) are in memory.  It raises what went wrong with an
    earlier chunk as soon as it is known.  The caller commits the writer after ``finish``.
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
        self._batch: Batch = []
        self._batch_size = 0
        self._running: list[runtime.Task[Exception | None]] = []

    def __enter__(self) -> Ingest:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        # Nothing may still use the writer when its own block ends
        for task in self._running:
            task.wait()

    def feed(self, chunk: bytes | memoryview) -> None:
        """Take the next bytes.

        :raises ImageRejected: the inspector refused the image.
        :raises NoSpace: the store is full.
        :raises TooLarge: more than ``max_size`` bytes came; none over it reach the store.
        """
        self.size += len(chunk)
        if self._max_size is not None and self.size > self._max_size:
            raise errors.TooLarge(reason=f"The image is larger than {self._max_size} bytes.")
        self._batch.append(bytes(chunk))  # no copy, if they are bytes
        self._batch_size += len(chunk)
        if self._batch_size >= BATCH:
            self._next_batch()

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
        """Start work on the chunks gathered so far, when the batch before is done."""
        self._settle()
        batch, self._batch, self._batch_size = _joined(self._batch, self._batch_size), [], 0
        for step in (_update(self._md5), _update(self._sha512), self._store):
            self._running.append(runtime.spawn(_attempt, step, batch))

    def _settle(self) -> None:
        """Wait for the running batch; an error of it is raised once all of it has ended."""
        failures = [failure for task in self._running if (failure := task.wait()) is not None]
        self._running = []
        if failures:
            raise failures[0]

    def _store(self, batch: Batch) -> None:
        for chunk in batch:
            self._inspector.feed(chunk)
            self._writer.write(chunk)


def _joined(batch: Batch, size: int) -> Batch:
    return [b"".join(batch)] if size < _SMALL * len(batch) else batch


def _update(digest: Any) -> Callable[[Batch], None]:
    def update(batch: Batch) -> None:
        for chunk in batch:
            digest.update(chunk)

    return update


def _attempt(step: Callable[[Batch], None], batch: Batch) -> Exception | None:
    """Run one step in a native thread and return what it raised: a refusal is no fault to be logged."""
    try:
        runtime.native(step, batch)
    except Exception as error:
        return error
    return None
