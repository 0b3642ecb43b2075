"""The server's side of RFC 6455, as strict as the standard, without any I/O.

Source: https://datatracker.ietf.org/doc/html/rfc6455
"""

from __future__ import annotations

import base64
import binascii
import codecs
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from iaas.common.streams import Refused, Request, head_of

MAX_FRAME = 1 << 20  # bytes of one frame from a client; keys, the mouse and pasted text are all it sends
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
NORMAL, GOING_AWAY, PROTOCOL_ERROR, BAD_TEXT, TOO_BIG = 1000, 1001, 1002, 1007, 1009
_CODES = (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014)
_MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Violation(Exception):
    """The client broke the protocol; ``code`` is what it is told in our close frame."""

    def __init__(self, code: int, why: str) -> None:
        super().__init__(why)
        self.code = code


@dataclass(frozen=True)
class Event:
    """What one frame means: ``data`` of a message, or a ``ping``, ``pong`` or ``close``."""

    kind: str
    payload: bytes
    code: int = NORMAL


def check(request: Request) -> None:
    """Make sure that a request opens a WebSocket.

    :raises Refused: it does not, or not in version 13.
    """
    if request.method != "GET":
        raise Refused(405, "Only GET is served here.", Allow="GET")
    if not request.has_word("upgrade", "websocket") or not request.has_word("connection", "upgrade"):
        raise Refused(426, "This is a WebSocket; ask to upgrade.", Upgrade="websocket", Connection="Upgrade")
    if request.headers.get("sec-websocket-version") != "13":
        raise Refused(426, "Only version 13 of WebSocket is served.", Sec_WebSocket_Version="13", Upgrade="websocket")
    try:
        key = base64.b64decode(request.headers.get("sec-websocket-key", ""), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != 16:
        raise Refused(400, "The WebSocket key is not one.")
    if request.rest:
        raise Refused(400, "Nothing may follow before the WebSocket is open.")


def accept(request: Request) -> bytes:
    """Return the answer that opens the WebSocket of a request that was checked."""
    digest = hashlib.sha1(request.headers["sec-websocket-key"].encode() + _MAGIC).digest()  # noqa: S324  the standard's
    headers = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Accept": base64.b64encode(digest).decode(),
    }
    if request.has_word("sec-websocket-protocol", "binary"):
        headers["Sec-WebSocket-Protocol"] = "binary"
    return head_of(101, headers)


def frame(opcode: int, payload: bytes) -> bytes:
    """Return one whole message to the client."""
    size = len(payload)
    if size < 126:
        return bytes((0x80 | opcode, size)) + payload
    if size < 1 << 16:
        return bytes((0x80 | opcode, 126)) + size.to_bytes(2, "big") + payload
    return bytes((0x80 | opcode, 127)) + size.to_bytes(8, "big") + payload


def close_frame(code: int, why: str = "") -> bytes:
    return frame(CLOSE, code.to_bytes(2, "big") + why.encode()[:120])


class Reader:
    """Turns the bytes of a client into events; it holds at most one frame."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._message: int | None = None  # the opcode of the message whose end has not come
        self._text = codecs.getincrementaldecoder("utf-8")()

    def feed(self, part: bytes) -> Iterator[Event]:
        """Yield the events that are complete now.

        :raises Violation: the client must be told and dropped.
        """
        self._buffer += part
        while (found := self._frame()) is not None:
            yield self._event(*found)

    def _frame(self) -> tuple[bool, int, bytes] | None:
        """Take one frame from the buffer, unmasked, if it is there as a whole."""
        data = self._buffer
        if len(data) < 2:
            return None
        final, opcode, size = bool(data[0] & 0x80), data[0] & 0x0F, data[1] & 0x7F
        self._check_head(data[0], data[1], final, opcode, size)
        at = 2
        if size >= 126:
            width = 2 if size == 126 else 8
            if len(data) < at + width:
                return None
            size = int.from_bytes(data[at : at + width], "big")
            at += width
            if size < (126 if width == 2 else 1 << 16):
                raise Violation(PROTOCOL_ERROR, "a length is written longer than it is")
        if size > MAX_FRAME:
            raise Violation(TOO_BIG, "a frame is too big")
        if len(data) < at + 4 + size:
            return None
        payload = _unmasked(bytes(data[at + 4 : at + 4 + size]), bytes(data[at : at + 4]))
        del data[: at + 4 + size]
        return final, opcode, payload

    def _check_head(self, first: int, second: int, final: bool, opcode: int, size: int) -> None:
        why = ""
        if first & 0x70:
            why = "a reserved bit is set"
        elif not second & 0x80:
            why = "a frame is not masked"
        elif opcode not in (CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG):
            why = "an opcode is unknown"
        elif opcode >= CLOSE and (not final or size > 125):
            why = "a control frame is too long or in pieces"
        elif opcode == CONTINUATION and self._message is None:
            why = "a continuation continues nothing"
        elif opcode in (TEXT, BINARY) and self._message is not None:
            why = "a message begins within another"
        if why:
            raise Violation(PROTOCOL_ERROR, why)

    def _event(self, final: bool, opcode: int, payload: bytes) -> Event:
        if opcode == CLOSE:
            return _closing(payload)
        if opcode in (PING, PONG):
            return Event("ping" if opcode == PING else "pong", payload)
        kind = self._message if opcode == CONTINUATION else opcode
        if kind == TEXT:
            self._check_text(payload, final)
        self._message = None if final else kind
        return Event("data", payload)

    def _check_text(self, payload: bytes, final: bool) -> None:
        try:
            self._text.decode(payload, final)
        except UnicodeDecodeError:
            raise Violation(BAD_TEXT, "text is not UTF-8") from None


def _closing(payload: bytes) -> Event:
    if not payload:
        return Event("close", b"")
    code = int.from_bytes(payload[:2], "big")
    if len(payload) == 1 or not (code in _CODES or 3000 <= code <= 4999):
        raise Violation(PROTOCOL_ERROR, "a close frame has no such code")
    try:
        payload[2:].decode()
    except UnicodeDecodeError:
        raise Violation(BAD_TEXT, "text is not UTF-8") from None
    return Event("close", payload[2:], code)


def _unmasked(payload: bytes, mask: bytes) -> bytes:
    size = len(payload)
    pattern = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(pattern, "big")).to_bytes(size, "big")
