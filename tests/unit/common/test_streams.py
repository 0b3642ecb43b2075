"""The server for upgrades, over real sockets: what it takes for a request, and how it treats slow and rude peers."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from iaas.common import runtime, streams


@pytest.fixture
def echo():
    """A server that answers with what it read of the head, then echoes."""

    def handle(request):
        if request.target == "/crash":
            raise RuntimeError("secret words")
        named = f"{request.method} {request.target} {request.headers.get('x-list', '')}"
        streams.answer(request.sock, 200, named.encode())
        request.sock.sendall(request.rest)
        for part in streams.parts(request.sock, streams.Idle(5)):
            request.sock.sendall(part)

    server = streams.StreamServer(runtime.listen("127.0.0.1", 0), handle, max_clients=2)
    yield server
    server.stop()


def ask(server, data):
    sock = socket.create_connection(("127.0.0.1", server.port), timeout=10)
    sock.sendall(data)
    return sock


def everything(sock):
    found = b""
    while part := sock.recv(4096):
        found += part
    sock.close()
    return found


def status(server, data):
    sock = ask(server, data)
    sock.shutdown(socket.SHUT_WR)
    return int(everything(sock).split()[1])


GET = b"GET /a?b HTTP/1.1\r\nHost: x\r\n"


def test_a_request_reaches_the_handler_and_bytes_behind_it_too(echo):
    sock = ask(echo, GET + b"X-List: 1\r\nx-list: 2\r\n\r\nbehind")
    sock.shutdown(socket.SHUT_WR)
    found = everything(sock)
    assert found.startswith(b"HTTP/1.1 200 OK\r\n")
    assert found.endswith(b"GET /a?b 1, 2behind")


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.0\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET  / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /\x00 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /\xc3\xa9 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"G\xc3T / HTTP/1.1\r\nHost: x\r\n\r\n",
        GET + b"Host: y\r\n\r\n",
        GET + b"Origin: a\r\nOrigin: b\r\n\r\n",
        GET + b"No colon\r\n\r\n",
        GET + b"Space : x\r\n\r\n",
        GET + b" folded: x\r\n\r\n",
        GET + b"X: a\nInjected: b\r\n\r\n",
        GET + b"Content-Length: 5\r\n\r\nhello",
        GET + b"Transfer-Encoding: chunked\r\n\r\n",
        b"\x16\x03\x01\x02\x00\r\n\r\n",
    ],
)
def test_what_is_not_written_as_the_standard_says_is_refused(echo, data):
    assert status(echo, data) == 400


def test_a_head_that_does_not_end_is_cut(echo):
    assert status(echo, GET + b"X: " + b"a" * streams.MAX_HEAD + b"\r\n" * 8) == 431


def test_a_head_that_drips_is_given_up(echo, monkeypatch):
    monkeypatch.setattr(streams, "HEAD_SECONDS", 0.2)
    assert everything(ask(echo, GET)).startswith(b"HTTP/1.1 408 ")


def test_a_peer_that_says_nothing_and_leaves_is_no_error(echo, caplog):
    ask(echo, b"").close()
    assert status(echo, GET + b"\r\n") == 200
    assert not caplog.records


def test_a_crash_is_a_500_without_its_words(echo):
    found = everything(ask(echo, b"GET /crash HTTP/1.1\r\nHost: x\r\n\r\n"))
    assert found.startswith(b"HTTP/1.1 500 ")
    assert b"secret" not in found


def test_more_clients_than_there_is_room_for_are_told_so_and_room_comes_back(echo):
    held = [ask(echo, GET + b"\r\n") for _ in range(2)]
    for sock in held:
        assert sock.recv(4096).startswith(b"HTTP/1.1 200")
    assert everything(ask(echo, b"")).startswith(b"HTTP/1.1 503 ")
    for sock in held:
        sock.shutdown(socket.SHUT_WR)
        everything(sock)
    deadline = runtime.monotonic() + 5
    while status(echo, GET + b"\r\n") != 200:
        assert runtime.monotonic() < deadline


def test_a_stopped_server_ends_its_connections(echo):
    sock = ask(echo, GET + b"\r\n")
    assert sock.recv(4096)
    echo.stop()
    everything(sock)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", echo.port), timeout=2)


def pair():
    ends = socket.socketpair()
    for end in ends:
        end.settimeout(10)
    return ends


def test_a_pump_carries_much_both_ways_and_ends_with_either_side():
    (a, left), (right, b) = pair(), pair()
    task = runtime.spawn(streams.pump, left, right, streams.Idle(10))
    sent = bytes(range(256)) * 4096
    writers = [runtime.spawn(a.sendall, sent), runtime.spawn(b.sendall, sent[::-1])]
    readers = [runtime.spawn(_read, end, len(sent)) for end in (a, b)]
    assert readers[1].wait() == sent
    assert readers[0].wait() == sent[::-1]
    for writer in writers:
        writer.wait()
    a.close()
    assert b.recv(1) == b""
    task.wait()


def _read(sock, count):
    found = b""
    while len(found) < count:
        part = sock.recv(65536)
        assert part
        found += part
    return found


def test_a_pump_on_which_nothing_happens_ends():
    (a, left), (right, b) = pair(), pair()
    streams.pump(left, right, streams.Idle(0.1))
    assert (a.recv(1), b.recv(1)) == (b"", b"")


STOPPED = """
import os, sys
from iaas.common import runtime
runtime.use(sys.argv[1])
from iaas.common import streams
sock = runtime.listen("127.0.0.1", 0)
number = sock.fileno()
server = streams.StreamServer(sock, print, max_clients=1)
runtime.sleep(0)  # until it waits for a connection
server.stop()
reader, writer = os.pipe()
os.dup2(reader, number)
os.write(writer, b"x")
runtime.wait_fd(number)
print("heard")
"""


@pytest.mark.parametrize("back_end", ["eventlet", "threads"])
def test_nobody_waits_on_the_descriptor_of_a_stopped_server(back_end):
    root = Path(__file__).resolve().parents[3]
    done = subprocess.run([sys.executable, "-c", STOPPED, back_end], capture_output=True, cwd=root, timeout=60)
    assert done.stdout == b"heard\n", done.stderr.decode()
