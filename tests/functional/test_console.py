"""Stories of consoles: API, token, proxy, agent and a guest's socket, over real connections."""

from __future__ import annotations

import dataclasses
import shutil
import socket
import tempfile
from pathlib import Path

import pytest

from iaas.common import context, errors, runtime
from iaas.console.app import ConsoleProxy, origin_of
from iaas.db import consoles, instances
from tests.fixtures.ws import BROKEN, Client

pytest_plugins = ["tests.fixtures.cloud"]


class Guest:
    """What listens where a guest's console is: echoes, after a greeting."""

    def __init__(self, listener):
        self.listener = listener
        self.sides = []
        self.ended = 0  # how many of them
        self.closing = False
        self._task = runtime.spawn(self._serve)

    def _serve(self):
        with self.listener:  # closed by who waits on it: see StreamServer
            while True:
                side, _ = self.listener.accept()
                if self.closing:
                    side.close()
                    return
                self.sides.append(side)
                runtime.spawn(self._echo, side)

    def _echo(self, side):
        try:
            side.sendall(b"RFB 003.008\n")
            while part := side.recv(65536):
                side.sendall(part)
        finally:
            self.ended += 1

    def end(self):
        """The guest is switched off."""
        for side in self.sides:
            side.shutdown(socket.SHUT_RDWR)

    def close(self):
        """Its last client is the one that has it stop: shutting a socket of a path down wakes nobody up."""
        self.closing = True
        with socket.socket(self.listener.family) as last:
            last.connect(self.listener.getsockname())
        self._task.wait()


@pytest.fixture
def proxy(cloud):
    """A console proxy beside the started cloud; ``open(server, kind)`` asks for a URL and connects."""
    folder = Path(tempfile.mkdtemp(prefix="iaas-"))  # short enough for a socket's path
    cloud.host = dataclasses.replace(cloud.host, console_dir=folder)
    cloud.clients.settings.console.port = 0
    cloud.start()
    made = ConsoleProxy(cloud.clients)
    made.start()
    yield made
    made.stop()
    shutil.rmtree(folder)


@pytest.fixture
def server(cloud, proxy):
    server_id = cloud.boot()
    cloud.until_status(server_id, "ACTIVE")
    return server_id


@pytest.fixture
def serial(cloud, server):
    """The server's serial console."""
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(str(cloud.host.console_dir / f"{server}.sock"))
    sock.listen()
    guest = Guest(sock)
    yield guest
    guest.close()


def url_of(cloud, server, protocol="serial", type_="serial"):
    body = {"remote_console": {"protocol": protocol, "type": type_}}
    response = cloud.api.request("POST", f"/servers/{server}/remote-consoles", body, "2.6")
    assert response.status_int == 200, response.text
    return response.json["remote_console"]["url"]


def connect(proxy, url, **headers):
    """:param headers: in place of those of a browser whose page is the proxy's own"""
    changed = {name.replace("_", "-"): value for name, value in headers.items()}
    return Client(url, port=proxy.port, headers=changed)


def test_a_serial_console_is_opened_once_and_carries_bytes_both_ways(cloud, proxy, server, serial):
    url = url_of(cloud, server)
    client = connect(proxy, url)
    assert client.status == 101
    assert client.proven
    assert client.headers["sec-websocket-protocol"] == "binary"
    assert client.read(12) == b"RFB 003.008\n"
    for payload in (b"ls\r", bytes(range(256)), b"x" * 200_000):
        client.send(payload)
        assert client.read(len(payload)) == payload
    client.send(b"text", opcode=1)
    assert client.read(4) == b"text"
    client.send(b"", opcode=9)
    assert client.frame() == (10, b"")
    client.send((1000).to_bytes(2, "big"), opcode=8)
    assert client.closed() == 1000
    assert connect(proxy, url).status == 403
    assert len(serial.sides) == 1


def test_a_screen_on_a_port_of_the_host_is_opened(cloud, proxy, server):
    listener = socket.create_server(("127.0.0.1", 0))
    cloud.world.all[server].vnc_port = listener.getsockname()[1]
    guest = Guest(listener)
    assert connect(proxy, url_of(cloud, server, "vnc", "novnc")).read(4) == b"RFB "
    guest.close()


def test_a_console_ends_with_its_guest(cloud, proxy, server, serial):
    client = connect(proxy, url_of(cloud, server))
    client.read(12)
    serial.end()
    assert client.closed() == 1001


def test_a_client_that_leaves_ends_the_console(cloud, proxy, server, serial):
    client = connect(proxy, url_of(cloud, server))
    client.read(12)
    client.close()
    cloud.until(lambda: serial.ended == 1)


@pytest.mark.parametrize(("frames", "code"), BROKEN)
def test_a_client_that_breaks_the_protocol_is_told_and_dropped(cloud, proxy, server, serial, frames, code):
    client = connect(proxy, url_of(cloud, server))
    client.send_raw(frames)
    assert client.closed() == code
    cloud.until(lambda: serial.ended == 1)


def test_a_console_on_which_nothing_happens_is_ended(cloud, proxy, server, serial):
    cloud.clients.settings.console.idle_timeout = 0.2
    client = connect(proxy, url_of(cloud, server))
    client.read(12)
    assert client.closed() in (1000, 1001)


def test_a_stopped_proxy_ends_its_consoles(cloud, proxy, server, serial):
    client = connect(proxy, url_of(cloud, server))
    client.read(12)
    proxy.stop()
    with pytest.raises((EOFError, ConnectionError)):
        client.read(1)


