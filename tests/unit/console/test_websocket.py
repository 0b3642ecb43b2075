"""RFC 6455 from the server's side: what is taken, and what a client is dropped for."""

from __future__ import annotations

import pytest

from iaas.common.streams import Refused, Request
from iaas.console import websocket
from iaas.console.websocket import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Reader, Violation
from tests.fixtures.ws import masked

GOOD = {
    "host": "h", "upgrade": "WebSocket", "connection": "keep-alive, Upgrade", "sec-websocket-version": "13",
    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
}  # fmt: skip


def request(method="GET", rest=b"", **headers):
    changed = {**GOOD, **{name.replace("_", "-"): value for name, value in headers.items()}}
    return Request(None, method, "/", {name: value for name, value in changed.items() if value is not None}, rest)


def events(*parts):
    reader = Reader()
    return [event for part in parts for event in reader.feed(part)]


def data(*parts):
    return b"".join(event.payload for event in events(*parts) if event.kind == "data")


def test_the_answer_is_that_of_the_standards_own_example():
    answer = websocket.accept(request())
    assert answer.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
    assert b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" in answer
    assert b"Protocol" not in answer.partition(b"\r\n")[2]


def test_binary_is_chosen_of_the_subprotocols_and_nothing_else():
    assert b"Sec-WebSocket-Protocol: binary\r\n" in websocket.accept(request(sec_websocket_protocol="base64, binary"))
    assert b"Sec-WebSocket-Protocol" not in websocket.accept(request(sec_websocket_protocol="base64"))


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"method": "POST"}, 405),
        ({"method": "CONNECT"}, 405),
        ({"upgrade": None}, 426),
        ({"upgrade": "h2c"}, 426),
        ({"connection": "keep-alive"}, 426),
        ({"sec_websocket_version": "8"}, 426),
        ({"sec_websocket_key": None}, 400),
        ({"sec_websocket_key": "c2hvcnQ="}, 400),
        ({"sec_websocket_key": "not base64 at all!"}, 400),
        ({"rest": b"x"}, 400),
    ],
)
def test_what_does_not_open_a_websocket_is_refused(changed, status):
    with pytest.raises(Refused) as caught:
        websocket.check(request(**changed))
    assert caught.value.status == status


def test_a_request_as_browsers_send_it_is_fine():
    websocket.check(request())


@pytest.mark.parametrize("size", [0, 1, 3, 125, 126, 127, 65_535, 65_536, websocket.MAX_FRAME])
def test_frames_of_every_length_come_through_both_ways(size):
    payload = bytes(range(256)) * (size // 256 + 1)
    payload = payload[:size]
    assert data(masked(BINARY, payload)) == payload
    sent = websocket.frame(BINARY, payload)
    assert sent[0] == 0x82
    assert sent.endswith(payload)
    assert len(sent) - size == (2 if size < 126 else 4 if size < 65_536 else 10)


def test_bytes_may_come_one_by_one():
    stream = masked(BINARY, b"one") + masked(PING, b"p") + masked(BINARY, b"x" * 300)
    found = events(*[bytes([byte]) for byte in stream])
    assert [event.kind for event in found] == ["data", "ping", "data"]
    assert found[1].payload == b"p"


def test_a_message_may_come_in_pieces_with_a_ping_between_them():
    stream = masked(BINARY, b"a", first=0) + masked(PING, b"") + masked(CONTINUATION, b"b", first=0)
    assert data(stream + masked(CONTINUATION, b"c")) == b"abc"


def test_text_may_be_cut_within_a_character():
    euro = "€".encode()
    assert data(masked(TEXT, euro[:1], first=0) + masked(CONTINUATION, euro[1:])) == euro


def test_a_close_says_its_code():
    [event] = events(masked(CLOSE, (1001).to_bytes(2, "big") + b"bye"))
    assert (event.kind, event.code, event.payload) == ("close", 1001, b"bye")
    assert events(masked(CLOSE, b""))[0].code == 1000


@pytest.mark.parametrize(
    ("stream", "code"),
    [
        (b"\x82\x01x", 1002),  # not masked
        (masked(BINARY, b"x", first=0xC0), 1002),  # a reserved bit
        (masked(0x3, b""), 1002),  # unknown opcodes
        (masked(0xB, b""), 1002),
        (masked(PING, b"", first=0), 1002),  # a control frame in pieces
        (masked(PING, b"x" * 126), 1002),
        (masked(CONTINUATION, b"x"), 1002),  # of nothing
        (masked(BINARY, b"x", first=0) + masked(BINARY, b"y"), 1002),
        (b"\x82\xfe\x00\x05abcdxxxxx", 1002),  # 5 written as 16 bits
        (b"\x82\xff" + (65_535).to_bytes(8, "big") + b"abcd", 1002),
        (b"\x82\xff" + (1 << 63).to_bytes(8, "big"), 1009),
        (b"\x82\xff" + (websocket.MAX_FRAME + 1).to_bytes(8, "big"), 1009),
        (masked(TEXT, b"\xff"), 1007),
        (masked(TEXT, "€".encode()[:2]), 1007),  # ends within a character
        (masked(CLOSE, b"\x03"), 1002),
        (masked(CLOSE, (999).to_bytes(2, "big")), 1002),
        (masked(CLOSE, (1005).to_bytes(2, "big")), 1002),
        (masked(CLOSE, (1000).to_bytes(2, "big") + b"\xff"), 1007),
    ],
)
def test_a_broken_rule_is_told_by_its_code(stream, code):
    with pytest.raises(Violation) as caught:
        events(stream)
    assert caught.value.code == code


def test_a_frame_that_is_too_big_is_refused_by_its_head():
    reader = Reader()
    with pytest.raises(Violation):
        list(reader.feed(b"\x82\xff" + (1 << 40).to_bytes(8, "big")))


def test_a_pong_is_only_heard():
    assert [event.kind for event in events(masked(PONG, b"x"))] == ["pong"]
