"""Limits of the servers themselves on both runtimes, bounded memories, canaries, forced crashes (T24, T53-T56, T59)."""

from __future__ import annotations

import contextlib
import io
import logging
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from iaas.common import log
from tests.fixtures import matrix, matrix_bodies
from tests.fixtures.matrix import PASSWORD, World, shared_world, world
from tests.fixtures.matrix_seeds import CANARY

__all__ = ["shared_world", "world"]
ROWS = {str(row): row for row in matrix.rows()}


@pytest.fixture(scope="module", params=["eventlet", "threads"])
def port(request: pytest.FixtureRequest) -> Iterator[int]:
    """A small API served by one of the runtimes."""
    argv = [sys.executable, "-m", "tests.fixtures.served", request.param]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdin is not None
        yield int(child.stdout.readline())
        child.stdin.close()
        child.wait(10)


def converse(port: int, raw: bytes, seconds: float = 5.0) -> bytes:
    """Send bytes and return all that comes back until the server closes, or nothing comes for a moment."""
    with socket.create_connection(("127.0.0.1", port), seconds) as sock:
        with contextlib.suppress(OSError):
            sock.sendall(raw)
        found = b""
        sock.settimeout(0.5)
        with contextlib.suppress(OSError):
            while piece := sock.recv(65536):
                found += piece
        return found


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/") else 0


