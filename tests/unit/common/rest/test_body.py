"""Bodies: the limits before parsing, and the traps of JSON."""

from __future__ import annotations

import io

import pytest

from iaas.common import errors
from iaas.common.rest import body


def environ(raw: bytes, length: str | None = None, **more: str) -> dict:
    found = {"wsgi.input": io.BytesIO(raw), **more}
    if length is not None:
        found["CONTENT_LENGTH"] = length
    return found


@pytest.mark.parametrize(("raw", "value"), [
    (b"{}", {}), (b" [1, 2.5, -3] ", [1, 2.5, -3]), (b'"\\u00e9\\ud83d\\ude00"', "é😀"),
    (b"9223372036854775807", 2**63 - 1),
    (b"-9223372036854775808", -(2**63)), (b"1e308", 1e308), ("\"\u2028\"".encode(), "\u2028"),
    (b"[" * 3 + b"]" * 3, [[[]]]),
])  # fmt: skip
def test_json_is_read(raw: bytes, value: object) -> None:
    assert body.parse(raw) == value


@pytest.mark.parametrize("raw", [
    b"", b"{", b"NaN", b"[Infinity]", b"-Infinity", b'{"a": 1, "a": 1}', b"1e400", b"-1e999", b"9223372036854775808",
    b"-9223372036854775809", b"1" * 100_000, b"[" * 34 + b"]" * 34, b"[" * 100_000, b'"\\u0000"', b'"\\ud800"',
    b'"\xed\xa0\x80"', b'"\xff"', "{}".encode("utf-16"), "{}".encode("utf-32"), b"\xef\xbb\xbf{}", b'"a\nb"', b"{} {}",
    b"{" + b",".join(b'"%d":1' % n for n in range(1001)) + b"}", b'{"\\udfff": 1}', b"'a'", b"01", b"+1", b"\xd9\xa1",
])  # fmt: skip
def test_what_is_a_trap_is_refused_in_a_short_sentence(raw: bytes) -> None:
    with pytest.raises(errors.Invalid) as caught:
        body.parse(raw)
    assert len(caught.value.message) < 300


def test_a_body_is_read_up_to_its_announced_length() -> None:
    assert body.read(environ(b"abcdef", "3"), 10) == b"abc"
    assert body.read(environ(b"abc"), 10) == b""
    assert body.read(environ(b"abc", HTTP_TRANSFER_ENCODING="Chunked"), 10) == b"abc"


@pytest.mark.parametrize("length", ["11", "9" * 18, "9" * 5000])
def test_more_than_the_limit_is_refused_unread(length: str) -> None:
    asked = environ(b"x" * 20, length)
    with pytest.raises(errors.TooLarge):
        body.read(asked, 10)
    assert asked["wsgi.input"].tell() == 0


def test_a_chunked_body_ends_one_byte_after_the_limit() -> None:
    asked = environ(b"x" * 100, HTTP_TRANSFER_ENCODING="chunked")
    with pytest.raises(errors.TooLarge):
        body.read(asked, 10)
    assert asked["wsgi.input"].tell() == 11


@pytest.mark.parametrize("length", ["-1", "+1", "1.0", "0x1", " 1", "٣", "²", "1,1", "abc", "5"])
def test_a_length_that_is_none_or_not_kept_is_refused(length: str) -> None:
    with pytest.raises(errors.Invalid):
        body.read(environ(b"abc", length), 10)
