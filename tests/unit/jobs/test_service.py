"""Who may be a worker of a host: one process of one machine, and of its starts the latest."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from iaas.common import conf, context, errors, rpc, runtime
from iaas.db import hosts
from iaas.db import jobs as rows
from iaas.db.models.controller import CONTROLLER
from iaas.db.tx import Database
from iaas.jobs import kinds, submit
from iaas.jobs.identity import HostTaken
from iaas.jobs.service import SUPERSEDED, Manager, WorkerService

CTX = context.admin()
KIND = kinds.Kind("paint", "wall", "paint", steps=(kinds.Step("brush", at="painter"),))


class Rings:
    def ring(self, topic, job_id, resource_id):
        pass


class Painter(Manager):
    def __init__(self, folder=None, bound=True):
        self.folder = folder
        self.bound = bound
        self.done = []
        self.handlers = {("paint", "brush"): self.brush}
        self.broken = False

    def start_host(self):
        if self.broken:
            raise errors.Unavailable(reason="There is no paint.")

    def brush(self, work):
        self.done.append(work.id)
        work.finish()


@pytest.fixture
def world(monkeypatch):
    monkeypatch.setitem(kinds.KINDS, KIND.name, KIND)
    db = Database("sqlite://")
    CONTROLLER.create_all(db.engine)
    settings = conf.load([], ["jobs.drain_seconds=1", "jobs.sweep_every=60", "compute.heartbeat_every=1"])
    made = []

    def worker(manager, *, name="painter", host="h1"):
        transport = rpc.connect(f"memory://{runtime.uuid()}")
        clients = SimpleNamespace(db=db, settings=settings, transport=transport, bell=Rings())
        service = WorkerService(name, clients, host=host, manager=manager)
        service.ended = []
        service.on_end = lambda code, why: service.ended.append((code, why))
        made.append(service)
        return service

    yield SimpleNamespace(db=db, worker=worker)
    for service in made:
        service.stop()


def service_row(world, binary="iaas-painter"):
    with world.db.read(CTX) as tx:
        return hosts.all_services(tx, binary=binary)[0]


def accept(world, resource="w1"):
    return world.db.write(CTX, submit.submit, Rings(), KIND, resource, host="h1")


def job(world, job_id):
    with world.db.read(CTX) as tx:
        return rows.find(tx, job_id)


def until(true):
    deadline = runtime.monotonic() + 20
    while not true():
        assert runtime.monotonic() < deadline
        runtime.sleep(0.01)


def test_of_two_starts_of_a_worker_the_earlier_claims_nothing_and_ends(world):
    first, second = world.worker(Painter()), world.worker(Painter())
    first.start()
    second.start()
    job_id = accept(world)
    first.engine.run(job_id, "w1")
    assert (job(world, job_id).state, first.manager.done) == ("pending", [])
    second.engine.run(job_id, "w1")
    assert (job(world, job_id).state, second.manager.done) == ("done", ["w1"])
    until(lambda: first.ended)
    code, why = first.ended[0]
    assert code == SUPERSEDED
    assert "iaas-painter on h1 was started again, as number 2; this one, number 1, takes no more jobs and ends." in why
    assert not second.ended


def test_an_earlier_start_renews_no_lease_and_does_not_say_that_the_later_one_drains(world):
    first, second = world.worker(Painter()), world.worker(Painter())
    first.start()
    job_id = accept(world)
    held = first.engine.held
    owner = first.engine.owner
    assert world.db.write(CTX, rows.claim, job_id, ["painter.h1"], owner, 30.0, held) is not None
    assert world.db.write(CTX, rows.renew, [job_id], owner, 60.0, held) == 1
    second.start()
    assert world.db.write(CTX, rows.renew, [job_id], owner, 60.0, held) == 0
    first.stop()
    assert not service_row(world).draining


def test_a_second_machine_of_one_name_is_refused_and_told_the_id_of_the_first(world, tmp_path):
    first, second = world.worker(Painter(tmp_path / "a")), world.worker(Painter(tmp_path / "b"))
    first.start()
    with pytest.raises(hosts.NameTaken) as refused:
        second.start()
    mine, other = ((tmp_path / name / "host-id").read_text().strip() for name in "ba")
    words = str(refused.value)
    assert f"Another machine is iaas-painter on h1 already: its host id is {other}" in words
    assert f"the id of this one is {mine}" in words
    assert "iaas-manage service remove iaas-painter h1" in words
    job_id = accept(world)
    first.engine.run(job_id, "w1")
    assert job(world, job_id).state == "done"


def test_a_second_process_of_one_machine_is_refused(world, tmp_path):
    first, second = world.worker(Painter(tmp_path)), world.worker(Painter(tmp_path))
    first.start()
    with pytest.raises(HostTaken, match="Another iaas-painter serves"):
        second.start()
    first.stop()
    second.start()
    assert service_row(world).incarnation == 2


def test_any_number_of_unbound_workers_share_a_name(world):
    first, second = (world.worker(Painter(bound=False)) for _ in range(2))
    first.start()
    second.start()
    for number, service in enumerate((first, second)):
        job_id = accept(world, f"w{number}")
        service.engine.run(job_id, f"w{number}")
        assert job(world, job_id).state == "done"
    assert world.db.write(CTX, hosts.beat, first.engine.held)


def test_a_worker_whose_row_was_removed_makes_it_anew(world, tmp_path):
    service = world.worker(Painter(tmp_path))
    service.start()
    world.db.write(CTX, hosts.remove_service, service_row(world).id)
    until(lambda: world.db.write(CTX, hosts.beat, service.engine.held))
    row = service_row(world)
    assert (row.host_id, row.draining) == ((tmp_path / "host-id").read_text().strip(), False)
    assert not service.ended


def test_a_worker_that_cannot_start_gets_no_work_and_keeps_no_lock(world, tmp_path):
    first, second = world.worker(Painter(tmp_path)), world.worker(Painter(tmp_path))
    first.manager.broken = True
    with pytest.raises(errors.Unavailable):
        first.start()
    row = service_row(world)
    assert row.draining
    assert row.silent_for > 1000
    second.start()
    assert not service_row(world).draining


def test_a_report_of_another_machine_or_of_an_earlier_start_changes_no_host(world):
    facts = {"zone": "nova", "hypervisor_hostname": "x", "hypervisor_type": "fake"}

    def keep(host_id, held, vcpus):
        args = (host_id, "h1", runtime.time(), held)
        world.db.write(CTX, lambda tx: hosts.keep_host(tx, *args, vcpus=vcpus, **facts))

    start = (runtime.uuid(), "iaas-compute", "h1", "nova")
    first = world.db.write(CTX, hosts.start_service, *start, host_id="a")
    keep("a", first, 1)
    second = world.db.write(CTX, hosts.start_service, *start, host_id="a")
    keep("a", second, 2)
    with pytest.raises(hosts.Superseded):
        keep("a", first, 3)
    with pytest.raises(hosts.NameTaken):
        keep("b", None, 4)
    with world.db.read(CTX) as tx:
        assert hosts.get(tx, "h1").vcpus == 2
