"""HTTP on native threads, stricter than cheroot's own: a time limit for headers, and one reading of every length.

What two readers could understand in two ways (two lengths, a length and chunks) is refused, as the second could be
a proxy.
"""

from __future__ import annotations

import socket
import threading
import time
from typing import Any

from cheroot import server, wsgi

#: seconds from a request's first byte to the end of its headers
HEADER_SECONDS = 10.0
MAX_REQUEST_LINE = 8192
#: threads added at once
GROWTH = 16
_SINGLE = (b"Content-Length", b"Transfer-Encoding", b"Host")


class _Headers(server.HeaderReader):
    """The headers of one request."""

    def __init__(self) -> None:
        self._seen: set[bytes] = set()

    def _allow_header(self, key_name: bytes) -> bool:
        if key_name in self._seen:
            raise ValueError("A header came twice.")
        if key_name in _SINGLE:
            self._seen.add(key_name)
        return True

    def _transform_key(self, key_name: bytes) -> bytes:
        if key_name != key_name.strip() or not key_name:
            raise ValueError("Illegal header name.")
        return key_name.title()


class Request(server.HTTPRequest):
    """One request."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.header_reader = _Headers()

    def parse_request(self) -> None:
        reading = self.server.reading
        reading[self] = time.monotonic()
        try:
            super().parse_request()
        finally:
            reading.pop(self, None)

    def respond(self) -> None:
        super().respond()
        if self.chunked_read and not getattr(self.rfile, "closed", False):
            self.close_connection = True  # nobody knows where the next request begins

    def read_request_line(self) -> bool:
        fine = super().read_request_line()
        if fine and self.rfile.bytes_read > MAX_REQUEST_LINE:
            self.simple_response("414 URI Too Long")
            return False
        return fine

    def read_request_headers(self) -> bool:
        fine = super().read_request_headers()
        length = self.inheaders.get(b"Content-Length", b"0")
        if fine and (not length.isdigit() or (self.chunked_read and b"Content-Length" in self.inheaders)):
            self.simple_response("400 Bad Request")
            return False
        return fine


class Connection(server.HTTPConnection):
    RequestHandlerClass = Request


class Server(wsgi.Server):
    """A server that ends connections whose headers do not come, and has more threads when all are busy.

    :ivar reading: the requests whose headers are being read, and since when
    """

    ConnectionClass = Connection

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.reading: dict[Request, float] = {}
        self._watched = threading.Event()

    def watch(self) -> None:
        """Start looking at the clock; ends with the server."""
        threading.Thread(target=self._watch, daemon=True, name="wsgi:headers").start()

    def unwatch(self) -> None:
        self._watched.set()

    def _watch(self) -> None:
        while not self._watched.wait(0.25):
            if not self.requests.idle:
                self.requests.grow(GROWTH)
            now = time.monotonic()
            for request, since in list(self.reading.items()):
                if now - since > HEADER_SECONDS:
                    self._end(request)

    @staticmethod
    def _end(request: Request) -> None:
        try:
            request.conn.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # it ended by itself
