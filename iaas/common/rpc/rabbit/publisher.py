"""The sending side: one task owns the connection, callers wait for it no longer than they said."""

from __future__ import annotations

import logging
from typing import Any

from iaas.common import runtime
from iaas.common.rpc import errors
from iaas.common.rpc.rabbit import link
from iaas.common.rpc.rabbit.outlet import Outlet, Parcel

LOG = logging.getLogger(__name__)
MAX_QUEUED = 1000
BEAT = link.HEARTBEAT / 3


class Publisher:
    """Hands parcels to the task that owns the :class:`Outlet`; any task may call it."""

    def __init__(self, opener: link.Opener) -> None:
        self._outlet = Outlet(opener)
        self._parcels = runtime.queue(MAX_QUEUED)
        self._lock = runtime.lock()
        self._task: Any = None
        self._closed = False

    def send(self, parcel: Parcel, timeout: float) -> None:
        """Send and wait for the broker's confirm, at most ``timeout`` seconds.

        While the broker was found away a moment ago this fails at once, so an outage costs callers nothing.

        :raises Unavailable: no confirm, or the queue is full.
        :raises Unroutable: there is no such queue.
        """
        self._outlet.check_up()
        self._start()
        parcel.deadline = runtime.monotonic() + timeout
        try:
            self._parcels.put(parcel, timeout=timeout)
        except runtime.Full:
            raise errors.Unavailable(reason="Too many messages wait for the message queue.") from None
        if not parcel.done.wait(max(parcel.deadline - runtime.monotonic(), 0)):
            raise errors.Unavailable(reason=f"The message queue did not confirm within {timeout:g} seconds.")
        if parcel.error is not None:
            raise parcel.error

    def close(self) -> None:
        """Send what is queued and close the connection."""
        with self._lock:
            self._closed = True
            task, self._task = self._task, None
        if task is not None:
            self._parcels.put(None)
            task.wait()

    def _start(self) -> None:
        with self._lock:
            if self._closed:
                raise errors.Unavailable(reason="The message transport is closed.")
            if self._task is None:
                self._task = runtime.spawn(self._run)

    def _run(self) -> None:
        while (parcel := self._next()) is not None:
            try:
                self._outlet.put(parcel)
            except (errors.Unavailable, errors.Unroutable) as error:
                parcel.error = error
            except Exception:
                LOG.exception("publishing failed")
                self._outlet.drop()
                parcel.error = errors.Unavailable(reason="The message queue failed.")
            parcel.done.set()
        self._outlet.close()

    def _next(self) -> Parcel | None:
        """Wait for a parcel, keeping the connection alive meanwhile."""
        while True:
            try:
                return self._parcels.get(timeout=BEAT)
            except runtime.Empty:
                self._outlet.beat()
