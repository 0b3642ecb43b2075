"""Long bodies read into the caller's memory, from real servers: run with IAAS_RUNTIME=threads and =eventlet."""

from __future__ import annotations

import hashlib
import http.client
import socket

import pytest

from iaas.common import runtime
from iaas.common.rest import body


@pytest.fixture(scope="module")
def port():
    """A server that answers with the SHA-256 of a body, read in pieces of the size the path says."""

    def app(environ, start_response):
        room = memoryview(bytearray(int(environ["PATH_INFO"][1:])))
        fill, digest = body.reader(environ), hashlib.sha256()
        try:
            while count := fill(room):
                digest.update(room[:count])
        except (OSError, ValueError) as error:
            digest = hashlib.sha256(type(error).__name__.encode())
            start_response("400 Bad Request", [("Content-Length", "64")])
        else:
            start_response("200 OK", [("Content-Length", "64")])
        return [digest.hexdigest().encode()]

    server = runtime.serve(runtime.listen("127.0.0.1", 0), app)
    yield server.port
    server.stop()


@pytest.mark.parametrize("room", [1, 2, 3, 1000, 1 << 20])
@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 8191, 8193, 100_001])
@pytest.mark.parametrize("chunk", [None, 1, 2, 3, 5000, 1 << 20])
def test_every_byte_comes_once_and_the_connection_lives_on(port, room, size, chunk):
    if size // room > 5000 or (chunk and size // chunk > 5000):
        pytest.skip("too many pieces to be quick")
    data = runtime.rng().randbytes(size)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    for _ in range(2):
        pieces = (data[at : at + chunk] for at in range(0, size, chunk)) if chunk else data
        connection.request("PUT", f"/{room}", pieces, encode_chunked=chunk is not None, headers=_headers(chunk, size))
        answer = connection.getresponse()
        assert (answer.status, answer.read().decode()) == (200, hashlib.sha256(data).hexdigest())
    connection.close()


def _headers(chunk: int | None, size: int) -> dict[str, str]:
    return {"Content-Length": str(size)} if chunk is None else {"Transfer-Encoding": "chunked"}


@pytest.mark.parametrize("broken", [b"5\r\nab", b"zz\r\nabc\r\n", b"5\r\nabcde\r\n5\r\n"])
def test_a_broken_chunk_is_an_error(port, broken):
    with socket.create_connection(("127.0.0.1", port), timeout=10) as sock:
        sock.sendall(b"PUT /1000 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + broken)
        sock.shutdown(socket.SHUT_WR)
        assert b" 400 " in sock.recv(65536).split(b"\r\n")[0]


def test_a_client_that_waits_to_be_asked_is_asked(port):
    with socket.create_connection(("127.0.0.1", port), timeout=10) as sock:
        head = b"PUT /1000 HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n"
        sock.sendall(head)
        assert b" 100 " in sock.recv(1000)
        sock.sendall(b"abc")
        wanted, answer, more = hashlib.sha256(b"abc").hexdigest().encode(), b"", b"-"
        while wanted not in answer and more:
            more = sock.recv(65536)
            answer += more
        assert wanted in answer
