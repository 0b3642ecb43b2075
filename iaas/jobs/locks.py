"""One lock per resource and process, made when it is needed and forgotten when nobody waits for it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from iaas.common import runtime


class ResourceLocks:
    """Locks by resource id."""

    def __init__(self) -> None:
        self._locks: dict[str, tuple[runtime.Lock, int]] = {}
        self._guard = runtime.lock()

    @contextlib.contextmanager
    def of(self, resource_id: str) -> Iterator[None]:
        """Hold the lock of one resource."""
        with self._guard:
            lock, users = self._locks.get(resource_id) or (runtime.lock(), 0)
            self._locks[resource_id] = (lock, users + 1)
        try:
            with lock:
                yield
        finally:
            with self._guard:
                lock, users = self._locks[resource_id]
                if users == 1:
                    del self._locks[resource_id]
                else:
                    self._locks[resource_id] = (lock, users - 1)
