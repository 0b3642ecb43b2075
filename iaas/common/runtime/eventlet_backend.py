"""The seam on green threads.

Importing this module patches the standard library, so :func:`iaas.common.runtime.use` is the first line of
every daemon.  Calls that block in C (SQLite aside, which answers in microseconds) go through ``native``.
"""

from __future__ import annotations

import os
import warnings

os.environ.setdefault("EVENTLET_NO_GREENDNS", "yes")  # the resolver of libc, and 6 MB less
warnings.filterwarnings("ignore", message=r"[\s\S]*Eventlet is deprecated")

import eventlet  # noqa: E402
import eventlet.patcher  # noqa: E402

eventlet.monkey_patch()

import contextvars  # noqa: E402
import functools  # noqa: E402
import gc  # noqa: E402
import io  # noqa: E402
import logging  # noqa: E402
import random  # noqa: E402
import signal  # noqa: E402
import socket  # noqa: E402
import time  # noqa: E402
import uuid  # noqa: E402
from collections.abc import Callable, Mapping  # noqa: E402
from typing import Any, TypeVar  # noqa: E402

import eventlet.event  # noqa: E402
import eventlet.hubs  # noqa: E402
import eventlet.queue  # noqa: E402
import eventlet.semaphore  # noqa: E402
import eventlet.tpool  # noqa: E402
import eventlet.wsgi  # noqa: E402

from iaas.common.runtime import base, eventlet_http  # noqa: E402

T = TypeVar("T")
LOG = logging.getLogger(__name__)
NATIVE_THREADS = 24
SOCKET_TIMEOUT = 60
SEND_PATIENCE = 2  # milliseconds a native thread waits for a client before it leaves the waiting to the hub
_threading: Any = eventlet.patcher.original("threading")
# Native threads log, too, and each fork of theirs takes logging's lock.  A green lock that one thread of the system
# waits for and another gives back wakes nobody; these are never held while a green thread gives way.
logging.threading = _threading  # type: ignore[attr-defined]
logging._lock = _threading.RLock()  # type: ignore[attr-defined]
if logging.lastResort is not None:
    logging.lastResort.createLock()
# They compute networks' addresses, too; up to Python 3.11 each such property has one lock, for all networks.
for _found in gc.get_objects():
    if type(_found) is functools.cached_property:
        _found.lock = _threading.RLock()  # type: ignore[attr-defined]
_select: Any = eventlet.patcher.original("select")
_socket: Any = eventlet.patcher.original("socket")
_hub_thread = _threading.get_ident()

eventlet.wsgi.MAX_REQUEST_LINE = 8192
eventlet.wsgi.MAX_TOTAL_HEADER_SIZE = 16 * 1024
eventlet.hubs.get_hub().debug_exceptions = False


