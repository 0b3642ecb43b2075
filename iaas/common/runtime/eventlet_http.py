"""HTTP on green threads, stricter than eventlet's own: a time limit for headers, and one reading of every length.

Imported by the back-end only, after the standard library is patched.  What two readers could understand in two
ways (two lengths, a length and chunks, a header that is none) is refused, as the second could be a proxy.
"""

from __future__ import annotations

import http
from typing import Any

import eventlet
import eventlet.wsgi

#: seconds from a request's first byte to the end of its headers
HEADER_SECONDS = 10.0
#: bytes of an unread body that are read to keep a connection; with more it is closed
MAX_UNREAD = 256 * 1024
_REFUSED = b"HTTP/1.1 %s\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class Protocol(eventlet.wsgi.HttpProtocol):
    """One connection."""

    rfile: Any
    _limit: Any = None

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except eventlet.Timeout as timeout:
            if timeout is not self._limit:
                raise
            self._refuse(b"408 Request Timeout")
        finally:
            self._in_time()

    def _read_request_line(self) -> Any:
        try:
            first = self.rfile.peek(1) if not self.rfile.closed else b""
        except OSError:  # nothing came for too long, or the client is gone
            first = b""
        if not first:
            self.close_connection = 1
            return ""
        if b"\r\n\r\n" not in first:  # all there already in almost every case
            self._limit = eventlet.Timeout(HEADER_SECONDS)
        return super()._read_request_line()

    def parse_request(self) -> bool:
        if not super().parse_request():
            return False
        self._in_time()
        headers = self.headers
        lengths = headers.get_all("content-length", ())
        codings = headers.get_all("transfer-encoding", ())
        fine = (
            len(lengths) <= 1
            and len(codings) <= 1
            and not (lengths and codings)
            and all(length.isascii() and length.isdigit() for length in lengths)
            and all(coding.lower() == "chunked" for coding in codings)
            and not headers.defects
            and not headers.get_payload()
        )
        if not fine:
            self._refuse(b"400 Bad Request")
        return fine

    def get_environ(self) -> dict[str, Any]:
        environ = super().get_environ()
        if "content-type" not in self.headers:
            environ["CONTENT_TYPE"] = ""  # and not what an e-mail without one would be
        body = environ["eventlet.input"]
        if body.chunked_input or body.content_length:
            body.discard = lambda: _discard(body)
        return environ

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        self._refuse(f"{code} {http.HTTPStatus(code).phrase}".encode())

    def _in_time(self) -> None:
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None

    def _refuse(self, status: bytes) -> None:
        self.close_connection = 1
        try:
            self.wfile.write(_REFUSED % status)
            self.wfile.flush()
        except OSError:
            return  # whoever does not listen is not told


def _discard(body: Any) -> None:
    """Read what the application left of a body, if that is little.

    :raises ChunkReadError: it is more, and the connection must end.
    """
    announced = (body.content_length or 0) - body.position if not body.chunked_input else 0
    left = MAX_UNREAD
    while announced <= MAX_UNREAD and left > 0:
        piece = body.read(16 * 1024)
        if not piece:
            return
        left -= len(piece)
    raise eventlet.wsgi.ChunkReadError("more of a body was left unread than is worth reading")
