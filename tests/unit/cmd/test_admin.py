"""The admin port: /healthz, /metrics and /truth, by itself and of a controller in one process."""

from __future__ import annotations

import json
import sqlite3
from types import SimpleNamespace

import pytest
import requests
import sqlalchemy as sa

from iaas.cmd import admin
from iaas.cmd.daemon import HttpPart
from iaas.common import conf, context, errors, runtime
from iaas.compute import agentapi
from iaas.compute.agentapi import AgentClient, TruthUntold, sign
from iaas.db import probe
from iaas.db.models.hosts import services
from iaas.db.tx import Outcomes
from iaas.jobs import service
from tests.fixtures.cloud import cloud

__all__ = ["cloud"]
SECRET = "agent-secret"


class Asked:
    """An admin port without a socket."""

    def __init__(self, parts, secret=SECRET, name="iaas-compute"):
        settings = conf.load([], [f"compute.agent_secret={secret}"])
        self.admin = admin.Admin(name, settings, parts)
        self.admin.running = True

    def get(self, path, method="GET", query="", **headers):
        told = {}

        def start(status, lines):
            told.update(status=int(status[:3]), headers=dict(lines))

        environ = {"REQUEST_METHOD": method, "PATH_INFO": path, "QUERY_STRING": query}
        environ.update({f"HTTP_{name.upper()}": value for name, value in headers.items()})
        body = b"".join(self.admin(environ, start))
        if told["headers"]["Content-Type"] == "application/json":
            body = json.loads(body)
        return SimpleNamespace(**told, body=body)


def signed(path, at=None, nonce="n", secret=SECRET, method="GET"):
    at = int(runtime.time()) if at is None else at
    return {
        "x_agent_time": str(at), "x_agent_nonce": nonce, "x_agent_signature": sign(secret, method, path, at, nonce),
    }  # fmt: skip


@pytest.fixture
def running(cloud):
    cloud.start()
    return Asked(list(cloud.workers.values()))


def until(cloud, asked, status):
    return cloud.until(lambda: (answer := asked.get("/healthz")).status == status and answer)


# -- health ------------------------------------------------------------------------------------------------


def test_a_worker_that_works_is_well_and_says_when_it_did_what(cloud, running):
    answer = until(cloud, running, 200)
    assert (answer.body["status"], answer.body["why"]) == ("ok", [])
    checks = {(check["part"], check["check"]): check for check in answer.body["checks"]}
    for name in ("heartbeat", "sweep", "broker", "messages"):
        assert checks["iaas-compute on host1", name]["ok"]
    beat = checks["iaas-compute on host1", "heartbeat"]
    assert 0 <= beat["age"] <= beat["limit"]
    assert checks["database controller.sqlite", "answers"]["ok"]
    assert checks["database controller.sqlite", "writes"]["ok"]


def test_a_daemon_whose_database_is_away_is_unwell_says_why_and_is_well_again_by_itself(cloud, running, monkeypatch):
    until(cloud, running, 200)
    monkeypatch.setattr(probe, "FRESH", 0.0)

    def away(self, ctx):
        raise errors.Unavailable(reason="The database cannot be reached at the moment.")

    with monkeypatch.context() as cut:
        cut.setattr("iaas.db.tx.Database.read", away)
        answer = until(cloud, running, 503)
        assert any("database controller" in why and "cannot be reached" in why for why in answer.body["why"])
        metrics = running.get("/metrics")
        assert metrics.status == 200
        assert b'iaas_health{check="answers",part="database controller.sqlite"} 0.0' in metrics.body
    until(cloud, running, 200)


def test_a_database_that_does_not_answer_holds_nobody_up(cloud, monkeypatch):
    monkeypatch.setattr(probe, "PATIENCE", 0.05)
    hangs = runtime.event()

    def hang(*args):
        hangs.wait(60)

    asked = probe.Probe(SimpleNamespace(name="slow", outcomes=Outcomes(), read=hang, attempt=hang))
    for _ in range(2):
        assert [found.why for found in probe.check([asked])] == [
            "It has not answered for 0.05 s.",
            "No transaction that writes could be begun for 0.05 s.",
        ]
    hangs.set()