# -- tokens (SECURITY T42) ---------------------------------------------------------------------------------------


def act(cloud, server, body, status="ACTIVE"):
    assert cloud.api.request("POST", f"/servers/{server}/action", body).status_int == 202
    cloud.until_status(server, status)


def test_a_token_is_void_when_its_server_was_stopped_even_if_it_runs_again(cloud, proxy, server, serial):
    urls = [url_of(cloud, server) for _ in range(2)]
    act(cloud, server, {"os-stop": None}, "SHUTOFF")
    assert connect(proxy, urls[0]).status == 403
    act(cloud, server, {"os-start": None})
    assert connect(proxy, urls[1]).status == 403
    assert connect(proxy, url_of(cloud, server)).status == 101


def test_a_token_is_void_when_its_server_is_elsewhere_or_anothers(cloud, proxy, server, serial):
    for changes in ({"host": "host2"}, {"project_id": "another"}):
        url = url_of(cloud, server)
        with cloud.clients.db.read(context.admin()) as tx:
            before = instances.get(tx, server)
        cloud.clients.db.write(context.admin(), instances.update, server, **changes)
        assert connect(proxy, url).status == 403
        again = {name: getattr(before, name) for name in changes}
        cloud.clients.db.write(context.admin(), instances.update, server, **again)


def test_tokens_go_with_their_server(cloud, proxy, server, serial):
    url = url_of(cloud, server)
    token = url.partition("=")[2]
    cloud.api.request("DELETE", f"/servers/{server}")
    cloud.until(lambda: cloud.server(server)["status"] == "GONE")
    assert connect(proxy, url).status == 403
    gone = cloud.clients.db.write(context.admin(), consoles.use, token, 0.0)
    assert gone is None


def test_of_many_clients_with_one_token_one_comes_in(cloud, proxy, server, serial):
    url = url_of(cloud, server)
    tasks = [runtime.spawn(lambda: connect(proxy, url).status) for _ in range(8)]
    assert sorted(task.wait() for task in tasks) == [101] + [403] * 7


@pytest.mark.parametrize("query", ["", "token=", "token=short", "token=" + "A" * 43, "token=a&token=b", "x=1", "token"])
def test_a_token_that_is_none_is_refused(proxy, query):
    assert connect(proxy, f"ws://127.0.0.1:6080/?{query}").status == 403


def test_the_token_is_not_in_the_log(cloud, proxy, server, serial, caplog):
    caplog.set_level("DEBUG")
    url = url_of(cloud, server)
    for _ in range(2):
        connect(proxy, url)
    assert caplog.records
    assert url.partition("token=")[2] not in caplog.text


# -- where from and where to (SECURITY T43) ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "origin",
    [
        None, "null", "", "http://evil.com", "https://127.0.0.1:6080", "http://127.0.0.1", "http://127.0.0.1:60800",
        "http://127.0.0.1:6080.evil.com", "http://evil.com/127.0.0.1:6080", "HTTP://127.0.0.1:6080",
        "http://127.0.0.1:6080/", "http://127.0.0.1:6080, http://evil.com", "ws://127.0.0.1:6080",
    ],
)  # fmt: skip
def test_pages_of_other_origins_are_refused_and_do_not_use_the_token_up(cloud, proxy, server, serial, origin):
    url = url_of(cloud, server)
    assert connect(proxy, url, Origin=origin).status == 403
    assert connect(proxy, url).status == 101


def test_origins_may_be_allowed_and_need_not_be_told(cloud, server, serial):
    cloud.clients.settings.console.allowed_origins = ["https://Cloud.example:443/"]
    cloud.clients.settings.console.require_origin = False
    other = ConsoleProxy(cloud.clients)
    other.start()
    assert connect(other, url_of(cloud, server), Origin="https://cloud.example").status == 101
    assert connect(other, url_of(cloud, server), Origin=None).status == 101
    assert connect(other, url_of(cloud, server), Origin="https://other.example").status == 403
    other.stop()


def test_an_origin_that_is_none_stops_the_daemon(cloud):
    cloud.clients.settings.console.allowed_origins = ["*"]
    with pytest.raises(errors.Invalid, match=r"'\*'"):
        ConsoleProxy(cloud.clients)


def test_an_origin_is_written_as_browsers_write_it():
    assert origin_of("wss://a.example/x") == "https://a.example"
    assert origin_of("ws://[::1]:6080") == "http://[::1]:6080"
    assert origin_of("http://a.example:80") == "http://a.example"


@pytest.mark.parametrize("path", ["//evil.com/%2f..", "/index.html", "/..", "/websockify/", "/?a/../"])
def test_other_paths_lead_nowhere(cloud, proxy, server, path):
    token = url_of(cloud, server).partition("?")[2]
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=10) as sock:
        sock.sendall(f"GET {path}?{token} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        answer = sock.recv(4096)
    assert answer.split()[1] in (b"404", b"403")
    assert b"evil" not in answer
    assert b"ocation" not in answer


@pytest.mark.parametrize("line", ["CONNECT 127.0.0.1:22 HTTP/1.1", "GET http://127.0.0.1:22/?token=x HTTP/1.1"])
def test_the_proxy_is_no_proxy_to_elsewhere(proxy, line):
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=10) as sock:
        sock.sendall(f"{line}\r\nHost: 127.0.0.1:22\r\n\r\n".encode())
        assert sock.recv(4096).split()[1] == b"404"


def test_a_console_that_does_not_answer_is_a_502(cloud, proxy, server):
    assert connect(proxy, url_of(cloud, server)).status == 502
