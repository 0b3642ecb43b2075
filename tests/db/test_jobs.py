"""Leases in the database: whose job stays whose, and who waits for whom."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from iaas.common import context, runtime
from iaas.db import engines, jobs
from iaas.db.tx import Database
from tests.db.test_quotas import database

__all__ = ["database"]
CTX = context.admin("req-1")
TABLE = jobs.jobs
SERVERS = [pytest.param(kind, marks=pytest.mark.servers) for kind in ("mariadb", "postgresql")]


def claimed(database, owner="w1"):
    """Add a job and have a worker claim it for no time; return its id."""
    job_id, now = runtime.uuid(), runtime.time()
    values = {"kind": "build", "action": "create", "resource_type": "instance", "resource_id": runtime.uuid()}
    values |= {"project_id": "p", "request_id": "req-1", "topic": "t", "step": "s", "created_at": now}
    database.write(CTX, lambda tx: jobs.add(tx, id=job_id, updated_at=now, **values))
    assert database.write(CTX, jobs.claim, job_id, ["t"], owner, 0.0)
    return job_id


def leased(database):
    """Return the ids of the jobs whose lease is not over."""
    with database.read(CTX) as tx:
        return {row.id for row in tx.all(sa.select(TABLE).where(TABLE.c.lease_until > engines.db_now()))}


def test_a_worker_renews_what_it_runs_and_nothing_else(database):
    mine, others, ended = claimed(database), claimed(database, "w2"), claimed(database)
    database.write(CTX, lambda tx: tx.execute(TABLE.update().where(TABLE.c.id == ended).values(state="done")))
    assert database.write(CTX, jobs.renew, [mine, others, ended], "w1", 60.0) == 1
    assert leased(database) == {mine}


@pytest.mark.parametrize("database", SERVERS, indirect=True)
def test_one_job_that_takes_long_to_end_does_not_cost_the_others_their_leases(database):
    ending, running = claimed(database), claimed(database)
    url = database.engine.url.render_as_string(hide_password=False)
    impatient = Database(url, engines.Options(statement_timeout=1))
    with database.engine.connect() as holder:  # the transaction that ends a job waits for something else
        holder.execute(TABLE.update().where(TABLE.c.id == ending).values(step="end"))
        assert impatient.write(CTX, jobs.renew, [ending, running], "w1", 60.0) == 1
    impatient.close()
    assert leased(database) == {running}
