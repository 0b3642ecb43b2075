"""kill -9 of any daemon at any moment: what was answered 2xx is done, and nothing is left behind.

pytest tests/integration/test_kills.py --kills 300 --kill-seed 7
"""

from __future__ import annotations

import random
import time

import pytest

from iaas.jobs import kinds
from tests.fixtures import cluster as clouds
from tests.fixtures import promises
from tests.fixtures.keeper import Keeper

pytestmark = pytest.mark.servers

SETTLE = 60.0
MOMENTS = ("claimed", "done", "advanced")


@pytest.fixture(scope="module")
def cluster():
    with clouds.cluster("mariadb", computes=2, options=clouds.SHORT_JOBS) as made:
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
def load(client, things, request):
    made = promises.Load(client, *things, seed=request.config.getoption("--kill-seed"))
    client.bad.clear()
    return made


def check(cluster, client, load):
    """Everything promised is kept within a minute; then all is deleted and nothing is left. Returns the seconds."""
    begun = time.monotonic()
    promises.settle(cluster, SETTLE)
    settled = time.monotonic() - begun
    assert load.broken() == []
    assert promises.unsound(cluster, client) == []
    load.delete_all()
    emptied = promises.settle(cluster, SETTLE)
    assert promises.left_over(cluster) == []
    return settled, emptied


def test_daemons_killed_at_random_lose_nothing(cluster, client, load, request, capsys):
    rng = random.Random(request.config.getoption("--kill-seed"))
    kills = request.config.getoption("--kills")
    with Keeper(cluster) as keeper:
        load.start()
        try:
            for _ in range(kills):
                time.sleep(rng.uniform(0.2, 1.5))
                alive = clouds.until(lambda: list(cluster.pids), 30, "a daemon to kill")
                cluster.kill(rng.choice(alive))
        finally:
            load.stop()
        keeper.all_ready(60)
        settled, emptied = check(cluster, client, load)
    assert len(keeper.deaths) == kills
    with capsys.disabled():
        accepted = {noun: len(ids) for noun, ids in load.accepted.items()}
        print(
            f"\n{kills} kills, accepted {accepted}, {len(load.deleted)} deletions, answers {dict(client.seen)}; "
            f"settled {settled:.1f} s after the last restart, emptied in {emptied:.1f} s"
        )


def rounds():
    """Return sets of named points one boot and one deletion pass, daemon by daemon: every point at least once."""
    left: dict[str, list[str]] = {"api": ["jobs.build.accepted", "jobs.delete.accepted"]}
    for kind in (kinds.BUILD, kinds.DELETE):
        for step in kind.steps:
            left.setdefault(step.at, []).extend(f"jobs.{kind.name}.{step.name}.{moment}" for moment in MOMENTS)
    while any(left.values()):
        yield {daemon: points.pop(0) for daemon, points in left.items() if points}


@pytest.fixture
def armed(cluster, request):
    """Daemons that will die at named points; afterwards none of them will any more."""
    names = {name: point for name in cluster.daemons for worker, point in request.param.items()
             if name.partition("-")[0] == worker}  # fmt: skip
    for name, point in names.items():
        cluster.kill(name)
        cluster.spawn(name, IAAS_CRASH_AT=point)
    pids = dict(cluster.pids)
    for name in names:
        cluster.wait_ready(name)
    yield names
    for name in names:
        if cluster.pids.get(name) == pids[name]:
            cluster.restart(name)


def delete(client, load, server):
    """Delete a server through however many deaths of the API."""

    def accepted():
        load.delete("servers", "compute", server)
        return server in load.deleted or not any(row == server for row in client.servers())

    clouds.until(accepted, SETTLE, "the deletion is accepted")


@pytest.mark.parametrize("armed", [pytest.param(each, id="+".join(each.values())) for each in rounds()], indirect=True)
def test_daemons_killed_at_named_points_lose_nothing(cluster, client, load, armed):
    with Keeper(cluster) as keeper:
        server = load.boot("vm")
        clouds.until(lambda: client.servers()[server]["status"] == "ACTIVE", SETTLE, "the server is active")
        delete(client, load, server)
        clouds.until(lambda: server not in client.servers(), SETTLE, "the server is gone")
        keeper.all_ready(60)
        check(cluster, client, load)
    assert_died(keeper, armed)


UNDO = [{"compute": f"jobs.build.discard.{moment}", "network": f"jobs.build.unwire.{moment}"} for moment in MOMENTS]


@pytest.mark.parametrize("armed", [pytest.param(each, id="+".join(each.values())) for each in UNDO], indirect=True)
def test_daemons_killed_while_they_undo_a_failed_build_leave_nothing(cluster, client, load, armed):
    load.image = client.make_iso()
    with Keeper(cluster) as keeper:
        server = load.boot("vm")
        clouds.until(lambda: client.servers()[server]["status"] == "ERROR", SETTLE, "the server is in error")
        assert client.servers()[server]["fault"]["message"]
        keeper.all_ready(60)
        check(cluster, client, load)
    assert_died(keeper, armed)


def assert_died(keeper, armed):
    for point in set(armed.values()):
        worker = {name.partition("-")[0] for name, wanted in armed.items() if wanted == point}
        assert worker & {name.partition("-")[0] for name in keeper.deaths}, f"nobody died at {point}"