def test_an_api_whose_database_is_held_by_another_process_says_that_nothing_can_be_written(cloud, monkeypatch):
    api = HttpPart("compute", cloud.api, "127.0.0.1", 0, 10)
    api.clients = cloud.clients
    asked = Asked([api], name="iaas-api")
    api.start()
    other = sqlite3.connect(cloud.clients.db.engine.url.database, isolation_level=None)
    try:
        monkeypatch.setattr(probe, "LATELY", 0.0)
        monkeypatch.setattr(probe, "FRESH", 3600.0)
        assert asked.get("/healthz").status == 200
        other.execute("BEGIN IMMEDIATE")
        with monkeypatch.context() as short:
            short.setattr(probe, "PATIENCE", 0.5)
            answer = asked.get("/healthz")
        assert answer.status == 503
        (why,) = answer.body["why"]
        assert why == "database controller.sqlite: writes: No transaction that writes could be begun for 0.5 s."
        other.execute("ROLLBACK")
        until(cloud, asked, 200)
    finally:
        other.close()
        api.stop()


def test_a_worker_that_beats_no_more_is_unwell(cloud, running):
    until(cloud, running, 200)
    cloud.workers["compute"]._seen -= 1000
    answer = running.get("/healthz")
    assert answer.status == 503
    assert answer.body["why"] == ["iaas-compute on host1: heartbeat: The database was not reached."]


def test_a_worker_that_sweeps_find_jobs_for_and_no_message_reaches_is_deaf(cloud, running):
    until(cloud, running, 200)
    worker = cloud.workers["network"]
    worker.engine.missed = service.DEAF
    worker._server._took -= 1000
    assert [check.name for check in worker.health() if not check.ok] == ["messages"]
    worker.engine.missed = 0
    assert all(check.ok for check in worker.health())


def test_a_daemon_is_unwell_until_all_its_parts_are_started():
    asked = Asked([])
    asked.admin.running = False
    assert asked.get("/healthz").status == 503
    asked.admin.running = True
    assert asked.get("/healthz").status == 200


# -- metrics -----------------------------------------------------------------------------------------------


def test_a_boot_is_counted_from_the_request_to_the_last_step(cloud, running):
    server = cloud.boot()
    cloud.until_status(server, "ACTIVE")
    text = running.get("/metrics").body.decode()
    for line in (
        'iaas_job_steps_total{kind="build",outcome="done",step="place"}',
        'iaas_job_step_duration_seconds_count{kind="build",step="place"}',
        'iaas_db_transaction_duration_seconds_count{database="controller.sqlite",kind="write"}',
        "iaas_rpc_publish_duration_seconds_count",
        'iaas_sweep_found_jobs_total{worker="iaas-compute"}',
        'iaas_jobs_oldest_due_seconds{worker="iaas-compute"}',
        'iaas_worker_jobs_limit{worker="iaas-compute"}',
        "process_resident_memory_bytes",
    ):
        assert f"\n{line} " in text
    assert server not in text


# -- the truth ---------------------------------------------------------------------------------------------


@pytest.fixture
def truthful(running):
    for part in running.admin._parts:
        part.manager.truth = lambda name=part.binary: {"of": name}
    return running


def test_who_signs_is_told_the_truth_of_the_worker_it_names(truthful):
    path = "/truth/iaas-compute"
    assert truthful.get(path, **signed(path)).body["of"] == "iaas-compute"
    path = "/truth/iaas-network"
    assert truthful.get(path, **signed(path)).body["of"] == "iaas-network"
    path = "/truth/iaas-volume"
    assert truthful.get(path, **signed(path)).status == 404


def test_who_does_not_sign_is_401_and_learns_nothing(truthful):
    for path in ("/truth/iaas-compute", "/truth/nobody"):
        answer = truthful.get(path)
        assert (answer.status, answer.body) == (401, {"error": "The request is not signed."})


@pytest.mark.parametrize(
    "how",
    [
        {"secret": "another"},
        {"at": 1},
        {"at": int(runtime.time()) + 3600},
        {"method": "POST"},
    ],
)
def test_who_signs_wrongly_is_403(truthful, how):
    path = "/truth/iaas-compute"
    assert truthful.get(path, **signed(path, **how)).status == 403


