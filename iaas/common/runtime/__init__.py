"""The concurrency seam: the only place that knows how code runs at the same time, and what time it is.

Everything that spawns, sleeps, waits, locks, asks for the time, for randomness or for an id goes through
here, so that the same unmodified code runs on green threads (``eventlet``), on native threads (``threads``)
and in a deterministic simulator.  A lint forbids going around it.

A process chooses its back-end once, before anything else is imported::

    from iaas.common import runtime
    runtime.use("eventlet")

or by the environment variable ``IAAS_RUNTIME``.  Tests run on ``threads`` unless they say otherwise.
"""

from __future__ import annotations

import datetime
import importlib
import os
import random as _random
import socket
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from iaas.common.runtime import memory
from iaas.common.runtime.base import (
    Backend,
    Empty,
    Event,
    FileSender,
    Full,
    Lock,
    NativeTimeout,
    Queue,
    Semaphore,
    Server,
    Task,
)

__all__ = [
    "Empty", "Event", "FileSender", "Full", "Lock", "NativeTimeout", "Queue", "Semaphore", "Server", "Task",
    "event", "file_sender", "in_native", "listen", "local", "lock", "monotonic", "name", "native", "native_load",
    "native_lock", "now", "on_signal", "queue", "rng", "secret_bytes", "semaphore", "serve", "sleep", "spawn", "time",
    "use", "uuid", "wait_fd",
]  # fmt: skip

T = TypeVar("T")
_BACKENDS = {
    "eventlet": "iaas.common.runtime.eventlet_backend",
    "sim": "iaas.common.runtime.sim_backend",
    "threads": "iaas.common.runtime.threads_backend",
}
_backend: Backend | None = None


def use(back_end: str) -> None:
    """Choose the back-end, by name; ``eventlet`` also patches the standard library, so call it first of all.

    :raises RuntimeError: another one is in use already.
    """
    global _backend
    if _backend is not None and _backend.name != back_end:
        raise RuntimeError(f"runtime back-end {_backend.name} is in use; {back_end} cannot be chosen any more")
    if _backend is None:
        memory.settle()
        _backend = importlib.import_module(_BACKENDS[back_end]).make()


def install(back_end: Backend) -> Backend | None:
    """Put a back-end object in place and return the one before it: for the simulator and for tests."""
    global _backend
    before, _backend = _backend, back_end
    return before


def _it() -> Backend:
    if _backend is None:
        use(os.environ.get("IAAS_RUNTIME", "threads"))
    assert _backend is not None  # noqa: S101  `use` either sets it or raises
    return _backend


def name() -> str:
    return _it().name


# -- running ---------------------------------------------------------------------------------------------


def spawn(fn: Callable[..., T], *args: Any, **kwargs: Any) -> Task[T]:
    """Run ``fn`` at the same time; an error nobody waits for is logged."""
    return _it().spawn(fn, *args, **kwargs)


def sleep(seconds: float = 0) -> None:
    """Let others run for ``seconds``."""
    _it().sleep(seconds)


def native(fn: Callable[..., T], *args: Any, timeout: float | None = None, **kwargs: Any) -> T:
    """Run a call that blocks (a C library, a file, a subprocess) in a native thread and wait for it.

    Called from a native thread, it runs ``fn`` right there.

    :raises NativeTimeout: ``timeout`` seconds passed. The call itself goes on and holds its thread.
    """
    return _it().native(fn, *args, timeout=timeout, **kwargs)


def native_load() -> tuple[int, int]:
    """How many native calls run or wait for a thread, and how many threads there are."""
    return _it().native_load()


def in_native() -> bool:
    """Whether the caller runs in a native thread of the pool, where blocking is fine."""
    return _it().in_native()


# -- waiting ---------------------------------------------------------------------------------------------


def lock() -> Lock:
    return _it().lock()


def event() -> Event:
    return _it().event()


def queue(maxsize: int = 0) -> Queue:
    """A first-in first-out queue; ``get`` raises :class:`Empty`, ``put`` raises :class:`Full` on time-out."""
    return _it().queue(maxsize)


def semaphore(value: int) -> Semaphore:
    return _it().semaphore(value)


def local() -> Any:
    """A namespace of which every task sees its own."""
    return _it().local()


def native_lock() -> Lock:
    """A lock between native threads: for drivers. Never take it on a green thread."""
    return _it().native_lock()


# -- time, chance, names ---------------------------------------------------------------------------------


def now() -> datetime.datetime:
    """The wall clock, aware, in UTC: for display and for tokens only; leases use the database's clock."""
    return datetime.datetime.fromtimestamp(_it().time(), datetime.UTC)


def time() -> float:
    """The wall clock in seconds since the epoch."""
    return _it().time()


def monotonic() -> float:
    """Seconds of a clock that never steps: for measuring and for deadlines."""
    return _it().monotonic()


def rng() -> _random.Random:
    """A source of chance for jitter and choice; never for secrets."""
    return _it().rng()


def uuid() -> str:
    """A new random UUID as text."""
    return _it().uuid()


def secret_bytes(count: int) -> bytes:
    """Bytes no one can guess: for keys, tokens and passwords."""
    return _it().secret_bytes(count)


# -- the process -----------------------------------------------------------------------------------------


def listen(host: str, port: int) -> socket.socket:
    """A TCP socket that listens; port 0 lets the kernel choose."""
    return _it().listen(host, port)


def serve(sock: socket.socket, app: Callable[..., Any], *, max_clients: int = 1000) -> Server:
    """Serve a WSGI application on ``sock`` until the returned server is stopped.

    Header lines are capped at 16 KiB, a request line at 8 KiB; a client has 10 s to send its headers.
    """
    return _it().serve(sock, app, max_clients=max_clients)


def file_sender(environ: Mapping[str, Any]) -> FileSender | None:
    """Return what sends a part of a file to the client of a request without a copy, or None if the server cannot.

    Only an answer's iterator may call it, after a first piece of at least 64 KiB, which goes with the headers.

    :raises OSError: (the sender) the client is gone or takes nothing for a minute, or the file is too short.
    """
    return _it().file_sender(environ)


def wait_fd(fileno: int, *, write: bool = False, timeout: float | None = None) -> None:
    """Wait until a file descriptor can be read (or written): for C libraries with a callback to wait by.

    :raises TimeoutError: it cannot within ``timeout`` seconds.
    """
    _it().wait_fd(fileno, write=write, timeout=timeout)


def on_signal(number: int, fn: Callable[[], None]) -> None:
    """Run ``fn`` as a task when the process gets the signal."""
    _it().on_signal(number, fn)