def serves(port: int) -> bool:
    """Whether a normal request is answered, within a second."""
    started = time.monotonic()
    answer = converse(port, b"GET /things/a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    return status(answer) == 200 and time.monotonic() - started < 1.5


GET = b"GET /things/a HTTP/1.1\r\nHost: x\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
POST = b"POST /things HTTP/1.1\r\nHost: x\r\n"
GOOD = b'{"thing": {"name": "n"}}'
SMUGGLED = b"GET /things/smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
#: bytes on the wire, and the answers that are right; 0 is a connection closed without a word
WIRE: dict[str, tuple[bytes, set[int]]] = {
    "normal": (POST + b"Content-Length: 24\r\n\r\n" + GOOD, {201}),
    "two lengths": (POST + b"Content-Length: 24\r\nContent-Length: 5\r\n\r\n" + GOOD + SMUGGLED, {400}),
    "two equal lengths": (POST + b"Content-Length: 24\r\nContent-Length: 24\r\n\r\n" + GOOD, {400}),
    "a list of lengths": (POST + b"Content-Length: 24, 24\r\n\r\n" + GOOD, {400}),
    "length and chunks": (POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED, {400}),
    "chunks and length": (POST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + SMUGGLED, {400}),
    "unknown coding": (POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + SMUGGLED, {400, 501}),
    "two codings": (POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n" + SMUGGLED, {400, 501}),
    "coding with a space": (POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + SMUGGLED, {400}),
    "length with a plus": (POST + b"Content-Length: +24\r\n\r\n" + GOOD, {400}),
    "length with an underscore": (POST + b"Content-Length: 2_4\r\n\r\n" + GOOD, {400}),
    "negative length": (POST + b"Content-Length: -1\r\n\r\n", {400}),
    "no colon": (b"GET /things/a HTTP/1.1\r\nHost: x\r\nnonsense\r\nX: y\r\n\r\n", {400}),
    "bad chunk": (POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n", {400, 0}),
    "chunks": (POST + b"Transfer-Encoding: chunked\r\n\r\n18\r\n" + GOOD + b"\r\n0\r\n\r\n", {201}),
    "chunks over the limit": (POST + CHUNKED + b"\r\n8000\r\n" + b" " * 0x8000 + b"\r\n", {413, 400, 0}),
    "announced too large": (POST + b"Content-Length: 100000000000\r\n\r\n" + b" " * 1000, {413}),
    "long header": (b"GET /things/a HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 64 * 1024 + b"\r\n\r\n", {400, 413, 431}),
    "many long headers": (
        GET + b"".join(b"X%d: %s\r\n" % (n, b"y" * 500) for n in range(60)) + b"\r\n",
        {400, 413, 431},
    ),
    "1000 headers": (GET + b"".join(b"X%d: y\r\n" % n for n in range(1000)) + b"\r\n", {200, 400, 431}),
    "long URL": (b"GET /things/" + b"a" * 10_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", {414}),
    "very long URL": (b"GET /things/" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", {414}),
    "unknown method": (b"FOO /things/a HTTP/1.1\r\nHost: x\r\n\r\n", {401, 405, 501}),
    "HTTP 1.0": (b"GET /things/a HTTP/1.0\r\n\r\n", {200}),
    "HTTP 9": (b"GET /things/a HTTP/9.9\r\nHost: x\r\n\r\n", {400, 505}),
    "no HTTP": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 100 + b"\r\n\r\n", {400, 0}),
    "blank lines": (b"\r\n\r\n\r\n\r\n", {400, 0}),
    "NUL in the path": (b"GET /things/a\x00b HTTP/1.1\r\nHost: x\r\n\r\n", {400, 404, 401}),
    "escaped NUL": (b"GET /things/a%00b HTTP/1.1\r\nHost: x\r\n\r\n", {400, 404, 401}),
    "bad UTF-8": (b"GET /things/%ff%fe HTTP/1.1\r\nHost: x\r\n\r\n", {400, 404, 401}),
    "line breaks in the path": (b"GET /things/a%0d%0aX-Evil:%20b HTTP/1.1\r\nHost: x\r\n\r\n", {200}),
    "evil host": (b"GET /things/a HTTP/1.1\r\nHost: evil.example\r\nX-Forwarded-Host: evil.example\r\n\r\n", {200}),
    "whole URL": (b"GET http://evil.example/things/a HTTP/1.1\r\nHost: x\r\n\r\n", {200, 400, 401, 404}),
}  # fmt: skip


@pytest.mark.parametrize("what", WIRE)
def test_what_is_no_clear_http_is_refused_once_and_the_server_lives(port: int, what: str) -> None:
    raw, fine = WIRE[what]
    answer = converse(port, raw)
    assert status(answer) in fine, answer[:300]
    assert answer.count(b"HTTP/1.") <= 1, answer
    assert b"smuggled" not in answer
    assert b"evil" not in answer.lower() or what == "line breaks in the path"
    assert b"X-Evil" not in answer.split(b"\r\n\r\n")[0]
    assert serves(port)


def test_slow_headers_are_cut_off_and_others_are_served(port: int) -> None:
    """T55: a byte now and then keeps no connection for longer than ten seconds."""
    lives: list[float] = []

    def trickle(raw: bytes) -> None:
        started = time.monotonic()
        with socket.create_connection(("127.0.0.1", port), 5) as sock, contextlib.suppress(OSError):
            sock.settimeout(0.4)
            for byte in raw:
                sock.sendall(bytes([byte]))
                with contextlib.suppress(TimeoutError):
                    if not sock.recv(1) or True:
                        break
        lives.append(time.monotonic() - started)

    slow = b"GET /things/a HTTP/1.1\r\nHost: " + b"x" * 200
    threads = [threading.Thread(target=trickle, args=(raw,)) for raw in (slow, b"G" * 200, slow, b"\r\n" + slow) * 5]
    for thread in threads:
        thread.start()
    for _ in range(5):
        assert serves(port)
    for thread in threads:
        thread.join(20)
    assert len(lives) == len(threads)
    assert max(lives) < 13, lives


# -- memories that could grow -----------------------------------------------------------------------------------


def test_unknown_paths_and_tokens_leave_nothing_behind(world: World) -> None:
    """T54, T55: what anybody may send makes no rows, and no more than a bounded memory."""
    before = world.counts()
    for number in range(10_000):
        answer = world.ask("compute", "GET", f"/v2.1/nothing-{number}/x{number}", None, "nobody")
        assert answer.status == 401
    for number in range(10_000):
        answer = world.ask("compute", "GET", "/v2.1/servers", None, "nobody", {"X-Auth-Token": f"gAAAAA{number:0200d}"})
        assert answer.status == 401
    for number in range(500):
        assert world.ask("network", "GET", f"/v2.0/nothing{number}", None, "member").status == 404
        assert world.ask("identity", "GET", "/v3/users", None, "nobody", {"X-Auth-Token": f"x{number}"}).status == 401
    assert not world.changed()
    assert world.counts() == before
    assert len(world.asker._refused) <= 2000
    assert len(world.asker._known) <= 10_000
    assert len(world.clients.policy._decided) <= 10_000


def test_the_host_header_and_reflected_values_are_inert(world: World) -> None:
    """T56: links come from the configuration, never from the request."""
    forged = {"Host": "evil.example", "X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "javascript"}
    paths = [
        ("compute", "/v2.1/servers"), ("compute", "/"), ("compute", "/v2.1/flavors/detail"), ("network", "/"),
        ("volume", "/"), ("volume", "/v3/volumes/detail?limit=1"), ("image", "/"), ("image", "/v2/images?limit=1"),
        ("identity", "/"), ("identity", "/v3/projects"), ("network", "/v2.0/networks?limit=1"),
    ]  # fmt: skip
    for api, path in paths:
        answer = world.ask(api, "GET", path, None, "admin", forged)
        assert answer.status in (200, 300), (path, answer.data)
        assert "evil.example" not in str(answer.headers) + answer.data.decode(), path
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Content-Type"] == "application/json"
    script = "%3Cscript%3Ealert(1)%3C/script%3E"
    for api, prefix in matrix.PREFIXES.items():
        answer = world.ask(api, "GET", f"{prefix}/{script}?next=//evil.example", None, "admin")
        assert answer.headers["Content-Type"] == "application/json"
        assert "Location" not in answer.headers


# -- secrets ----------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def logged() -> Iterator[io.StringIO]:
    """All that is logged inside, as the daemons write it, at the finest level."""
    text = io.StringIO()
    handler = logging.StreamHandler(text)
    handler.setFormatter(log.Formatter(as_json=False))
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield text
    finally:
        root.removeHandler(handler)
        root.setLevel(level)


def test_no_secret_is_logged_at_any_level(world: World) -> None:
    """T59: everything is asked for once, with canaries in every text of every body, and half of it fails."""
    canary = "canary-6f2d1c"
    with logged() as text:
        for row in ROWS.values():
            body = row.operation.body
            sent = None
            if body is not None:
                sent = matrix_bodies.sample(body.values[-1].schema, full=True)
                _plant(sent, canary)
            world.send(row, sent, "admin", "?token=" + canary, {"X-Subject-Token": str(world.tokens["member"])})
            world.restore()
        user = {"name": "person-member", "domain": {"id": "default"}, "password": PASSWORD}
        auth = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}}}
        assert world.ask("identity", "POST", "/v3/auth/tokens", auth, "nobody").status == 201
    written = text.getvalue()
    assert len(written.splitlines()) > 100
    assert canary not in written
    for secret in (PASSWORD, *CANARY.values(), *world.secrets, *filter(None, world.tokens.values())):
        assert secret not in written, secret
    assert not re.search(r"PRIVATE KEY", written)
    assert all(len(line) < 2048 for line in written.splitlines())


def test_a_line_of_the_log_cannot_be_forged(world: World) -> None:
    forged = "\n2026-11-21T00:00:00.000Z INFO    iaas.request [-] forged"
    with logged() as text:
        world.ask("compute", "GET", "/v2.1/servers/" + forged.replace(" ", "%20"), None, "member")
        logging.getLogger("iaas.test").warning("name %s and \x1b[31m \r %s", forged, "y" * 100_000)
        try:
            raise RuntimeError(forged)
        except RuntimeError:
            logging.getLogger("iaas.test").exception("failed at %s", forged)
    lines = text.getvalue().split("\n")
    assert not [line for line in lines if line.startswith("2026-11-21T00:00:00.000Z")]
    assert "\x1b" not in text.getvalue()
    assert "\r" not in text.getvalue()
    assert all(len(line) < 2048 for line in lines)


def test_the_values_of_a_failing_statement_are_not_logged(world: World) -> None:
    import sqlalchemy as sa

    def fail(tx: Any) -> None:
        tx.execute(sa.text("INSERT INTO no_such_table (secret) VALUES (:secret)"), {"secret": "canary-9a8b"})

    said = ""
    with logged() as text:
        try:
            world.clients.db.write(world.context("admin"), fail)
        except sa.exc.OperationalError as error:
            said = str(error)
            logging.getLogger("iaas.test").exception("failed")
    assert "no_such_table" in said
    assert "no_such_table" in text.getvalue()
    assert "canary-9a8b" not in text.getvalue() + said


def _plant(value: Any, canary: str) -> None:
    """Put the canary where a secret would be."""
    names = ("password", "secret", "adminPass", "blob", "user_data", "original_password", "signature", "public_key")
    items = (
        list(value.items()) if isinstance(value, dict) else list(enumerate(value)) if isinstance(value, list) else []
    )
    for key, inner in items:
        if key in names and isinstance(inner, str):
            value[key] = canary
        else:
            _plant(inner, canary)


# -- crashes ----------------------------------------------------------------------------------------------------

#: an operation of each API, whose handler is made to fail
CRASHES = {
    "compute": "compute GET /servers/{server_id}",
    "network": "network GET /networks/{network_id}",
    "volume": "volume GET /volumes/{volume_id}",
    "identity": "identity GET /regions/{region_id}",
    "image": "image GET /images/{image_id}",
}


@pytest.mark.parametrize("api", CRASHES)
@pytest.mark.parametrize("error", [RuntimeError, ValueError, KeyError, OSError, UnicodeError, RecursionError])
def test_a_crash_tells_the_user_a_sentence_and_a_request_id(
    world: World, api: str, error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    """T24: what the exception says is for the log."""
    row = ROWS[CRASHES[api]]
    told = "canary /etc/path password=hunter2 SELECT * FROM users"

    def fail(*_args: Any, **_kwargs: Any) -> Any:
        raise error(told)

    application = world.apps[api]
    while hasattr(application, "app"):
        application = application.app
    for operation in application.operations:
        if operation.key == row.operation.key:
            monkeypatch.setitem(operation.__dict__, "handler", fail)
    with logged() as text:
        answer = world.send(row, None, "admin")
    assert answer.status == 500
    assert matrix.is_fault(api, answer)
    body = answer.data.decode()
    request_id = answer.headers["X-Openstack-Request-Id"]
    assert request_id in body
    assert "unexpected error prevented the request" in body
    for word in ("canary", "/etc/", "hunter2", "SELECT", "Traceback", error.__name__):
        assert word not in body
    assert "canary" in text.getvalue()
    assert "hunter2" not in text.getvalue()
    monkeypatch.undo()
    assert world.send(row, None, "admin").status == 200