class GreenTask:
    """A green thread and what came of it."""

    def __init__(self, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self._name = getattr(fn, "__qualname__", str(fn))
        self._done = eventlet.event.Event()
        self._awaited = False
        eventlet.spawn_n(self._run, fn, args, kwargs)

    def _run(self, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        try:
            result = fn(*args, **kwargs)
        except Exception as error:
            if not self._awaited:
                LOG.exception("task %s failed", self._name)
            self._done.send_exception(error)
        else:
            self._done.send(result)

    def wait(self) -> Any:
        self._awaited = True
        return self._done.wait()

    @property
    def done(self) -> bool:
        return self._done.ready()


class GreenEvent:
    """An event that can be waited for with a time limit, set and cleared at will."""

    def __init__(self) -> None:
        self._set = False
        self._gate = eventlet.event.Event()

    def set(self) -> None:
        if not self._set:
            self._set = True
            self._gate.send()

    def clear(self) -> None:
        if self._set:
            self._set = False
            self._gate = eventlet.event.Event()

    def is_set(self) -> bool:
        return self._set

    def wait(self, timeout: float | None = None) -> bool:
        if not self._set:
            with eventlet.Timeout(timeout, False):
                self._gate.wait()
        return self._set


class GreenSemaphore(eventlet.semaphore.Semaphore):
    """A counting semaphore whose ``acquire`` takes a time limit by name."""

    def acquire(self, blocking: bool = True, timeout: float | None = None) -> bool:
        return super().acquire(blocking=blocking, timeout=timeout) is True

    def release(self) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        super().release()


class GreenLock:
    """A lock a green thread may take again while it holds it."""

    def __init__(self) -> None:
        self._semaphore = eventlet.semaphore.Semaphore(1)
        self._owner: Any = None
        self._depth = 0

    def acquire(self, *, timeout: float = -1) -> bool:
        me = eventlet.getcurrent()
        if self._owner is not me:
            if not self._taken(timeout):
                return False
            self._owner = me
        self._depth += 1
        return True

    def _taken(self, timeout: float) -> bool:
        if timeout < 0 or self._semaphore.balance > 0:
            return self._semaphore.acquire()
        with eventlet.Timeout(timeout, False):  # a limit of the semaphore's own would let us pass those who wait
            return self._semaphore.acquire()
        return False

    def release(self) -> None:
        self._depth -= 1
        if self._depth == 0:
            self._owner = None
            self._semaphore.release()

    __enter__ = acquire

    def __exit__(self, *exc: Any) -> None:
        self.release()


class _Body(eventlet.wsgi.Input):
    """A request's body that can be read straight into the caller's memory, too."""

    def readinto(self, room: memoryview) -> int:
        """Fill ``room`` and return its length, or less at the body's end.

        :raises OSError: the connection or a chunk is broken off.
        :raises ValueError: the size of a chunk cannot be read.
        """
        if self.chunked_input:
            return self._chunks_into(room)
        return len(self._do_read(lambda size: room[: self.rfile.readinto(room[:size])], len(room)))

    def _chunks_into(self, room: memoryview) -> int:
        """The first and the last byte of a chunk are left to eventlet's reader, which knows what is around them."""
        total = 0
        while total < len(room):
            inside = self.chunk_length - self.position - 1
            if inside > 0:
                count = self.rfile.readinto(room[total : total + inside])
                if not count:
                    raise OSError("the body ended within a chunk")
                self.position += count
            else:
                piece = self.read(min(2, len(room) - total))
                if not piece:
                    break
                count = len(piece)
                room[total : total + count] = piece
            total += count
        return total


eventlet.wsgi.Input = _Body


class GreenServer:
    """An eventlet WSGI server on its own green thread."""

    def __init__(self, sock: socket.socket, app: Callable[..., Any], max_clients: int) -> None:
        self.port: int = sock.getsockname()[1]
        self._socket = sock
        self._pool = eventlet.GreenPool(max_clients)
        self._stopping = False
        self._task = eventlet.spawn(self._serve, app)

    def _serve(self, app: Callable[..., Any]) -> None:
        try:
            eventlet.wsgi.server(
                self._socket,
                app,
                custom_pool=self._pool,
                protocol=eventlet_http.Protocol,
                log=logging.getLogger("iaas.wsgi"),
                log_output=False,
                debug=False,
                keepalive=True,
                url_length_limit=8192,
                socket_timeout=SOCKET_TIMEOUT,
                capitalize_response_headers=False,
            )
        except (OSError, eventlet.StopServe, eventlet.greenlet.GreenletExit):
            if not self._stopping:
                raise

    def stop(self) -> None:
        self._stopping = True
        self._task.kill()
        self._socket.close()
        with eventlet.Timeout(2, False):
            while self._pool.running() and not _all_idle(self._pool):
                eventlet.sleep(0.05)  # pyright: ignore[reportArgumentType]


def _send_some(sock: Any, file: io.FileIO, offset: int, end: int) -> int:
    """Send what the client takes now, in a native thread as the disk may have to be waited for; return how far."""
    ready = _select.poll()
    ready.register(sock.fileno(), _select.POLLOUT)
    while offset < end and ready.poll(SEND_PATIENCE):
        try:
            sent = os.sendfile(sock.fileno(), file.fileno(), offset, end - offset)
        except BlockingIOError:
            break
        if not sent:
            raise OSError("the file is shorter than it should be")
        offset += sent
    return offset


def _all_idle(pool: Any) -> bool:
    """Connections kept alive without a request hold a green thread each; nobody waits for those."""
    return all(not getattr(thread, "in_request", False) for thread in pool.coroutines_running)


def _attempt(
    fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], calls: set[object], call: object
) -> tuple[Any, Any]:
    """Run a native call; what is no ``Exception`` would end the pool's thread and leave the caller waiting."""
    try:
        return fn(*args, **kwargs), None
    except BaseException as error:
        return None, error
    finally:
        calls.discard(call)  # only now: a call that is late still has its thread


class EventletBackend(base.Backend):
    name = "eventlet"

    def __init__(self) -> None:
        self._rng = random.Random()
        self._calls: set[object] = set()
        eventlet.tpool.set_num_threads(NATIVE_THREADS)

    def spawn(self, fn: Callable[..., T], *args: Any, **kwargs: Any) -> base.Task[T]:
        return GreenTask(fn, args, kwargs)

    def sleep(self, seconds: float) -> None:
        eventlet.sleep(seconds)  # pyright: ignore[reportArgumentType]  fractions are fine

    def native(self, fn: Callable[..., T], *args: Any, timeout: float | None, **kwargs: Any) -> T:
        if self.in_native():
            return fn(*args, **kwargs)
        words = f"{getattr(fn, '__qualname__', fn)} took over {timeout} s"
        call = object()
        self._calls.add(call)
        with eventlet.Timeout(timeout, base.NativeTimeout(words)):
            mine = contextvars.copy_context()  # the request whose records follow, for what the call logs
            outcome: Any = eventlet.tpool.execute(mine.run, _attempt, fn, args, kwargs, self._calls, call)
        result, error = outcome
        if error is not None:
            raise error
        return result

    def native_load(self) -> tuple[int, int]:
        return len(self._calls), NATIVE_THREADS

    def in_native(self) -> bool:
        return _threading.get_ident() != _hub_thread

    def lock(self) -> base.Lock:
        return GreenLock()

    def native_lock(self) -> base.Lock:
        return _threading.RLock()

    def event(self) -> base.Event:
        return GreenEvent()

    def queue(self, maxsize: int) -> base.Queue:
        return eventlet.queue.LightQueue(maxsize or None)  # type: ignore[return-value]

    def semaphore(self, value: int) -> base.Semaphore:
        return GreenSemaphore(value)  # pyright: ignore[reportReturnType]

    def local(self) -> Any:
        from eventlet import corolocal

        return corolocal.local()

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

    def file_sender(self, environ: Mapping[str, Any]) -> base.FileSender | None:
        body = environ.get("eventlet.input")
        sock: Any = getattr(body and body.get_socket(), "fd", None)
        if type(sock) is not _socket.socket:  # TLS, or no server of ours
            return None

        def send(file: io.FileIO, offset: int, count: int) -> None:
            end = offset + count
            while (offset := self.native(_send_some, sock, file, offset, end, timeout=None)) < end:
                stalled: Any = TimeoutError("the client takes nothing")
                eventlet.hubs.trampoline(sock, write=True, timeout=SOCKET_TIMEOUT, timeout_exc=stalled)

        return send

    def wait_fd(self, fileno: int, *, write: bool, timeout: float | None) -> None:
        late: Any = TimeoutError  # any exception will do
        eventlet.hubs.trampoline(fileno, read=not write, write=write, timeout=timeout, timeout_exc=late)

    def listen(self, host: str, port: int) -> socket.socket:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return eventlet.listen((host, port), family=family, backlog=512, reuse_port=False)

    def serve(self, sock: socket.socket, app: Callable[..., Any], *, max_clients: int) -> base.Server:
        return GreenServer(sock, app, max_clients)

    def on_signal(self, number: int, fn: Callable[[], None]) -> None:
        _wake_on_signals()
        signal.signal(number, lambda *_: eventlet.hubs.get_hub().schedule_call_global(0, self.spawn, fn) and None)


@functools.cache
def _wake_on_signals() -> None:
    """Let every signal wake the hub: its wait goes on after a handler ran, and an idle daemon waits for a minute."""
    reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)

    def drain() -> None:
        while True:
            eventlet.hubs.trampoline(reader, read=True)
            os.read(reader, 512)

    eventlet.spawn_n(drain)


def make() -> EventletBackend:
    return EventletBackend()
