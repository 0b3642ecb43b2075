"""What ended long ago is forgotten; what exists keeps its actions."""

from __future__ import annotations

from iaas.common import context, runtime
from iaas.db import ec2, ends, hosts, jobs, purge
from iaas.db.models.ec2 import terminated
from iaas.db.models.jobs import jobs as table
from iaas.jobs import purge as purging
from tests.db.test_quotas import database
from tests.fixtures.network import add_instance

__all__ = ["database"]
CTX = context.RequestContext("req-1", user_id="u", project_id="p")
DAY = 86_400.0


def add(database, resource_id, days, state="done", resource_type="instance"):
    job_id, at = runtime.uuid(), runtime.time() - days * DAY

    def write(tx):
        values = {"state": state, "live_key": None} if state not in jobs.LIVE else {"state": state}
        jobs.add(
            tx, id=job_id, kind="build", action="create", resource_type=resource_type, resource_id=resource_id,
            project_id="p", request_id="req-1", topic="t", step="s", created_at=at, updated_at=at,
        )  # fmt: skip
        tx.execute(table.update().where(table.c.id == job_id).values(**values))

    database.write(CTX, write)
    return job_id


def left(database):
    with database.read(CTX) as tx:
        return {row.id for row in tx.all(table.select())}


def test_ended_jobs_of_what_is_gone_go_by_age(database):
    alive = runtime.uuid()
    database.write(CTX, add_instance, alive)
    gone = runtime.uuid()
    kept = {
        add(database, alive, 200), add(database, gone, 89), add(database, runtime.uuid(), 200, "running"),
        add(database, runtime.uuid(), 200, "pending"),
    }  # fmt: skip
    for state, kind in (("done", "instance"), ("failed", "volume"), ("superseded", "instance")):
        add(database, gone, 91, state, kind)
    assert purging.run(database, 90)["jobs"] == 3
    assert left(database) == kept
    database.write(CTX, ends.forget_instance, alive)
    assert purging.run(database, 90)["jobs"] == 1


def test_many_go_in_small_transactions_and_a_pass_has_an_end(database):
    for _ in range(7):
        add(database, runtime.uuid(), 10)
    assert purge.ended_jobs(database, CTX, runtime.time() - 5 * DAY, 3) == 3
    assert purging.run(database, 5, batch=1, passes=2)["jobs"] == 2
    assert purging.run(database, 5, batch=1, passes=None)["jobs"] == 2
    assert left(database) == set()


def test_a_placement_goes_with_its_instance_and_strays_of_before_go_too(database):
    first, second, stray = (runtime.uuid() for _ in range(3))
    for instance_id in (first, second):
        database.write(CTX, add_instance, instance_id)
    for instance_id in (first, second, stray):
        database.write(CTX, hosts.keep_placement, instance_id, runtime.time() - 61, "filter", "{}")
    database.write(CTX, ends.forget_instance, first)
    with database.read(CTX) as tx:
        assert hosts.placement_of(tx, first) is None
    assert purging.run(database, 90)["placements"] == 1
    with database.read(CTX) as tx:
        assert hosts.placement_of(tx, stray) is None
        assert hosts.placement_of(tx, second) is not None


def test_a_terminated_instance_is_kept_for_the_hour_it_is_shown(database):
    shown, old = (runtime.uuid() for _ in range(2))
    for instance_id in (shown, old):
        database.write(CTX, add_instance, instance_id)
        database.write(CTX, ends.forget_instance, instance_id)
    hour_ago = runtime.time() - ec2.SHOWN_FOR - 1
    database.write(CTX, lambda tx: tx.execute(terminated.update().where(terminated.c.id == old).values(at=hour_ago)))
    assert purging.run(database, 90)["terminated"] == 1
    with database.read(CTX) as tx:
        assert [row.id for row in ec2.terminated_page(tx, None, 10)] == [shown]
