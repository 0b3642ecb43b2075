"""Stories of volumes: the API, the scheduler and volume workers on fake back-ends, SQLite and the in-memory queue."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from iaas.cmd import clients as process
from iaas.common import context, errors, points, rpc, runtime
from iaas.db import hosts, jobs
from iaas.db.models.controller import CONTROLLER
from iaas.db.tx import Database
from iaas.jobs import kinds
from iaas.jobs.service import WorkerService
from iaas.scheduler.manager import SchedulerManager
from iaas.volume import periodic
from iaas.volume.drivers.fake import FakeDriver, ProcessKilled, World
from iaas.volume.manager import VolumeManager
from tests.fixtures import compute
from tests.fixtures.volume import VolumeApi

LOG = logging.getLogger(__name__)
OPTIONS = {"jobs.sweep_every": 0.2, "jobs.lease": 1.0, "jobs.renew_every": 0.2, "jobs.drain_seconds": 2.0}


def mortal(run: Callable[..., None]) -> Callable[..., None]:
    """Return an engine's ``run`` that ends where its process is killed: nothing after that point happens."""

    def until_killed(*args: Any) -> None:
        try:
            run(*args)
        except ProcessKilled:
            LOG.info("killed")

    return until_killed


class Stores:
    """A controller and any number of volume hosts; a host's world survives its worker."""

    def __init__(self, database: Database) -> None:
        self.clients = process.make(
            compute.settings().replace(OPTIONS),
            identity=None,
            image=None,
            database=database,
            transport=rpc.connect(f"memory://{runtime.uuid()}"),
        )
        self.api = VolumeApi(self.clients)
        self.worlds: dict[str, World] = {}
        self.workers: dict[str, WorkerService] = {}

    def start(self, *names: str) -> None:
        """Start ``scheduler`` or the volume worker of the host of any other name."""
        for name in names:
            service = self.workers[name] = self._service(name)
            service.engine.run = mortal(service.engine.run)
            service.start()

    def _service(self, name: str) -> WorkerService:
        if name == "scheduler":
            return WorkerService("scheduler", self.clients, host="control", manager=SchedulerManager(self.clients))
        driver = FakeDriver(self.worlds.setdefault(name, World(total_gb=100)))
        manager = VolumeManager(self.clients, driver, name)
        return WorkerService("volume", self.clients, host=name, manager=manager, zone="nova")

    def stop(self, *names: str) -> None:
        for name in names or list(self.workers):
            self.workers.pop(name).stop()

    def restart(self) -> None:
        """End every worker and start it anew: other engines, which know nothing of what the old ones did."""
        names = list(self.workers)
        self.stop()
        self.start(*names)

    def status(self, volume_id: str) -> str:
        """Return the volume's status, ``gone`` after a 404."""
        response = self.api.request("GET", f"/volumes/{volume_id}")
        return response.json["volume"]["status"] if response.status_int == 200 else "gone"

    def until(self, true: Callable[[], Any], seconds: float = 20.0) -> Any:
        """Wait until ``true()`` holds and return what it returned."""
        deadline = runtime.monotonic() + seconds
        while True:
            found = true()
            if found:
                return found
            assert runtime.monotonic() < deadline, f"not within {seconds} s"
            runtime.sleep(0.01)

    def until_status(self, volume_id: str, status: str) -> None:
        self.until(lambda: self.status(volume_id) == status)

    def delete(self, volume_id: str) -> None:
        assert self.api.request("DELETE", f"/volumes/{volume_id}").status_int == 202

    def history(self, volume_id: str) -> dict[str, str]:
        """Return the state of each kind of job the volume had."""
        with self.clients.db.read(context.admin()) as tx:
            return {row.kind: row.state for row in jobs.of_resource(tx, volume_id)}

    def nothing_is_left(self, volume_id: str) -> None:
        """Nobody holds anything of a volume that is gone."""
        assert all(volume_id not in world.all for world in self.worlds.values())
        assert self.api.quota() == {"volumes": 0, "gigabytes": 0}
        assert not set(self.history(volume_id).values()) & set(jobs.LIVE)


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[Stores]:
    database = Database(f"sqlite:///{tmp_path}/controller.sqlite")
    CONTROLLER.create_all(database.engine)
    made = Stores(database)
    yield made
    points.watch(None)
    made.stop()
    made.clients.close()


