"""Asking workers over HTTP: signed, several of one host together, and whoever is silent is named."""

from __future__ import annotations

import http.server
import json
import threading

import pytest

from iaas.compute.agentapi import AgentClient
from iaas.doctor import ask
from tests.fixtures.doctor import ACTIVE

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


@pytest.fixture
def url():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Worker)
    threading.Thread(target=server.serve_forever).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def test_the_workers_of_a_host_say_together_what_it_has(clinic, url):
    clinic.rows.set("services", {"host": "h1"}, admin_url=url)
    found = ask.everybody(clinic.rows.db, AgentClient("secret"))
    host = found.hosts["h1"]
    assert host.guests == {ACTIVE: "RUNNING"}
    assert (host.disks, host.ports, host.taps, host.networks) == ({ACTIVE}, {"p"}, {"p"}, {"n"})
    assert host.volumes is None
    assert "h2" not in found.hosts
    assert len(found.silent) == 4
    assert sum("answer cannot be read" in words for words in found.silent) == 1
    assert sum("has not said where" in words for words in found.silent) == 3


def test_a_worker_that_is_not_there_is_named(clinic, url):
    clinic.rows.set("services", {"binary": "iaas-compute"}, admin_url="http://127.0.0.1:1")
    found = ask.everybody(clinic.rows.db, AgentClient("secret"))
    assert found.hosts == {}
    assert any(words.startswith("iaas-compute on h1: ") for words in found.silent)
