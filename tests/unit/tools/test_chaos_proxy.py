"""The proxy of the kill matrix does to a connection what it is told, and nothing else."""

from __future__ import annotations

import socket
import socketserver
import threading
import time

import pytest

from tools.chaos.proxy import Proxy

LIMIT = 20.0


class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        while data := self.request.recv(65536):
            self.server.heard.append(data)
            self.request.sendall(data)


@pytest.fixture
def server():
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Echo) as made:
        made.daemon_threads = True
        made.heard = []
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield made
        made.shutdown()
        thread.join()


@pytest.fixture
def proxy(server):
    with Proxy(lambda: server.server_address[1]) as made:
        yield made


@pytest.fixture
def connect(proxy):
    made = []

    def one():
        made.append(socket.create_connection(("127.0.0.1", proxy.port), timeout=LIMIT))
        return made[-1]

    yield one
    for sock in made:
        sock.close()


def ended(sock):
    """Whether the other end closed or reset the connection."""
    try:
        return sock.recv(64) == b""
    except ConnectionError:
        return True


def said(sock, data):
    sock.sendall(data)
    return sock.recv(len(data))


def test_bytes_go_both_ways(connect):
    assert said(connect(), b"hello") == b"hello"


def test_what_is_silent_hears_nothing_and_is_not_refused(connect, proxy, server):
    before, quiet = connect(), time.monotonic()
    assert said(before, b"one") == b"one"
    proxy.silence()
    before.sendall(b"two")
    after = connect()
    after.sendall(b"three")
    while proxy.seen["lost"] < 2:
        assert time.monotonic() < quiet + LIMIT
    assert server.heard == [b"one"]


def test_a_connection_that_lost_bytes_is_cut_when_the_network_is_back(connect, proxy):
    holed, whole = connect(), connect()
    assert said(whole, b"one") == b"one"
    proxy.silence("up")
    holed.sendall(b"lost")
    deadline = time.monotonic() + LIMIT
    while not proxy.seen["lost"]:
        assert time.monotonic() < deadline
    proxy.heal()
    assert ended(holed)
    assert said(whole, b"two") == b"two"


def test_silence_of_one_direction_lets_the_other_speak(connect, proxy, server):
    sock = connect()
    proxy.silence("down")
    sock.sendall(b"heard")
    deadline = time.monotonic() + LIMIT
    while not proxy.seen["lost"]:
        assert time.monotonic() < deadline
    assert server.heard == [b"heard"]


def test_cut_resets_every_connection(connect, proxy):
    socks = [connect(), connect()]
    assert [said(sock, b"x") for sock in socks] == [b"x", b"x"]
    assert proxy.cut() == 2
    assert all(ended(sock) for sock in socks)
    assert said(connect(), b"again") == b"again"


def test_frozen_connections_stay_silent_and_new_ones_speak(connect, proxy, server):
    old = connect()
    assert said(old, b"one") == b"one"
    assert proxy.freeze() == 1
    old.sendall(b"two")
    assert said(connect(), b"three") == b"three"
    proxy.heal()
    assert said(connect(), b"four") == b"four"
    old.settimeout(0.2)
    with pytest.raises(TimeoutError):
        old.recv(1)
    assert b"two" not in server.heard


def test_refused_connections_are_reset(connect, proxy):
    proxy.refuse()
    assert ended(connect())
    proxy.heal()
    assert said(connect(), b"x") == b"x"


def test_a_server_that_is_away_is_a_reset():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with Proxy(lambda: port) as proxy, socket.create_connection(("127.0.0.1", proxy.port), timeout=LIMIT) as sock:
        assert ended(sock)


def test_delayed_bytes_come_late_and_whole(connect, proxy):
    sock = connect()
    proxy.delay(0.2, "up")
    begun = time.monotonic()
    assert said(sock, b"late") == b"late"
    assert time.monotonic() - begun >= 0.2


@pytest.mark.parametrize("commit", [b"\x07\x00\x00\x00\x03COMMIT", b"Q\x00\x00\x00\x0bCOMMIT\x00"])
def test_a_commit_reaches_the_server_and_its_answer_nobody(connect, proxy, server, commit):
    sock = connect()
    proxy.swallow_commits(1)
    assert said(sock, b"\x03UPDATE") == b"\x03UPDATE"
    sock.sendall(commit)
    assert ended(sock)
    assert server.heard == [b"\x03UPDATE", commit]
    assert proxy.seen["swallowed"] == 1
    assert said(connect(), commit) == commit
