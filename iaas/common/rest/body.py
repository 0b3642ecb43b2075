"""Request bodies: limits before parsing, and JSON without its traps.

Refused with a sentence: more bytes than allowed, nesting deeper than 32, more than 1,000 keys, a key twice,
NaN and Infinity, numbers no database can keep, NUL and lone surrogates in text.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Any

from iaas.common import errors

MAX_DEPTH = 32
MAX_KEYS = 1000
MAX_DIGITS = 18  # of a length


def read(environ: Mapping[str, Any], limit: int) -> bytes:
    """Return the body's bytes, at most ``limit``.

    :raises TooLarge: there are more.
    :raises Invalid: the length or the body cannot be read, or fewer bytes came than announced.
    """
    length = environ.get("CONTENT_LENGTH")
    stream = environ["wsgi.input"]
    if length in (None, ""):
        if environ.get("HTTP_TRANSFER_ENCODING", "").lower() != "chunked":
            return b""
        body = _taken(stream, limit + 1)
        announced = len(body)
    else:
        if not length.isascii() or not length.isdigit():
            raise errors.Invalid(reason="The Content-Length header is not a number.")
        if len(length) > MAX_DIGITS or int(length) > limit:
            raise errors.TooLarge(reason=f"Request is too large: {length[:MAX_DIGITS]} bytes, the limit is {limit}.")
        announced = int(length)
        body = _taken(stream, announced)
    if len(body) > limit:
        raise errors.TooLarge(reason=f"Request is too large: over the limit of {limit} bytes.")
    if len(body) != announced:
        raise errors.Invalid(reason="The body ended before the announced Content-Length.")
    return body


def reader(environ: Mapping[str, Any]) -> Callable[[memoryview], int]:
    """Return what fills a buffer with the next bytes of a long body and returns how many; 0 at the body's end.

    Without a copy where the server can.  It raises OSError or ValueError if the connection or a chunk is broken.
    """
    stream = environ["wsgi.input"]
    if hasattr(stream, "readinto"):
        return stream.readinto

    def copied(room: memoryview) -> int:
        chunk = stream.read(len(room))
        room[: len(chunk)] = chunk
        return len(chunk)

    return copied


def _taken(stream: Any, count: int) -> bytes:
    try:
        return stream.read(count)
    except (OSError, ValueError):  # the connection broke, or a chunk is none
        raise errors.Invalid(reason="The body cannot be read.") from None


def parse(body: bytes) -> Any:
    """Return the JSON value of ``body``.

    :raises Invalid: it is not JSON, or one of the traps above.
    """
    keys = [0]

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        keys[0] += len(items)
        if keys[0] > MAX_KEYS:
            raise errors.Invalid(reason=f"The body has more than {MAX_KEYS} keys.")
        found = dict(items)
        if len(found) != len(items):
            raise errors.Invalid(reason="The body has a key twice in one object.")
        return found

    try:
        # json.loads would take UTF-16, and surrogates that no database can keep
        value = json.loads(body.decode("utf-8"), object_pairs_hook=pairs, **_NUMBERS)
    except (ValueError, RecursionError) as error:
        raise errors.Invalid(reason=f"Malformed request body: {_why(error)}") from None
    if _depth(value) > MAX_DEPTH:
        raise errors.Invalid(reason=f"The body is nested deeper than {MAX_DEPTH} levels.")
    if b"\\u" in body:
        _check_text(value)
    return value


def _constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _whole(text: str) -> int:
    """A whole number, if databases and other readers of JSON can keep it."""
    if len(text) > MAX_DIGITS + 2 or not -(2**63) <= (number := int(text)) < 2**63:
        raise ValueError(f"the number {text[:MAX_DIGITS]}… is out of range")
    return number


def _real(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"the number {text[:MAX_DIGITS]} is out of range")
    return number


_NUMBERS: Mapping[str, Any] = {"parse_constant": _constant, "parse_int": _whole, "parse_float": _real}


def _why(error: Exception) -> str:
    return "nested too deeply" if isinstance(error, RecursionError) else str(error)[:200]


def _depth(value: Any) -> int:
    deepest, level = 0, [value]
    while level:
        below: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                below.extend(item.values())
            elif isinstance(item, list):
                below.extend(item)
        deepest += 1
        if deepest > MAX_DEPTH + 1:
            break
        level = below
    return deepest - 1


def _check_text(value: Any) -> None:
    text = json.dumps(value, ensure_ascii=False)
    if "\\u0000" in text:
        raise errors.Invalid(reason="The body has a NUL character in a text.")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise errors.Invalid(reason="The body has a lone surrogate in a text.") from None