def killed_at(wanted: str) -> list[str]:
    """Kill whoever passes the named point first; return a list that then has its name."""
    passed: list[str] = []

    def watcher(name: str) -> None:
        if name == wanted and not passed:
            passed.append(name)
            raise ProcessKilled

    points.watch(watcher)
    return passed


def test_a_volume_is_made_and_deleted_and_everything_is_given_back(stores):
    stores.start("scheduler", "store1")
    volume_id = stores.api.make(3)["id"]
    stores.until_status(volume_id, "available")
    assert stores.worlds["store1"].all == {volume_id: 3}
    shown = stores.api.show(volume_id, ctx=stores.api.admin)
    assert (shown["os-vol-host-attr:host"], shown["availability_zone"]) == ("store1", "nova")
    stores.delete(volume_id)
    stores.until_status(volume_id, "gone")
    stores.nothing_is_left(volume_id)
    assert stores.history(volume_id) == {"create_volume": "done", "delete_volume": "done"}


def test_without_a_volume_service_the_volume_is_in_error_and_says_why(stores):
    stores.start("scheduler")
    volume_id = stores.api.make()["id"]
    stores.until_status(volume_id, "error")
    assert stores.api.show(volume_id)["fault"]["message"].startswith("No volume service is up, enabled and well")
    assert stores.api.quota() == {"volumes": 1, "gigabytes": 1}
    stores.delete(volume_id)
    stores.until_status(volume_id, "gone")
    stores.nothing_is_left(volume_id)


def test_a_disabled_service_gets_no_volume(stores):
    stores.start("scheduler", "store1", "store2")
    body = {"binary": "cinder-volume", "host": "store1"}
    assert stores.api.request("PUT", "/os-services/disable", body, ctx=stores.api.admin).status_int == 200
    made = [stores.api.make()["id"] for _ in range(6)]
    for volume_id in made:
        stores.until_status(volume_id, "available")
    assert set(stores.worlds["store2"].all) == set(made)


def test_a_zone_is_honoured(stores):
    stores.start("scheduler", "store1")
    stores.api.service(host="store9", zone="east")  # its worker is not there: the volume would stay in creating
    made = [stores.api.make(availability_zone="nova")["id"] for _ in range(4)]
    for volume_id in made:
        stores.until_status(volume_id, "available")
    assert set(stores.worlds["store1"].all) == set(made)


def test_a_driver_that_fails_leaves_an_error_with_its_sentence_and_no_trace(stores):
    stores.start("scheduler", "store1")
    stores.worlds["store1"].fail_next("create", at="after", times=10)
    volume_id = stores.api.make(2)["id"]
    stores.until_status(volume_id, "error")
    assert stores.api.show(volume_id)["fault"]["message"] == "The fake back-end was told to fail create."
    assert stores.worlds["store1"].all == {}
    assert stores.history(volume_id) == {"create_volume": "failed"}
    stores.delete(volume_id)
    stores.until_status(volume_id, "gone")
    stores.nothing_is_left(volume_id)


def test_a_full_back_end_sends_the_volume_to_another_one(stores):
    stores.start("scheduler", "store1", "store2")
    stores.worlds["store1"].total_gb = 1
    made = [stores.api.make(2)["id"] for _ in range(5)]
    for volume_id in made:
        stores.until_status(volume_id, "available")
    assert set(stores.worlds["store2"].all) == set(made)
    assert stores.api.show(made[0], ctx=stores.api.admin)["os-vol-host-attr:host"] == "store2"


