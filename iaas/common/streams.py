"""Connections that stop being HTTP: a small strict server for upgrades, and a pump between two sockets.

WSGI has no way to hand the socket over, so the console proxy and the agents of the compute hosts listen with this:
it reads the head of one request, gives the connection to a handler, and closes it when the handler returns.
Source: https://datatracker.ietf.org/doc/html/rfc9112 (one request on a connection, no bodies).
"""

from __future__ import annotations

import contextlib
import logging
import re
import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from iaas.common import runtime

LOG = logging.getLogger(__name__)
MAX_HEAD = 16 * 1024  # bytes of request line and headers
HEAD_SECONDS = 10.0  # for the whole head, however it drips
CHUNK = 32 * 1024  # bytes in flight in one direction of a pump
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
#: headers that say who and where: two of them could be read in two ways
_SINGLE = re.compile(
    r"host|origin|content-length|transfer-encoding|authorization|sec-websocket-(key|version)|x-agent-.*"
)
_TARGET = re.compile(r"[\x21-\x7e]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_REASONS = {
    101: "Switching Protocols", 200: "OK", 400: "Bad Request", 403: "Forbidden", 404: "Not Found",
    405: "Method Not Allowed", 408: "Request Timeout", 426: "Upgrade Required",
    431: "Request Header Fields Too Large", 500: "Internal Server Error", 502: "Bad Gateway",
    503: "Service Unavailable",
}  # fmt: skip


