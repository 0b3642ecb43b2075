"""How the database finds what is asked for all the time: by an index, however many rows there are."""

from __future__ import annotations

import pytest
from sqlalchemy import event

from iaas.common import context
from iaas.db import hosts, instances, jobs
from iaas.db.models.controller import CONTROLLER
from iaas.db.tx import Database

CTX = context.admin()
OWN = context.RequestContext(request_id="r", user_id="u", project_id="p", roles=("member",))
NEWEST = [("created_at", "desc")]


@pytest.fixture
def database():
    made = Database("sqlite://")
    CONTROLLER.create_all(made.engine)
    yield made
    made.close()


def plans(database, ctx, query):
    """Return how SQLite goes about each statement of ``query(tx)``."""
    sent = []
    remember = lambda connection, cursor, statement, values, *_: sent.append((statement, values))  # noqa: E731
    event.listen(database.engine, "before_cursor_execute", remember)
    with database.read(ctx) as tx:
        query(tx)
        event.remove(database.engine, "before_cursor_execute", remember)
        raw = tx.connection.connection.cursor()
        found = [raw.execute("EXPLAIN QUERY PLAN " + statement, values).fetchall() for statement, values in sent]
    return [row[-1] for plan in found for row in plan]


ASKED = {
    "backlog": (CTX, jobs.pending_by_project, "jobs USING COVERING INDEX ix_jobs_live (state=?)"),
    "sweep": (CTX, lambda tx: jobs.due(tx, ["scheduler", "s.h"], 50), "jobs USING INDEX ix_jobs_sweep"),
    "live job": (CTX, lambda tx: jobs.find_live(tx, "instance", "i"), "jobs USING INDEX"),
    "actions": (CTX, lambda tx: jobs.of_resource(tx, "i"), "jobs USING INDEX ix_jobs_resource"),
    "show": (CTX, lambda tx: instances.find(tx, "i"), "instances USING INDEX"),
    "servers of a host": (CTX, lambda tx: instances.on_host(tx, "h"), "instances USING INDEX ix_instances_host"),
    "servers of a project": (OWN, lambda tx: instances.page(tx, [], NEWEST, 1000, None), "instances USING INDEX"),
    "release": (CTX, lambda tx: hosts.release(tx, "i"), "allocations USING COVERING INDEX"),
}


@pytest.mark.parametrize(("ctx", "query", "index"), ASKED.values(), ids=ASKED)
def test_it_is_found_by_an_index(database, ctx, query, index):
    found = plans(database, ctx, query)
    assert any(line.startswith(f"SEARCH {index}") for line in found), found
    assert not any(line.startswith("SCAN") for line in found), found


def test_a_page_of_all_servers_is_read_in_the_order_of_an_index(database):
    found = plans(database, CTX, lambda tx: instances.page(tx, [], NEWEST, 1000, None))
    assert found == ["SCAN instances USING INDEX ix_instances_created"], "no sorting: it ends at the page's last row"
