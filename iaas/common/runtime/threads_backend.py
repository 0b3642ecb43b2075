"""The seam on native threads: every task is a thread of the operating system."""

from __future__ import annotations

import concurrent.futures
import contextvars
import logging
import os
import queue
import random
import select
import signal
import socket
import threading
import time
import uuid
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from iaas.common.runtime import base, threads_http

T = TypeVar("T")
LOG = logging.getLogger(__name__)
NATIVE_THREADS = 32


class ThreadTask(Generic[T]):
    """One thread and what came of it."""

    def __init__(self, fn: Callable[..., T], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self._work = (fn, args, kwargs)
        self._result: T | None = None
        self._error: BaseException | None = None
        self._awaited = False
        self._thread = threading.Thread(target=self._run, daemon=True, name=getattr(fn, "__qualname__", "task"))
        self._thread.start()

    def _run(self) -> None:
        fn, args, kwargs = self._work
        try:
            self._result = fn(*args, **kwargs)
        except Exception as error:
            self._error = error
            if not self._awaited:
                LOG.exception("task %s failed", self._thread.name)

    def wait(self) -> T:
        self._awaited = True
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._result  # type: ignore[return-value]

    @property
    def done(self) -> bool:
        return not self._thread.is_alive()


class ThreadsServer:
    """A cheroot server, one worker thread for each client up to a bound."""

    def __init__(self, sock: socket.socket, app: Callable[..., Any], max_clients: int) -> None:
        self.port: int = sock.getsockname()[1]
        self._server = threads_http.Server(
            ("127.0.0.1", self.port), app, numthreads=8, max=min(max_clients, 64), request_queue_size=128
        )
        self._server.max_request_header_size = 16 * 1024
        self._server.timeout = 10
        self._server.shutdown_timeout = 2
        self._server.bind_addr = sock.getsockname()[:2]
        self._server.socket = sock
        self._server.bind = lambda *args, **kwargs: sock  # type: ignore[method-assign]  # bound already
        self._thread = threading.Thread(target=self._serve, daemon=True, name=f"wsgi:{self.port}")
        self._thread.start()
        self._server.watch()

    def _serve(self) -> None:
        sock = self._server.socket
        self._server.prepare = _prepared(self._server, sock)  # type: ignore[method-assign]
        self._server.start()

    def stop(self) -> None:
        self._server.unwatch()
        self._server.stop()
        self._thread.join(5)


def _prepared(server: Any, sock: socket.socket) -> Callable[[], None]:
    """Cheroot's own ``prepare`` without its bind: the socket came bound and listening."""
    from cheroot import connections

    def prepare() -> None:
        server.software = "iaas"
        sock.settimeout(1)
        server.socket = sock
        server._connections = connections.ConnectionManager(server)
        server.requests.start()
        server.ready = True
        server._start_time = time.time()

    return prepare


class ThreadsBackend(base.Backend):
    name = "threads"

    def __init__(self) -> None:
        self._rng = random.Random()
        self._mine = threading.local()
        self._pool = concurrent.futures.ThreadPoolExecutor(
            NATIVE_THREADS, "native", initializer=lambda: setattr(self._mine, "native", True)
        )

    def spawn(self, fn: Callable[..., T], *args: Any, **kwargs: Any) -> base.Task[T]:
        return ThreadTask(fn, args, kwargs)

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    def native(self, fn: Callable[..., T], *args: Any, timeout: float | None, **kwargs: Any) -> T:
        if self.in_native():
            return fn(*args, **kwargs)
        try:
            mine = contextvars.copy_context()  # the request whose records follow, for what the call logs
            return self._pool.submit(mine.run, fn, *args, **kwargs).result(timeout)
        except concurrent.futures.TimeoutError as error:
            if isinstance(error, TimeoutError) and error.args:
                raise  # the call's own
            raise base.NativeTimeout(f"{getattr(fn, '__qualname__', fn)} took over {timeout} s") from None

    def in_native(self) -> bool:
        return getattr(self._mine, "native", False)

    def lock(self) -> base.Lock:
        return threading.RLock()  # type: ignore[return-value]

    native_lock = lock

    def event(self) -> base.Event:
        return threading.Event()

    def queue(self, maxsize: int) -> base.Queue:
        return queue.Queue(maxsize)

    def semaphore(self, value: int) -> base.Semaphore:
        return threading.BoundedSemaphore(value)  # pyright: ignore[reportReturnType]

    def local(self) -> Any:
        return threading.local()

    def time(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    def rng(self) -> random.Random:
        return self._rng

    def uuid(self) -> str:
        return str(uuid.UUID(bytes=os.urandom(16), version=4))

    def secret_bytes(self, count: int) -> bytes:
        return os.urandom(count)

    def wait_fd(self, fileno: int, *, write: bool, timeout: float | None) -> None:
        ready = select.select([] if write else [fileno], [fileno] if write else [], [], timeout)
        if not any(ready):
            raise TimeoutError(f"descriptor {fileno} was not ready within {timeout} s")

    def listen(self, host: str, port: int) -> socket.socket:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=512)

    def serve(self, sock: socket.socket, app: Callable[..., Any], *, max_clients: int) -> base.Server:
        return ThreadsServer(sock, app, max_clients)

    def on_signal(self, number: int, fn: Callable[[], None]) -> None:
        signal.signal(number, lambda *_: self.spawn(fn) and None)


def make() -> ThreadsBackend:
    return ThreadsBackend()