def test_no_room_anywhere_says_so(stores):
    stores.start("scheduler", "store1")
    stores.worlds["store1"].total_gb = 1
    volume_id = stores.api.make(2)["id"]
    stores.until_status(volume_id, "error")
    assert stores.api.show(volume_id)["fault"]["message"] == "The volume service has no room for 2 GiB."


def test_a_crash_of_the_driver_is_tried_again_and_its_words_are_not_the_users(stores):
    stores.start("scheduler", "store1")
    stores.worlds["store1"].fail_next("create", RuntimeError("/secret/path"))
    volume_id = stores.api.make()["id"]
    stores.until_status(volume_id, "available")
    assert stores.worlds["store1"].calls["create"] == 2


def test_a_delete_while_nobody_works_is_done_when_somebody_does(stores):
    volume_id = stores.api.make()["id"]
    stores.delete(volume_id)
    assert stores.status(volume_id) == "deleting"
    stores.start("scheduler", "store1")
    stores.until_status(volume_id, "gone")
    stores.nothing_is_left(volume_id)
    assert stores.worlds["store1"].calls["create"] == 0


def test_a_delete_while_the_back_end_makes_the_volume_wins_and_leaves_nothing(stores):
    stores.start("scheduler", "store1")
    making: list[str] = []
    gate = runtime.native_lock()  # free when it is taken here, so nobody waits on a green thread
    gate.acquire()

    class Slow(FakeDriver):
        def create(self, volume_id: str, size_gb: int) -> None:
            making.append(volume_id)
            with gate:
                super().create(volume_id, size_gb)

    stores.workers["store1"].manager.driver = Slow(stores.worlds["store1"])
    volume_id = stores.api.make()["id"]
    stores.until(lambda: making)
    stores.delete(volume_id)
    gate.release()
    stores.until_status(volume_id, "gone")
    assert stores.worlds["store1"].calls["create"] == 1
    stores.nothing_is_left(volume_id)
    assert stores.history(volume_id) == {"create_volume": "superseded", "delete_volume": "done"}


def test_a_delete_the_back_end_refuses_for_a_while_is_tried_until_it_is_done(stores):
    stores.start("scheduler", "store1")
    volume_id = stores.api.make()["id"]
    stores.until_status(volume_id, "available")
    stores.worlds["store1"].fail_next("delete")
    stores.delete(volume_id)
    stores.until_status(volume_id, "gone")
    stores.nothing_is_left(volume_id)


def test_an_accepted_volume_whose_ring_was_lost_is_found_by_the_sweep(stores):
    stores.start("scheduler", "store1")
    passed = killed_at("jobs.create_volume.accepted")
    with pytest.raises(ProcessKilled):
        stores.api.make()
    assert passed
    [volume] = stores.api.request("GET", "/volumes").json["volumes"]
    stores.until_status(volume["id"], "available")


STEPS = [
    f"jobs.{kind.name}.{step.name}.{moment}"
    for kind in (kinds.CREATE_VOLUME, kinds.DELETE_VOLUME)
    for step in kind.steps
    for moment in ("claimed", "done", "advanced")
]


@pytest.mark.parametrize("point", STEPS)
def test_a_worker_killed_between_any_two_steps_loses_nothing(stores, point):
    passed = killed_at(point)
    stores.start("scheduler", "store1")
    volume_id = stores.api.make(2)["id"]
    if "create_volume" in point:
        stores.until(lambda: passed)
        stores.restart()
    stores.until_status(volume_id, "available")
    assert stores.worlds["store1"].all == {volume_id: 2}
    stores.delete(volume_id)
    if "delete_volume" in point:
        stores.until(lambda: passed)
        stores.restart()
    stores.until_status(volume_id, "gone")
    stores.nothing_is_left(volume_id)