def test_a_signature_is_for_one_path(truthful):
    assert truthful.get("/truth/iaas-network", **signed("/truth/iaas-compute")).status == 403


def test_a_replayed_request_is_403(truthful):
    path = "/truth/iaas-compute"
    headers = signed(path)
    assert truthful.get(path, **headers).status == 200
    assert truthful.get(path, **headers).status == 403


@pytest.mark.parametrize("junk", ["x", "1e9", "-1", "9" * 40, "١٢٣"])
def test_a_time_that_is_none_is_403(truthful, junk):
    path = "/truth/iaas-compute"
    assert truthful.get(path, **{**signed(path), "x_agent_time": junk}).status == 403


def test_without_a_secret_nobody_is_told(cloud):
    path = "/truth/iaas-compute"
    assert Asked([], secret="").get(path, **signed(path, secret="")).status == 403


def test_a_driver_that_cannot_say_is_503_and_a_crash_tells_nothing(truthful):
    path = "/truth/iaas-compute"
    compute = next(part for part in truthful.admin._parts if part.binary == "iaas-compute")

    def away():
        raise errors.Unavailable(reason="The hypervisor does not answer.")

    compute.manager.truth = away
    assert truthful.get(path, **signed(path, nonce="a")).status == 503
    compute.manager.truth = lambda: {}["password"]
    answer = truthful.get(path, **signed(path, nonce="b"))
    assert answer.status == 500
    assert "password" not in str(answer.body)


# -- the port ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "method", "query", "status"),
    [
        ("/", "GET", "", 404), ("/healthz/", "GET", "", 404), ("/truth", "GET", "", 404),
        ("/healthz", "POST", "", 405), ("/metrics", "DELETE", "", 405), ("/truth/iaas-compute", "GET", "a=b", 400),
    ],
)  # fmt: skip
def test_what_is_not_there_or_asked_wrongly_is_a_clear_4xx(path, method, query, status):
    answer = Asked([]).get(path, method, query)
    assert answer.status == status
    assert answer.body["error"]


def test_the_port_is_up_before_the_parts_and_workers_report_where_it_is(cloud):
    settings = cloud.settings.replace({"admin.compute_port": 0})
    worker = cloud._service("compute")
    parts = admin.around("iaas-compute", settings, [worker])
    cloud.workers["compute"] = worker
    try:
        parts[0].start()
        url = parts[0].url
        assert requests.get(f"{url}/healthz", timeout=10).status_code == 503
        for part in parts[1:]:
            part.start()
        assert requests.get(f"{url}/healthz", timeout=10).status_code == 200
        with cloud.clients.db.read(context.admin()) as tx:
            assert tx.scalar(sa.select(services.c.admin_url).where(services.c.binary == "iaas-compute")) == url
        worker.manager.truth = lambda: {"guests": {}}
        assert AgentClient(SECRET).truth(url, "iaas-compute")["guests"] == {}
        with pytest.raises(TruthUntold, match="403"):
            AgentClient("another").truth(url, "iaas-compute")
    finally:
        parts[0].stop()
    with pytest.raises(TruthUntold):
        AgentClient(SECRET).truth(url, "iaas-compute")


def test_a_port_that_is_taken_is_said(cloud):
    sock = runtime.listen("127.0.0.1", 0)
    settings = cloud.settings.replace({"admin.compute_port": sock.getsockname()[1]})
    with pytest.raises(errors.Unavailable, match=r"admin port of iaas-compute.*\[admin\]"):
        admin.Admin("iaas-compute", settings, []).start()
    sock.close()


def test_a_daemon_can_be_without():
    settings = conf.load([], ["admin.enabled=false"])
    assert admin.around("iaas-compute", settings, ["part"]) == ["part"]


def test_the_secret_is_compared_in_constant_time(monkeypatch):
    compared = []
    real = agentapi.hmac.compare_digest
    monkeypatch.setattr(agentapi.hmac, "compare_digest", lambda a, b: compared.append(1) or real(a, b))
    assert Asked([]).get("/truth/x", **signed("/truth/x", secret="another")).status == 403
    assert compared
