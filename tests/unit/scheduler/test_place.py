"""Placing: a host that was sold before it could be claimed costs another look, never a refusal."""

from __future__ import annotations

import dataclasses

import pytest
from bench import fill, inside

from iaas.common import context
from iaas.db import codec, ends, hosts, instances, jobs

CTX = context.admin()


@pytest.fixture
def scheduler(tmp_path):
    """A controller with two empty hosts, and its scheduler."""
    url = f"sqlite:///{tmp_path}/c.sqlite"
    database = inside.prepare(url)
    fill.add_hosts(database, 2)
    clients = dataclasses.replace(inside.connect(url), bell=inside.Rung())
    yield clients, inside.engine(clients)
    clients.close()
    database.close()


def placed(clients, engine):
    """Boot a server and let the scheduler try once; return its row, its job and what was kept for explain."""
    inside.boot(clients, "p")
    ((job_id, instance_id),) = clients.bell.jobs
    engine.run(job_id, instance_id)
    with clients.db.read(CTX) as tx:
        kept = hosts.placement_of(tx, instance_id)
        verdict = codec.load(kept.verdict) if kept is not None else None
        return instances.get(tx, instance_id), jobs.find(tx, job_id), verdict


def losing(monkeypatch, times):
    """Let the first claims find their host sold."""
    claim, lost = hosts.claim, []

    def lose(tx, host, *rest):
        if len(lost) < times:
            lost.append(host.name)
            return False
        return claim(tx, host, *rest)

    monkeypatch.setattr(hosts, "claim", lose)
    return lost


def test_when_all_that_fitted_were_sold_the_hosts_are_looked_at_again(scheduler, monkeypatch):
    lost = losing(monkeypatch, 3)
    instance, job, verdict = placed(*scheduler)
    assert instance.host == verdict["chosen"] is not None
    assert job.topic == f"compute.{instance.host}"
    assert (verdict["lost"], len(verdict["fitting"]), verdict["fits"]) == (lost, 2, 2)


def test_a_server_that_loses_every_race_waits_and_is_not_refused(scheduler, monkeypatch):
    losing(monkeypatch, 1000)
    instance, job, verdict = placed(*scheduler)
    assert (instance.vm_state, instance.host, instance.fault) == ("building", None, None)
    assert (job.state, job.topic, job.owner) == ("pending", "scheduler", None)
    assert job.not_before > job.now, "it is tried again a little later"
    assert verdict is None


def test_a_server_that_was_deleted_while_it_waited_ends_its_job(scheduler):
    clients, engine = scheduler
    inside.boot(clients, "p")
    ((job_id, instance_id),) = clients.bell.jobs
    clients.db.write(CTX, instances.remove, instance_id)
    engine.run(job_id, instance_id)
    with clients.db.read(CTX) as tx:
        assert jobs.find(tx, job_id).state == "done"


def test_a_server_is_placed_by_nine_statements_and_ended_by_seven(scheduler):
    clients, engine = scheduler
    inside.boot(clients, "p")
    ((job_id, instance_id),) = clients.bell.jobs
    before = clients.db.statements
    engine.run(job_id, instance_id)
    between = clients.db.statements
    clients.db.write(CTX, ends.forget_instance, instance_id)
    assert (between - before, clients.db.statements - between) == (9, 7)