@pytest.mark.parametrize(("method", "at"), [("create", "before"), ("create", "after"), ("delete", "after")])
def test_a_worker_killed_in_the_back_end_does_the_step_again(stores, method, at):
    stores.start("scheduler", "store1")
    world = stores.worlds["store1"]
    world.fail_next(method, ProcessKilled(), at=at)
    volume_id = stores.api.make(2)["id"]
    if method == "create":
        stores.until(lambda: world.calls["create"])
        stores.restart()
    stores.until_status(volume_id, "available")
    stores.delete(volume_id)
    if method == "delete":
        stores.until(lambda: world.calls["delete"])
        stores.restart()
    stores.until_status(volume_id, "gone")
    stores.nothing_is_left(volume_id)
    assert world.calls[method] == 2


def test_a_worker_killed_while_it_undoes_leaves_no_trace_either(stores):
    passed = killed_at("jobs.create_volume.unmake.claimed")
    stores.start("scheduler", "store1")
    stores.worlds["store1"].fail_next("create", at="after")
    volume_id = stores.api.make(2)["id"]
    stores.until(lambda: passed)
    stores.restart()
    stores.until_status(volume_id, "error")
    assert stores.worlds["store1"].all == {}


def test_work_accepted_while_the_worker_was_away_is_done_when_it_comes_back(stores):
    stores.start("scheduler", "store1")
    volume_id = stores.api.make()["id"]
    stores.until_status(volume_id, "available")
    stores.stop("store1")
    stores.delete(volume_id)
    assert stores.status(volume_id) == "deleting"
    stores.start("store1")
    stores.until_status(volume_id, "gone")
    stores.nothing_is_left(volume_id)


def test_a_volume_that_outlived_its_deletion_is_removed_and_a_stranger_is_not(stores):
    stores.start("scheduler", "store1")
    world, stranger = stores.worlds["store1"], runtime.uuid()
    volume_id, kept = stores.api.make(2)["id"], stores.api.make(1)["id"]
    for made in (volume_id, kept):
        stores.until_status(made, "available")
    stores.delete(volume_id)
    stores.until_status(volume_id, "gone")
    world.all.update({volume_id: 2, stranger: 1})  # a call that hung came back after its deadline
    periodic.sweep_orphans(stores.workers["store1"].manager)
    assert set(world.all) == {kept, stranger}


def test_a_back_end_that_cannot_be_used_keeps_the_worker_from_starting(stores):
    stores.worlds["store1"] = World()
    stores.worlds["store1"].fail_next("start_host")
    with pytest.raises(errors.IaasError, match="told to fail start_host"):
        stores.start("store1")
    stores.workers.pop("store1")
    (shown,) = stores.api.request("GET", "/os-services", ctx=stores.api.admin).json["services"]
    assert shown["state"] == "down"


def test_a_back_end_that_hangs_gets_no_volumes_until_it_answers(stores, monkeypatch):
    hung, make = runtime.native_lock(), FakeDriver.create

    def create(self, volume_id, size_gb):
        with hung:
            return make(self, volume_id, size_gb)

    def degraded():
        with stores.clients.db.read(context.admin()) as tx:
            return hosts.all_services(tx, binary="iaas-volume")[0].degraded

    monkeypatch.setattr(FakeDriver, "create", create)
    monkeypatch.setattr(FakeDriver, "deadlines", {"create": 0.05})
    hung.acquire()
    stores.start("scheduler", "store1")
    waiting = stores.api.make()["id"]
    stores.until(lambda: degraded() == "The driver's create has not come back for 0 s.")
    other = stores.api.make()["id"]
    stores.until_status(other, "error")
    assert stores.api.show(other)["fault"]["message"].startswith("No volume service is up, enabled and well")
    assert stores.status(waiting) == "creating"
    hung.release()
    stores.until_status(waiting, "available")
    stores.until(lambda: degraded() is None)
    stores.until_status(stores.api.make()["id"], "available")
