"""The types of the concurrency seam: what every back-end offers."""

from __future__ import annotations

import abc
import io
import queue as _queue
import random
import socket
from collections.abc import Callable, Mapping
from typing import Any, Generic, Protocol, TypeVar

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

Empty = _queue.Empty
Full = _queue.Full


class NativeTimeout(Exception):
    """A blocking call did not come back in time; it still runs."""


class Task(Protocol, Generic[T_co]):
    """Something that was spawned."""

    def wait(self) -> T_co:
        """Wait for the end and return the result, or raise what the task raised."""
        ...

    @property
    def done(self) -> bool: ...


class Lock(Protocol):
    """A lock its holder may take again."""

    def acquire(self, *, timeout: float = -1) -> bool:
        """Wait for it, ``timeout`` seconds at most (-1: for ever); return whether it is ours now."""
        ...

    def release(self) -> None: ...
    def __enter__(self) -> Any: ...
    def __exit__(self, *exc: Any) -> Any: ...


class Semaphore(Protocol):
    def acquire(self, blocking: bool = True, timeout: float | None = None) -> bool: ...
    def release(self) -> None: ...
    def __enter__(self) -> Any: ...
    def __exit__(self, *exc: Any) -> Any: ...


class Event(Protocol):
    def set(self) -> None: ...
    def clear(self) -> None: ...
    def is_set(self) -> bool: ...
    def wait(self, timeout: float | None = None) -> bool: ...


class Queue(Protocol):
    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None: ...
    def get(self, block: bool = True, timeout: float | None = None) -> Any: ...
    def qsize(self) -> int: ...


#: sends ``count`` bytes of an open file from ``offset`` on to a client
FileSender = Callable[[io.FileIO, int, int], None]


class Server(Protocol):
    """A running WSGI server."""

    port: int

    def stop(self) -> None:
        """Stop listening, let running requests end for a moment, and return."""
        ...


class Backend(abc.ABC):
    """One way of running things at the same time. See the functions of the package for the meanings."""

    name: str

    @abc.abstractmethod
    def spawn(self, fn: Callable[..., T], *args: Any, **kwargs: Any) -> Task[T]: ...
    @abc.abstractmethod
    def sleep(self, seconds: float) -> None: ...
    @abc.abstractmethod
    def native(self, fn: Callable[..., T], *args: Any, timeout: float | None, **kwargs: Any) -> T: ...
    @abc.abstractmethod
    def in_native(self) -> bool: ...
    @abc.abstractmethod
    def lock(self) -> Lock: ...
    @abc.abstractmethod
    def native_lock(self) -> Lock: ...
    @abc.abstractmethod
    def event(self) -> Event: ...
    @abc.abstractmethod
    def queue(self, maxsize: int) -> Queue: ...
    @abc.abstractmethod
    def semaphore(self, value: int) -> Semaphore: ...
    @abc.abstractmethod
    def local(self) -> Any: ...
    @abc.abstractmethod
    def time(self) -> float: ...
    @abc.abstractmethod
    def monotonic(self) -> float: ...
    @abc.abstractmethod
    def rng(self) -> random.Random: ...
    @abc.abstractmethod
    def uuid(self) -> str: ...
    @abc.abstractmethod
    def secret_bytes(self, count: int) -> bytes: ...
    @abc.abstractmethod
    def wait_fd(self, fileno: int, *, write: bool, timeout: float | None) -> None: ...
    @abc.abstractmethod
    def listen(self, host: str, port: int) -> socket.socket: ...
    @abc.abstractmethod
    def serve(self, sock: socket.socket, app: Callable[..., Any], *, max_clients: int) -> Server: ...
    @abc.abstractmethod
    def on_signal(self, number: int, fn: Callable[[], None]) -> None: ...

    def native_load(self) -> tuple[int, int]:
        return 0, 0

    def file_sender(self, environ: Mapping[str, Any]) -> FileSender | None:
        return None
