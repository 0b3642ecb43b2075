"""Asking workers over HTTP: signed, several of one host together, and whoever is silent is named."""

from __future__ import annotations

import contextlib
import http.server
import json
import socket
import threading

import pytest

from iaas.compute import agentapi
from iaas.compute.agentapi import AgentClient, TruthUntold
from iaas.doctor import ask
from iaas.doctor.findings import MAPS, SETS
from iaas.doctor.invariants import NEEDS
from tests.fixtures.doctor import ACTIVE, uid

pytest_plugins = ["tests.fixtures.doctor"]
SAID = {
    "iaas-compute": {"guests": {ACTIVE: "RUNNING"}, "disks": [ACTIVE]},
    "iaas-network": {"ports": ["p"], "taps": ["p"], "networks": ["n"]},
    "iaas-volume": {"volumes": 3},
}


class Worker(http.server.BaseHTTPRequestHandler):
    """An admin port."""

    def do_GET(self):
        binary = self.path.removeprefix("/truth/")
        signed = "X-Agent-Signature" in self.headers
        body = json.dumps(SAID[binary] if signed else {"error": "not signed"}).encode()
        self.send_response(200 if signed else 401)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words):
        """Say nothing."""


@contextlib.contextmanager
def served(handler):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def url():
    with served(Worker) as found:
        yield found


def test_the_workers_of_a_host_say_together_what_it_has(clinic, url):
    clinic.rows.set("services", {"host": "h1"}, admin_url=url)
    found = ask.everybody(clinic.rows.db, AgentClient("secret"))
    host = found.hosts["h1"]
    assert host.guests == {ACTIVE: "RUNNING"}
    assert (host.disks, host.ports, host.taps, host.networks) == ({ACTIVE}, {"p"}, {"p"}, {"n"})
    assert host.volumes is None
    assert "h2" not in found.hosts
    assert len(found.silent) == 4
    assert sum("answer cannot be read" in one.why for one in found.silent) == 1
    assert sum("has not said where" in one.why for one in found.silent) == 3


def test_a_worker_that_is_not_there_is_named(clinic, url):
    clinic.rows.set("services", {"binary": "iaas-compute"}, admin_url="http://127.0.0.1:1")
    found = ask.everybody(clinic.rows.db, AgentClient("secret"))
    assert found.hosts == {}
    assert any(str(one).startswith("iaas-compute on h1: ") for one in found.silent)


class Workers:
    """Workers that are told apart by their URL."""

    def __init__(self, answer):
        self.truth = lambda url, binary: answer(url)


def crowd(clinic, number):
    """Have so many workers."""
    for host in range(number):
        url = {"admin_url": f"http://worker-{host}"}
        clinic.rows.add("services", id=uid(2000 + host), binary="iaas-volume", host=f"n{host}", **url)
    return {f"n{host}" for host in range(number)}


def test_workers_are_asked_side_by_side(clinic):
    """Each answers only when eight of them are being asked."""
    crowd(clinic, 8)
    together = threading.Barrier(8)

    def answer(url):
        together.wait(60)
        return {"volumes": {}}

    found = ask.everybody(clinic.rows.db, Workers(answer))
    assert {name for name, host in found.hosts.items() if host.volumes is not None} == {f"n{host}" for host in range(8)}


def test_workers_are_asked_a_bounded_number_at_a_time(clinic, monkeypatch):
    monkeypatch.setattr(ask, "AT_ONCE", 3)
    names, lock, now, most = crowd(clinic, 20), threading.Lock(), set(), []

    def answer(url):
        with lock:
            now.add(url)
            most.append(len(now))
        with lock:
            now.remove(url)
        return {"volumes": {}}

    seen = []
    found = ask.everybody(clinic.rows.db, Workers(answer), progress=lambda *words: seen.append(words))
    assert max(most) <= 3
    assert set(found.hosts) == names
    assert seen == [(asked, 26) for asked in range(27)]  # the six of the sound cloud cannot be asked


def test_a_worker_that_hangs_is_named_and_keeps_nobody_waiting(clinic, monkeypatch):
    monkeypatch.setattr(agentapi, "TRUTH_SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as hung:  # as a process that was stopped: the kernel answers for it
        url = f"http://127.0.0.1:{hung.getsockname()[1]}"
        clinic.rows.set("services", {"binary": "iaas-compute"}, admin_url=url)
        found = ask.everybody(clinic.rows.db, AgentClient("secret"), tellers={"iaas-compute"})
    assert found.hosts == {}
    assert [(one.binary, one.host) for one in found.silent] == [("iaas-compute", "h1"), ("iaas-compute", "h2")]
    assert all("no answer within 0.5 s" in one.why for one in found.silent)


def test_a_worker_that_never_ends_its_answer_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(agentapi, "TRUTH_SECONDS", 0.5)
    ended = threading.Event()

    class Endless(Worker):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            with contextlib.suppress(OSError):
                while not ended.wait(0.05):
                    self.wfile.write(b" " * 70_000)

    with served(Endless) as url, pytest.raises(TruthUntold, match="no answer within"):
        AgentClient("secret").truth(url, "iaas-compute")
    ended.set()


def test_who_fails_otherwise_is_named_too(clinic):
    crowd(clinic, 2)

    def answer(url):
        if url.endswith("1"):
            raise KeyError("odd")
        return {"volumes": {}}

    found = ask.everybody(clinic.rows.db, Workers(answer))
    assert "n0" in found.hosts
    assert any(str(one) == "iaas-volume on n1: asking it failed: KeyError: 'odd'" for one in found.silent)


def test_who_can_tell_what_is_needed_is_known_of_everything(clinic):
    asked = {what for what in NEEDS if ask.tellers({what}, broker_is_inside=True)}
    assert asked == {*SETS, *MAPS}
    assert ask.tellers({"queues"}, broker_is_inside=False) == set()