class Refused(Exception):
    """Ends a request with a status and a sentence of our own."""

    def __init__(self, status: int, text: str, **headers: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


class Gone(Exception):
    """The other side closed the connection, or never said anything."""


@dataclass(frozen=True)
class Request:
    """One connection with the head of its request.

    :ivar headers: by name in lower case; one that came several times is joined by commas, where that is allowed
    :ivar rest: bytes that came behind the head already
    """

    sock: socket.socket
    method: str
    target: str
    headers: Mapping[str, str]
    rest: bytes = b""

    def has_word(self, header: str, word: str) -> bool:
        """Whether a header that lists words, such as ``Connection``, has one, in any case."""
        return word in [part.strip().lower() for part in self.headers.get(header, "").split(",")]


Handler = Callable[[Request], None]


class StreamServer:
    """Accepts connections and runs a handler for each, at most ``max_clients`` at a time.

    :ivar port: where it listens
    """

    def __init__(self, sock: socket.socket, handler: Handler, *, max_clients: int) -> None:
        self.port: int = sock.getsockname()[1]
        self._listener = sock
        self._handler = handler
        self._room = runtime.semaphore(max_clients)
        self._open: set[socket.socket] = set()
        self._stopping = False
        self._task = runtime.spawn(self._accept)

    def stop(self) -> None:
        """Take no more connections and end those there are."""
        self._stopping = True
        wake(self._listener)
        self._task.wait()
        for sock in list(self._open):
            wake(sock)

    def _accept(self) -> None:
        """Who waits on the listener closes it: a descriptor closed under a green thread wakes it never again, and the
        hub takes whoever gets the descriptor's number next for a second one to wait there."""
        with self._listener:
            self._accept_all()

    def _accept_all(self) -> None:
        while not self._stopping:
            try:
                sock, _ = self._listener.accept()
            except OSError as error:
                if self._stopping:
                    return
                LOG.warning("cannot accept a connection: %s", error)  # out of descriptors, mostly: wait for some
                runtime.sleep(0.1)
                continue
            if not self._room.acquire(blocking=False):
                refuse(sock, Refused(503, "Too many connections at a time; try again."))
                sock.close()
                continue
            self._open.add(sock)
            runtime.spawn(self._serve, sock)

    def _serve(self, sock: socket.socket) -> None:
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._handler(read_head(sock))
        except Refused as refused:
            refuse(sock, refused)
        except (Gone, OSError) as error:
            LOG.debug("a connection ended: %s", error)
        except Exception:
            LOG.exception("a connection failed")
            refuse(sock, Refused(500, "An internal error stopped the request; the log has the details."))
        finally:
            self._open.discard(sock)
            sock.close()
            self._room.release()


def read_head(sock: socket.socket) -> Request:
    """Return the request a connection begins with.

    :raises Refused: it is not HTTP/1.1 as the standard writes it, too long or too slow.
    :raises Gone: the other side closed before its end.
    """
    deadline = runtime.monotonic() + HEAD_SECONDS
    data = b""
    while b"\r\n\r\n" not in data:
        if len(data) > MAX_HEAD:
            raise Refused(431, "The headers are too long.")
        left = deadline - runtime.monotonic()
        try:
            sock.settimeout(max(left, 0.001))
            part = sock.recv(4096)
        except TimeoutError:
            raise Refused(408, "The request took too long.") from None
        if not part:
            raise Gone("it was closed within its head")
        data += part
    head, _, rest = data.partition(b"\r\n\r\n")
    if len(head) > MAX_HEAD:
        raise Refused(431, "The headers are too long.")
    sock.settimeout(HEAD_SECONDS)
    return _parse(sock, head.decode("latin-1"), rest)


def _parse(sock: socket.socket, head: str, rest: bytes) -> Request:
    first, *lines = head.split("\r\n")
    words = first.split(" ")
    if len(words) != 3 or words[2] != "HTTP/1.1" or not _TOKEN.fullmatch(words[0]) or not _TARGET.fullmatch(words[1]):
        raise Refused(400, "The request line is not one of HTTP/1.1.")
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not _TOKEN.fullmatch(name) or not _VALUE.fullmatch(value):
            raise Refused(400, "A header is not well formed.")
        name, value = name.lower(), value.strip(" \t")
        if name in headers:
            if _SINGLE.fullmatch(name):
                raise Refused(400, "A header came twice.")
            value = f"{headers[name]}, {value}"
        headers[name] = value
    if "transfer-encoding" in headers or headers.get("content-length", "0") != "0":
        raise Refused(400, "No body is taken here.")
    if not headers.get("host"):
        raise Refused(400, "The Host header is missing.")
    return Request(sock, words[0], words[1], headers, rest)


def head_of(status: int, headers: Mapping[str, str]) -> bytes:
    """Return the head of an answer."""
    lines = [f"HTTP/1.1 {status} {_REASONS[status]}", *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def answer(sock: socket.socket, status: int, body: bytes, kind: str = "text/plain; charset=utf-8", **more: str) -> None:
    """Send a whole answer, the last one on its connection."""
    headers = {"Content-Type": kind, "Content-Length": str(len(body)), "Connection": "close", **more}
    sock.sendall(head_of(status, headers) + body)


def refuse(sock: socket.socket, refused: Refused) -> None:
    """Send a refusal if the other side still listens."""
    with contextlib.suppress(OSError):
        sock.settimeout(2.0)
        answer(sock, refused.status, f"{refused.text}\n".encode(), **refused.headers)


def wake(sock: socket.socket) -> None:
    """End a socket for whoever waits on it; it may have ended already."""
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)


class Idle:
    """When something last passed a pair of sockets, so that one silent direction does not end the other.

    :param seconds: how long both may be silent
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._last = runtime.monotonic()

    def touch(self) -> None:
        self._last = runtime.monotonic()

    @property
    def over(self) -> bool:
        return runtime.monotonic() - self._last >= self._seconds

    @property
    def poll(self) -> float:
        """How long one read waits before it looks again."""
        return min(self._seconds, 30.0)


def parts(sock: socket.socket, idle: Idle) -> Iterator[bytes]:
    """Yield what a socket says, in pieces of at most 32 KiB, until it ends or both directions are silent too long.

    The next piece is read when the last was taken, so a slow reader slows its writer and nothing piles up.
    """
    while True:
        try:
            part = sock.recv(CHUNK)
        except TimeoutError:
            if idle.over:
                return
            continue
        except OSError:
            return
        if not part:
            return
        idle.touch()
        yield part


def pump(left: socket.socket, right: socket.socket, idle: Idle) -> None:
    """Carry bytes both ways until either side ends or both are silent too long, and end both."""
    for sock in (left, right):
        sock.settimeout(idle.poll)
    other = runtime.spawn(carry, right, left.sendall, idle, left)
    carry(left, right.sendall, idle, right)
    other.wait()


def carry(source: socket.socket, send: Callable[[bytes], None], idle: Idle, other: socket.socket) -> None:
    """Carry one direction until it ends; then end both, so that the other direction ends too."""
    try:
        for part in parts(source, idle):
            send(part)
    except OSError as error:
        LOG.debug("a stream ended: %s", error)
    finally:
        wake(source)
        wake(other)
