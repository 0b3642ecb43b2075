"""The job engine against SQLite, with steps of our own in place of the workers'."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import sqlalchemy as sa

from iaas.common import conf, context, errors, metrics, runtime
from iaas.db import jobs as rows
from iaas.db.models.controller import CONTROLLER
from iaas.db.models.jobs import jobs
from iaas.db.tx import Database
from iaas.jobs import kinds, outcomes, submit
from iaas.jobs.engine import Engine
from iaas.jobs.handlers import Handlers
from iaas.jobs.work import Elsewhere, Fenced, Permanent

CTX = context.RequestContext("req-1", user_id="u", project_id="p")
KIND = kinds.Kind(
    "paint",
    "wall",
    "paint",
    steps=(
        kinds.Step("mix", at="painter", local=False, undo="clean"),
        kinds.Step("brush", at="painter", undo="clean"),
    ),
    undos=(kinds.Step("clean", at="painter"),),
    max_attempts=3,
)
YIELDING = kinds.Kind("sand", "wall", "sand", steps=(kinds.Step("rub", at="painter"),), yields_to_delete=True)
DELETE = kinds.Kind("tear_down", "wall", "delete", steps=(kinds.Step("tear", at="painter"),), max_attempts=None)
FORGET = kinds.Kind("forget_wall", "wall", "delete", steps=(kinds.Step("lose", at="painter", local=False),))


class Rings:
    def __init__(self):
        self.heard = []

    def ring(self, topic, job_id, resource_id):
        self.heard.append((topic, job_id, resource_id))


@pytest.fixture
def world(monkeypatch):
    for kind in (KIND, YIELDING, DELETE, FORGET):
        monkeypatch.setitem(kinds.KINDS, kind.name, kind)
    monkeypatch.setitem(kinds.DELETES, "wall", (DELETE, FORGET))
    failed, released = [], []
    monkeypatch.setitem(outcomes.FAILED, "wall", lambda tx, job, fault: failed.append(fault))
    monkeypatch.setitem(outcomes.RELEASED, "wall", lambda tx, job: released.append(job.host))
    db = Database("sqlite://")
    CONTROLLER.create_all(db.engine)
    handlers = Handlers("painter")
    settings = conf.load([], ["jobs.drain_seconds=1"])
    bell = Rings()
    engine = Engine("painter.h1", db, settings, ["painter", "painter.h1"], handlers.table, bell, None)
    return SimpleNamespace(
        db=db, handlers=handlers, engine=engine, bell=bell, settings=settings, failed=failed, released=released
    )


def accept(world, kind=KIND, resource="w1", **kwargs):
    return world.db.write(CTX, submit.submit, world.bell, kind, resource, **kwargs)


def job(world, job_id):
    with world.db.read(CTX) as tx:
        return tx.one(sa.select(jobs).where(jobs.c.id == job_id))


def set_columns(world, job_id, **values):
    world.db.write(CTX, lambda tx: tx.execute(sa.update(jobs).where(jobs.c.id == job_id).values(**values)))


def test_steps_run_in_order_and_leave_their_events(world):
    done = []
    world.handlers.step("paint", "mix")(lambda work: (done.append("mix"), work.advance(host="h1")))
    world.handlers.step("paint", "brush")(lambda work: (done.append("brush"), work.advance()))
    job_id = accept(world)
    assert world.bell.heard == [("painter", job_id, "w1")]
    world.engine.run(job_id, "w1")
    assert done == ["mix", "brush"]
    row = job(world, job_id)
    assert (row.state, row.live_key, row.host) == ("done", None, "h1")
    assert [(e["event"], e["result"]) for e in rows.events_of(row)] == [
        ("painter_mix", "Success"),
        ("painter_brush", "Success"),
    ]


def test_a_job_of_another_host_is_handed_over_with_a_ring(world):
    world.handlers.step("paint", "mix")(lambda work: work.advance(host="h2"))
    job_id = accept(world)
    world.engine.run(job_id, "w1")
    row = job(world, job_id)
    assert (row.state, row.topic, row.step, row.owner) == ("pending", "painter.h2", "brush", None)
    assert world.bell.heard[-1] == ("painter.h2", job_id, "w1")


def test_a_second_job_on_a_busy_resource_is_a_conflict(world):
    accept(world)
    with pytest.raises(submit.Busy):
        accept(world)


def test_only_one_of_two_claims_wins(world):
    job_id = accept(world)
    first = world.db.write(CTX, rows.claim, job_id, ["painter"], "a", 30.0)
    second = world.db.write(CTX, rows.claim, job_id, ["painter"], "b", 30.0)
    assert first is not None
    assert second is None


def test_the_sweep_finds_what_nobody_rang_for_and_what_a_dead_worker_left(world):
    world.handlers.step("paint", "mix")(lambda work: work.finish())
    job_id = accept(world)
    set_columns(world, job_id, state="running", owner="dead", fence=4, lease_until=runtime.time() - 1)
    assert world.engine.sweep() == 1
    deadline = runtime.monotonic() + 5
    while job(world, job_id).state != "done":
        assert runtime.monotonic() < deadline
        runtime.sleep(0.01)


def test_a_live_lease_is_left_alone(world):
    job_id = accept(world)
    set_columns(world, job_id, state="running", owner="alive", lease_until=runtime.time() + 30)
    assert world.engine.sweep() == 0


def test_a_worker_that_lost_its_lease_changes_nothing(world):
    job_id = accept(world)
    changed = []

    def mix(work):
        set_columns(world, job_id, fence=99, owner="another")
        with pytest.raises(Fenced):
            work.advance(lambda tx: changed.append(1), host="h1")
        raise Fenced

    world.handlers.step("paint", "mix")(mix)
    world.engine.run(job_id, "w1")
    row = job(world, job_id)
    assert (row.owner, row.step, changed) == ("another", "mix", [])


def test_a_permanent_failure_is_undone_and_shown(world):
    undone = []
    world.handlers.step("paint", "mix")(lambda work: work.advance(host="h1"))
    world.handlers.step("paint", "brush")(lambda work: (_ for _ in ()).throw(Permanent(reason="no paint")))
    world.handlers.step("paint", "clean")(lambda work: (undone.append(work.id), work.advance()))
    job_id = accept(world)
    world.engine.run(job_id, "w1")
    row = job(world, job_id)
    assert row.state == "failed"
    assert undone == ["w1"]
    assert world.failed[0]["message"] == "no paint"
    assert [e["result"] for e in rows.events_of(row)] == ["Success", "Error", "Error"]


def test_elsewhere_releases_the_host_and_excludes_it(world):
    world.handlers.step("paint", "mix")(lambda work: work.advance(host="h1"))
    world.handlers.step("paint", "brush")(lambda work: (_ for _ in ()).throw(Elsewhere(reason="full")))
    world.handlers.step("paint", "clean")(lambda work: work.advance())
    job_id = accept(world)
    world.engine.run(job_id, "w1")
    row = job(world, job_id)
    assert (row.state, row.step, row.host) == ("pending", "mix", None)
    assert '"excluded":["h1"]' in row.args
    assert world.released == ["h1"]


def test_a_transient_failure_is_postponed_and_gives_up_after_its_attempts(world):
    world.handlers.step("paint", "mix")(lambda work: (_ for _ in ()).throw(errors.Unavailable(reason="later")))
    job_id = accept(world)
    world.engine.run(job_id, "w1")
    row = job(world, job_id)
    assert row.state == "pending"
    assert row.not_before > runtime.time()
    set_columns(world, job_id, attempt=3, not_before=0.0)
    world.engine.run(job_id, "w1")
    assert job(world, job_id).state == "failed"
    assert "3 times" in world.failed[0]["message"]


def test_a_crash_of_a_step_shows_no_details_to_the_user(world):
    world.handlers.step("paint", "mix")(lambda work: (_ for _ in ()).throw(RuntimeError("/secret/path")))
    job_id = accept(world)
    set_columns(world, job_id, attempt=3)
    world.engine.run(job_id, "w1")
    assert "/secret/path" not in str(world.failed)


def test_delete_ends_a_job_that_yields_at_once(world):
    job_id = accept(world, YIELDING, host="h1")
    world.db.write(CTX, submit.submit_delete, world.bell, "wall", "w1", "h1")
    assert job(world, job_id).state == "superseded"
    with world.db.read(CTX) as tx:
        live = rows.find_live(tx, "wall", "w1")
    assert (live.kind, live.topic) == ("tear_down", "painter.h1")


def test_delete_follows_a_job_that_does_not_yield(world):
    world.handlers.step("paint", "mix")(lambda work: work.advance(host="h1"))
    world.handlers.step("paint", "brush")(lambda work: work.advance())
    job_id = accept(world)
    world.db.write(CTX, submit.submit_delete, world.bell, "wall", "w1", None)
    world.engine.run(job_id, "w1")
    with world.db.read(CTX) as tx:
        live = rows.find_live(tx, "wall", "w1")
    assert job(world, job_id).state == "done"
    assert (live.kind, live.host) == ("tear_down", "h1")


def test_deleting_twice_is_one_job(world):
    for _ in range(2):
        world.db.write(CTX, submit.submit_delete, world.bell, "wall", "w1", "h1")
    with world.db.read(CTX) as tx:
        assert len(rows.of_resource(tx, "w1")) == 1


def test_a_draining_worker_claims_nothing_and_hands_its_job_on(world):
    def mix(work):
        world.engine._stopping.set()
        work.advance(host="h1")

    world.handlers.step("paint", "mix")(mix)
    job_id = accept(world)
    world.engine.run(job_id, "w1")
    row = job(world, job_id)
    assert (row.state, row.step, row.owner) == ("pending", "brush", None)
    world.engine.run(job_id, "w1")
    assert job(world, job_id).step == "brush"


def test_a_step_that_a_draining_worker_lets_end_keeps_its_lease(world):
    world.engine.settings = world.settings.replace(
        {"jobs.renew_every": 0.01, "jobs.lease": 1.0, "jobs.drain_seconds": 30}
    )
    entered, renewed = runtime.event(), []

    def mix(work):
        entered.set()
        first, deadline = job(world, work.job.id).lease_until, runtime.monotonic() + 20
        while runtime.monotonic() < deadline and not renewed:
            runtime.sleep(0.01)
            renewed.extend([True] if job(world, work.job.id).lease_until > first + 0.5 else [])
        work.advance(host="h1")

    world.handlers.step("paint", "mix")(mix)
    world.engine.start()
    job_id = accept(world)
    running = runtime.spawn(world.engine.run, job_id, "w1")
    assert entered.wait(10)
    world.engine.stop()
    running.wait()
    assert renewed == [True]
    assert job(world, job_id).state == "pending"


def test_a_handler_of_the_wrong_worker_cannot_be_declared():
    with pytest.raises(ValueError, match="belongs to the scheduler worker"):
        Handlers("compute").step("build", "place")


def test_the_backlog_refuses_when_a_project_has_too_much_under_way(world):
    backlog = submit.Backlog(world.db, world.settings.replace({"jobs.max_pending_per_project": 1}))
    backlog.check(CTX)
    accept(world)
    backlog = submit.Backlog(world.db, world.settings.replace({"jobs.max_pending_per_project": 1}))
    with pytest.raises(errors.Unavailable, match="too many requests"):
        backlog.check(CTX)


def test_sweeps_do_not_pile_up_tasks_for_jobs_that_wait_for_their_turn(world, monkeypatch):
    spawned = []
    monkeypatch.setattr(runtime, "spawn", lambda fn, *args: spawned.append((fn, args)))
    job_id = accept(world)
    assert [world.engine.sweep() for _ in range(3)] == [1, 1, 1]
    assert len(spawned) == 1
    world.handlers.step("paint", "mix")(lambda work: {}["paint"])  # it fails for now: the job will be due again
    fn, args = spawned.pop()
    fn(*args)
    set_columns(world, job_id, not_before=0.0)
    spawned.clear()
    world.engine.sweep()
    assert len(spawned) == 1


def test_what_became_of_a_job_is_counted_and_said_with_its_request(world, caplog):
    caplog.set_level("INFO")
    before = dict(metrics.STEPS.values)
    world.handlers.step("paint", "mix")(lambda work: work.advance(host="h1"))
    world.handlers.step("paint", "brush")(lambda work: work.finish())
    job_id = accept(world)
    world.engine.run(job_id, "w1")
    counted = {labels: count - before.get(labels, 0) for labels, count in metrics.STEPS.values.items()}
    assert counted["paint", "mix", "done"] == counted["paint", "brush", "done"] == 1
    changes = [record.change for record in caplog.records if hasattr(record, "change")]
    assert [(c["event"], c["from"], c["to"]) for c in changes if c["id"] == job_id] == [
        ("accepted", "-", "pending"),
        ("claimed", "pending", "running"),
        ("advanced", "mix", "brush"),
        ("ended", "running", "done"),
    ]
