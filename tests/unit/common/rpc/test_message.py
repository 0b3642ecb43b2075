from __future__ import annotations

import datetime

import orjson
import pytest

from iaas.common import rpc

WIRE = {"v": 1, "method": "run", "args": {"a": 1}, "id": "m-1"}


def changed(**fields):
    return orjson.dumps({**WIRE, **fields})


def test_a_message_survives_the_wire():
    message = rpc.Message("run", {"a": 1}, "req-1", {"is_admin": True}, "reply.1")
    assert rpc.Message.decode(message.encode()) == message


def test_the_wire_format_is_what_other_releases_read():
    body = rpc.Message("run", {"job_id": "j"}, "req-1", id="m-1").encode()
    assert orjson.loads(body) == {
        "v": 1, "method": "run", "args": {"job_id": "j"}, "request_id": "req-1", "id": "m-1",
    }  # fmt: skip


def test_unknown_fields_are_ignored():
    assert rpc.Message.decode(changed(priority=9, trace={})) == rpc.Message("run", {"a": 1}, id="m-1")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[]",
        b"null",
        changed(v=2),
        changed(v="1"),
        changed(method=None),
        changed(method=["run"]),
        changed(args=[]),
        changed(id=7),
        changed(ctx="admin"),
        changed(reply_to={}),
        changed(args={"x": "y" * 70_000}),
    ],
)
def test_what_is_no_message_of_version_1_is_undecodable(body):
    with pytest.raises(rpc.Undecodable):
        rpc.Message.decode(body)


@pytest.mark.parametrize("value", [object(), b"bytes", {1, 2}, datetime.datetime.now(), {1: "int key"}])
def test_only_plain_values_are_sent(value):
    with pytest.raises(TypeError):
        rpc.Message("run", {"value": value}).encode()


def test_more_than_64_kib_is_too_large():
    rpc.Message("run", {"x": "y" * 65_000}).encode()
    with pytest.raises(rpc.MessageTooLarge):
        rpc.Message("run", {"x": "y" * 65_536}).encode()
