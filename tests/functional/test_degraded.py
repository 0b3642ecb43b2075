"""A driver that hangs: its host is degraded and passed by until the call comes back."""

from __future__ import annotations

import pytest

from iaas.common import context, runtime
from iaas.compute.drivers.fake import FakeDriver
from iaas.db import codec, hosts
from iaas.network.drivers.fake import FakeDriver as FakeNetwork

pytest_plugins = ["tests.fixtures.cloud"]


@pytest.fixture
def hung():
    """A lock every hung call waits for; a test lets them go by releasing it."""
    lock = runtime.native_lock()
    lock.acquire()
    return lock


def degraded(cloud, binary="iaas-compute"):
    with cloud.clients.db.read(context.admin()) as tx:
        return hosts.all_services(tx, binary=binary)[0].degraded


def refused(cloud, server_id):
    with cloud.clients.db.read(context.admin()) as tx:
        return codec.load(hosts.placement_of(tx, server_id).verdict, {})["refused"]


def test_a_hung_driver_has_its_host_passed_by_until_it_comes_back(cloud, monkeypatch, hung):
    begin = FakeDriver.start

    def start(self, guest):
        with hung:
            begin(self, guest)

    monkeypatch.setattr(FakeDriver, "start", start)
    monkeypatch.setattr(FakeDriver, "deadlines", {"start": 0.05})
    cloud.start()
    late = cloud.boot("late")
    cloud.until(lambda: degraded(cloud))
    refused_id = cloud.boot("elsewhere")
    shown = cloud.until_status(refused_id, "ERROR")
    assert "healthy failed on 1" in shown["fault"]["message"]
    why = refused(cloud, refused_id)["healthy"]["hosts"]["host1"]
    assert why == "degraded: The driver's start has not come back for 0 s."
    assert cloud.server(late)["status"] == "BUILD"
    hung.release()
    cloud.until_status(late, "ACTIVE")
    cloud.until(lambda: degraded(cloud) is None)
    cloud.until_status(cloud.boot("after"), "ACTIVE")


def test_a_hung_network_driver_has_its_host_passed_by(cloud, monkeypatch, hung):
    cloud.start()
    cloud.until_status(cloud.boot("before"), "ACTIVE")
    monkeypatch.setattr("iaas.network.jobs.converge.DEADLINE", 0.05)
    converge = FakeNetwork.converge

    def late(self, wanted, **how):
        with hung:
            return converge(self, wanted, **how)

    monkeypatch.setattr(FakeNetwork, "converge", late)
    waiting = cloud.boot("waiting", networks="auto")
    cloud.until(lambda: degraded(cloud, "iaas-network"))
    assert "healthy failed on 1" in cloud.until_status(cloud.boot("other"), "ERROR")["fault"]["message"]
    hung.release()
    cloud.until_status(waiting, "ACTIVE")
    cloud.until(lambda: degraded(cloud, "iaas-network") is None)
    cloud.until_status(cloud.boot("after"), "ACTIVE")


def test_a_call_that_never_comes_back_ends_the_worker_and_the_next_one_goes_on(cloud, monkeypatch, hung):
    begin = FakeDriver.start
    first = []

    def start(self, guest):
        if not first:
            first.append(guest.id)
            with hung:
                return
        begin(self, guest)

    monkeypatch.setattr(FakeDriver, "start", start)
    monkeypatch.setattr(FakeDriver, "deadlines", {"start": 0.05})
    cloud.clients.settings.jobs.stuck_after = 1.0
    cloud.start("scheduler", "network")
    service = cloud.workers["compute"] = cloud._service("compute")
    ended = []
    service.on_end = lambda code, why: ended.append((code, why))
    service.start()
    server_id = cloud.boot()
    cloud.until(lambda: ended)
    assert ended[0][0] == 4
    assert "Only a new process of iaas-compute on host1 helps" in ended[0][1]
    hung.release()
    service.stop()
    cloud.start("compute")
    cloud.until_status(server_id, "ACTIVE")
    assert degraded(cloud) is None
