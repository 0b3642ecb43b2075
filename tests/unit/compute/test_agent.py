"""The agent of a host: who is heard, and to what it connects."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from pathlib import Path

import pytest

from iaas.common import errors, runtime
from iaas.compute import agent as agents
from iaas.compute.agentapi import AgentClient, HostUnreachable, NoConsole, sign
from iaas.compute.driver import ConsoleAddress, GuestNotFound

SECRET = "agent-secret"


class Driver:
    """A hypervisor with one guest, ``g``, whose consoles are where a test says."""

    def __init__(self):
        self.consoles = {}

    def console_log(self, guest_id, *, max_bytes):
        if guest_id != "g":
            raise GuestNotFound(guest_id=guest_id)
        return b"log"[:max_bytes]

    def console(self, guest_id, kind):
        if guest_id != "g" or kind not in self.consoles:
            raise GuestNotFound(guest_id=guest_id)
        return self.consoles[kind]


@pytest.fixture
def driver():
    return Driver()


@pytest.fixture
def agent(driver):
    made = agents.Agent(runtime.listen("127.0.0.1", 0), driver, SECRET, idle_seconds=30)
    yield made
    made.stop()


@pytest.fixture
def folder():
    """A folder whose paths are short enough for a socket."""
    made = Path(tempfile.mkdtemp(prefix="iaas-"))
    yield made
    shutil.rmtree(made)


def url(agent):
    return f"http://127.0.0.1:{agent.port}"


def listening(path):
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(str(path))
    sock.listen()
    sock.settimeout(10)
    return sock


def raw(agent, method="GET", path="/guests/g/log", *, at=None, nonce="n", secret=SECRET, signature=None):
    """Send a request of our own making and return the status."""
    at = int(runtime.time()) if at is None else at
    signature = sign(secret, method, path, at, nonce) if signature is None else signature
    with socket.create_connection(("127.0.0.1", agent.port), timeout=10) as sock:
        sock.sendall(
            f"{method} {path} HTTP/1.1\r\nHost: x\r\nX-Agent-Time: {at}\r\nX-Agent-Nonce: {nonce}\r\n"
            f"X-Agent-Signature: {signature}\r\n\r\n".encode()
        )
        return int(sock.recv(4096).split()[1])


def test_an_empty_secret_is_refused(driver):
    with runtime.listen("127.0.0.1", 0) as sock, pytest.raises(errors.Invalid, match="agent_secret"):
        agents.Agent(sock, driver, "", idle_seconds=1)


def test_the_log_of_a_known_guest_is_told(agent):
    client = AgentClient(SECRET)
    assert client.console_log(url(agent), "g") == b"log"
    assert client.console_log(url(agent), "other") == b""


def test_only_signed_requests_of_now_are_heard_and_each_of_them_once(agent):
    now = int(runtime.time())
    assert raw(agent, nonce="1") == 200
    assert raw(agent, nonce="1", at=now) in (200, 403)  # the second may have turned between the two
    assert raw(agent, nonce="2", at=now) == 200
    assert raw(agent, nonce="2", at=now) == 403
    assert raw(agent, nonce="3", at=now - 60) == 403
    assert raw(agent, nonce="4", at=now + 60) == 403
    assert raw(agent, nonce="5", secret="another") == 403
    assert raw(agent, nonce="6", signature="") == 403
    assert raw(agent, nonce="7", signature=sign(SECRET, "GET", "/guests/h/log", now, "7"), at=now) == 403
    assert raw(agent, nonce="8", at="") == 403


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/guests/g/log"), ("GET", "/"), ("GET", "/guests/g"), ("GET", "/guests/g/vnc"), ("GET", "/guests/g/x")],
)
def test_nothing_else_is_served(agent, method, path):
    assert raw(agent, method, path) == 404


def test_a_console_on_a_socket_is_connected_to(agent, driver, folder):
    driver.consoles["serial"] = ConsoleAddress("serial", path=str(folder / "s"))
    with listening(folder / "s") as guest, AgentClient(SECRET).console(url(agent), "g", "serial") as sock:
        side, _ = guest.accept()
        with side:
            side.sendall(b"from the guest")
            assert sock.recv(100) == b"from the guest"
            sock.sendall(b"to the guest")
            assert side.recv(100) == b"to the guest"


def test_the_first_bytes_of_a_guest_are_not_lost(agent, driver):
    with socket.create_server(("127.0.0.1", 0)) as guest:
        driver.consoles["vnc"] = ConsoleAddress("vnc", port=guest.getsockname()[1])
        task = runtime.spawn(lambda: guest.accept()[0].sendall(b"RFB 003.008\n"))
        with AgentClient(SECRET).console(url(agent), "g", "vnc") as sock:
            task.wait()
            assert sock.recv(12, socket.MSG_WAITALL) == b"RFB 003.008\n"


def test_a_console_that_is_not_there_is_told_apart_from_a_host_that_is_not(agent, driver, folder):
    client = AgentClient(SECRET)
    with pytest.raises(NoConsole):
        client.console(url(agent), "g", "vnc")
    driver.consoles["vnc"] = ConsoleAddress("vnc", path=str(folder / "nothing"))
    with pytest.raises(NoConsole):
        client.console(url(agent), "g", "vnc")
    with pytest.raises(HostUnreachable):
        AgentClient("another").console(url(agent), "g", "vnc")
    agent.stop()
    with pytest.raises(HostUnreachable):
        client.console(url(agent), "g", "vnc")


def test_a_link_in_place_of_a_guests_socket_leads_nowhere(folder):
    with listening(folder / "libvirt-sock"):
        (folder / "guest").symlink_to(folder / "libvirt-sock")
        with pytest.raises(OSError, match="not a socket"):
            agents.connect(ConsoleAddress("vnc", path=str(folder / "guest")))
        agents.connect(ConsoleAddress("vnc", path=str(folder / "libvirt-sock"))).close()
    (folder / "file").write_text("")
    with pytest.raises(OSError, match="not a socket"):
        agents.connect(ConsoleAddress("vnc", path=str(folder / "file")))


def test_the_path_of_a_socket_may_be_long(folder):
    long = folder / ("x" * 100)
    long.mkdir()
    handle = os.open(long, 0)
    with listening(f"/proc/self/fd/{handle}/s"):
        agents.connect(ConsoleAddress("vnc", path=str(long / "s"))).close()
    os.close(handle)


def test_an_address_that_is_not_of_this_host_is_refused():
    with pytest.raises(OSError, match="not this host"):
        agents.connect(ConsoleAddress("vnc", host="192.0.2.1", port=5900))
