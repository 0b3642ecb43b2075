"""The broker or the database goes away under load and comes back: what was accepted is done, nothing is lost."""

from __future__ import annotations

import threading
import time

import pytest

from tests.fixtures import cluster as clouds
from tests.fixtures import promises

pytestmark = pytest.mark.servers

OUTAGE = 30.0
SETTLE = 60.0


@pytest.fixture(scope="module", params=["mariadb", "postgresql"])
def cluster(request):
    with clouds.cluster(request.param, options=clouds.SHORT_JOBS) as made:
        yield made


@pytest.fixture(scope="module")
def client(cluster):
    made = promises.Client(cluster)
    made.log_in()
    return made


@pytest.fixture(scope="module")
def things(cluster, client):
    """The image and the network servers are booted with."""
    network = promises.scalar(cluster, "SELECT id FROM networks WHERE is_default")
    return client.make_image(), network


@pytest.fixture
def load(client, things):
    client.bad.clear()
    client.seen.clear()
    made = promises.Load(client, *things, seed=1)
    made.start()
    yield made
    made.stop()


def finish(cluster, client, load):
    """Hold the cloud to its promises and empty it; return the seconds until all work was done."""
    took = promises.settle(cluster, SETTLE)
    assert load.broken() == []
    assert promises.unsound(cluster, client) == []
    load.delete_all()
    promises.settle(cluster, SETTLE)
    assert promises.left_over(cluster) == []
    assert len(cluster.pids) == len(cluster.daemons), f"a daemon ended: {cluster.pids}"
    return took


def test_the_api_accepts_while_the_broker_is_down_and_the_work_is_done_after(cluster, client, load, capsys):
    clouds.until(lambda: len(load.accepted["servers"]) >= 5, 30, "the load runs")
    cluster.rabbit.stop()
    before, begun = len(load.accepted["servers"]), time.monotonic()
    client.seen.clear()
    threading.Event().wait(OUTAGE)
    answers, accepted = dict(client.seen), len(load.accepted["servers"]) - before
    cluster.rabbit.start()
    down = time.monotonic() - begun
    load.stop()
    assert accepted >= 5
    assert set(answers) <= {200, 202, 204, 409}, f"answers while the broker was down: {answers}"
    took = finish(cluster, client, load)
    with capsys.disabled():
        print(f"\n{cluster.database}: broker down {down:.1f} s: {accepted} servers accepted, answers {answers}; "
              f"all work done {took:.1f} s after")  # fmt: skip


def test_the_api_says_503_while_the_database_is_down_and_nothing_is_lost(cluster, client, load, capsys):
    clouds.until(lambda: len(load.accepted["servers"]) >= 5, 30, "the load runs")
    cluster.sql.kill()
    client.seen.clear()
    begun = time.monotonic()
    status, _ = client.ask("GET", "compute", "/servers")
    refused = time.monotonic() - begun
    threading.Event().wait(10)
    answers = {code for code in client.seen if code is not None}
    cluster.sql.start()
    up = time.monotonic()
    clouds.until(lambda: client.ask("GET", "compute", "/servers")[0] == 200, 30, "the API answers again")
    back = time.monotonic() - up
    before = len(load.accepted["servers"])
    clouds.until(lambda: len(load.accepted["servers"]) > before, 30, "servers are accepted again")
    load.stop()
    assert status == 503
    assert answers <= {503}, f"answers while the database was down: {dict(client.seen)}"
    took = finish(cluster, client, load)
    with capsys.disabled():
        print(f"\n{cluster.database} killed: 503 after {refused:.2f} s, answers again {back:.1f} s after it is up; "
              f"all work done {took:.1f} s after")  # fmt: skip
