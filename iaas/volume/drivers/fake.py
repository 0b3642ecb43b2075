"""A volume back-end without a disk: for the fake cloud, for tests and for the simulator.

A :class:`World` is the machine room: it holds the volumes and outlives the driver, so a test ends a worker by
dropping its driver, and makes calls fail before or after their work.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path
from typing import Literal

from iaas.common import errors, runtime
from iaas.volume import driver

Moment = Literal["before", "after"]


class ProcessKilled(BaseException):
    """The worker died at this moment: nothing after it runs, not even its error handling."""


class World:
    """The volumes of one back-end, and the faults a test has planned for it.

    :param total_gb: what all volumes together may be promised
    :param path: a file the volumes are kept in, so that they outlive the process; None keeps them in memory
    """

    def __init__(self, total_gb: int = 1_048_576, path: Path | None = None) -> None:
        self.lock = runtime.native_lock()
        self.total_gb = total_gb
        self.calls: Counter[str] = Counter()
        self.all: dict[str, int] = {}
        self._path = path
        self._plans: dict[tuple[str, Moment], list[BaseException]] = {}
        if path is not None and path.exists():
            self.all = json.loads(path.read_text())

    def save(self) -> None:
        """Make the volumes outlive the process."""
        if self._path is None:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._path.with_suffix(".part")
        fresh.write_text(json.dumps(self.all))
        os.replace(fresh, self._path)

    def reach(self, method: str, moment: Moment) -> None:
        """Count a call, and raise what a test planned for this moment of it."""
        if moment == "before":
            self.calls[method] += 1
        plan = self._plans.get((method, moment))
        if plan:
            raise plan.pop(0)

    def fail_next(
        self, method: str, error: BaseException | None = None, *, at: Moment = "before", times: int = 1
    ) -> None:
        """Make the next ``times`` calls of a driver method fail, ``before`` or ``after`` their work."""
        fault = error or driver.VolumeError(reason=f"The fake back-end was told to fail {method}.")
        with self.lock:
            self._plans.setdefault((method, at), []).extend([fault] * times)


class FakeDriver(driver.VolumeDriver):
    """A view of a :class:`World`."""

    def __init__(self, world: World | None = None) -> None:
        self.world = world or World()

    def start_host(self) -> None:
        self._reach("start_host", "before")

    def stop_host(self) -> None:
        self._reach("stop_host", "before")

    def pool_facts(self) -> driver.PoolFacts:
        with self.world.lock:
            free = self.world.total_gb - sum(self.world.all.values())
        return driver.PoolFacts(self.world.total_gb, free, "fake")

    def create(self, volume_id: str, size_gb: int) -> None:
        driver.checked(volume_id)
        self._reach("create", "before")
        with self.world.lock:
            found = self.world.all.get(volume_id, size_gb)
            if found != size_gb:
                raise driver.VolumeError(
                    reason=f"A volume {volume_id} of {found} GiB exists; it cannot be made with {size_gb} GiB."
                )
            others = sum(size for name, size in self.world.all.items() if name != volume_id)
            if others + size_gb > self.world.total_gb:
                raise errors.NoSpace(reason=f"The volume service has no room for {size_gb} GiB.")
            self.world.all[volume_id] = size_gb
            self.world.save()
        self._reach("create", "after")

    def delete(self, volume_id: str) -> None:
        driver.checked(volume_id)
        self._reach("delete", "before")
        with self.world.lock:
            if self.world.all.pop(volume_id, None) is not None:
                self.world.save()
        self._reach("delete", "after")

    def volumes(self) -> dict[str, int]:
        with self.world.lock:
            return dict(self.world.all)

    def _reach(self, method: str, moment: Moment) -> None:
        with self.world.lock:
            self.world.reach(method, moment)
