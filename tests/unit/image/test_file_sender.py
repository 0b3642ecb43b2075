"""Downloads from a real server: run with IAAS_RUNTIME=threads and =eventlet, where files go past the process."""

from __future__ import annotations

import http.client
import socket
from types import SimpleNamespace

import pytest

from iaas.common import runtime
from iaas.image import downloads
from iaas.image.stores import file

SIZE = 9_000_001


@pytest.fixture
def blob(tmp_path):
    """A store's image, the server its bytes are had from (``/start-end``), and what they are."""
    store, image_id, data = file.FileStore(tmp_path / "images"), runtime.uuid(), runtime.rng().randbytes(SIZE)
    with store.writer(image_id) as writer:
        writer.write(data)
        image = SimpleNamespace(location=writer.commit())
    clients = SimpleNamespace(store=store, lanes=runtime.semaphore(2))

    def app(environ, start_response):
        start, end = map(int, environ["PATH_INFO"][1:].split("-"))
        start_response("200 OK", [("Content-Length", str(end - start))])
        return downloads.read(clients, image, downloads.Span(start, end, SIZE), runtime.file_sender(environ))

    server = runtime.serve(runtime.listen("127.0.0.1", 0), app)
    yield SimpleNamespace(port=server.port, data=data, path=tmp_path / "images" / image_id)
    server.stop()
    store.close()


@pytest.mark.parametrize(
    ("start", "end"), [(0, SIZE), (0, 1), (1, 65_536), (1, 65_538), (0, 100_000), (70_000, SIZE), (SIZE - 1, SIZE)]
)
def test_every_byte_of_a_span_comes_once_and_the_connection_lives_on(blob, start, end):
    connection = http.client.HTTPConnection("127.0.0.1", blob.port, timeout=10)
    for _ in range(2):
        connection.request("GET", f"/{start}-{end}")
        assert connection.getresponse().read() == blob.data[start:end]
    connection.close()


def test_a_client_that_lets_the_server_wait_gets_it_all(blob):
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 17)  # less than the kernel could keep for us
        sock.settimeout(10)
        sock.connect(("127.0.0.1", blob.port))
        sock.sendall(f"GET /0-{SIZE} HTTP/1.0\r\n\r\n".encode())
        got = bytearray()
        while piece := sock.recv(1 << 17):
            got += piece
            for _ in range(3):
                runtime.native(int)  # others' turn
    assert bytes(got).partition(b"\r\n\r\n")[2] == blob.data


def test_a_client_that_goes_away_leaves_the_server_to_others(blob):
    for _ in range(30):
        with socket.create_connection(("127.0.0.1", blob.port), timeout=10) as sock:
            sock.sendall(f"GET /0-{SIZE} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            assert sock.recv(1000)
    test_every_byte_of_a_span_comes_once_and_the_connection_lives_on(blob, 0, SIZE)


@pytest.mark.skipif(runtime.name() == "threads", reason="only the sender of files knows what is missing")
def test_a_blob_that_is_too_short_breaks_the_answer_off(blob):
    with blob.path.open("r+b") as cut:
        cut.truncate(200_000)
    connection = http.client.HTTPConnection("127.0.0.1", blob.port, timeout=10)
    connection.request("GET", f"/0-{SIZE}")
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        connection.getresponse().read()
    connection.close()
