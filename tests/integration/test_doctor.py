"""`iaas-manage doctor` on clouds of real daemons: clean while they work, and after it has repaired what was broken."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

from iaas.compute.agentapi import AgentClient
from iaas.db.tx import Database
from iaas.doctor import Truth, ask, examine
from tests.fixtures import cluster as clouds
from tools.chaos import promises, state

pytestmark = pytest.mark.servers
MANAGE = Path(sys.executable).parent / "iaas-manage"


@pytest.fixture(scope="module", params=["mariadb", "postgresql"])
def cluster(request):
    with clouds.cluster(request.param) as made:
        yield made


@pytest.fixture(scope="module")
def client(cluster):
    made = promises.Client(cluster)
    made.log_in()
    return made


def doctor(cluster, *words):
    """Run `iaas-manage doctor --json` and return its exit code and what it said."""
    argv = [MANAGE, "--config-file", cluster.folder / "iaas.conf", "doctor", "--json", *words]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def test_a_story_ends_clean_and_what_is_broken_then_is_repaired(cluster, client):
    with cluster.sql_connection() as connection:
        network = connection.execute(sa.text("SELECT id FROM networks WHERE is_default")).scalar()
    image = client.make_image()
    servers = [client.boot(image, [{"uuid": network}]) for _ in range(5)]
    client.make_volume()
    code, said = doctor(cluster)
    assert (code, said["findings"], said["silent"]) == (0, [], []), "work is under way"
    state.settle(cluster, 60)
    assert client.act(servers[0], "stop")
    assert client.delete(servers[1])
    state.settle(cluster, 60)

    database = Database(cluster.database_url())
    answers = ask.everybody(database, AgentClient(cluster.settings.compute.agent_secret))
    truth = Truth(hosts=answers.hosts, ratios=cluster.settings.scheduler, limits_kept=True)
    assert answers.silent == []
    assert examine(database, truth, quiet=True) == []
    database.close()

    with cluster.sql_connection() as connection:
        connection.execute(sa.text("UPDATE quota_usages SET used = used + 3 WHERE resource = 'cores'"))
        connection.execute(sa.text("UPDATE hosts SET used_vcpus = used_vcpus + 1"))
        lost = sa.text("UPDATE instances SET task_state = 'rebooting_hard' WHERE id = :id")
        connection.execute(lost, {"id": servers[2].id})
        connection.commit()
    code, said = doctor(cluster, "--grace", "0")
    assert (code, {one["invariant"] for one in said["findings"]}) == (1, {"I2", "I3", "I8"})
    code, said = doctor(cluster, "--grace", "0", "--fix", "--yes")
    assert (code, said["findings"]) == (0, [])
    assert {step["result"] for step in said["repairs"]} == {"done"}

    with cluster.sql_connection() as connection:
        connection.execute(sa.text("UPDATE instances SET host = 'ghost' WHERE id = :id"), {"id": servers[3].id})
        connection.execute(sa.text("UPDATE instances SET vm_state = 'building' WHERE id = :id"), {"id": servers[4].id})
        before = connection.execute(sa.text("SELECT id, host FROM ports ORDER BY id")).all()
        connection.commit()
    shown = {id_: row["status"] for id_, row in client.listed("servers").items()}
    assert (shown[servers[3].id], shown[servers[4].id]) == ("ACTIVE", "UNKNOWN")
    code, said = doctor(cluster, "--grace", "0", "--fix", "--yes")
    done = {step["fix"]: step["result"] for step in said["repairs"]}
    assert (code, said["findings"]) == (0, []), done
    assert done == {"settle_host": "done", "settle_state": "done", "bind_port": "not needed any more"}
    with cluster.sql_connection() as connection:
        assert connection.execute(sa.text("SELECT id, host FROM ports ORDER BY id")).all() == before
