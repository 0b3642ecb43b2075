"""Rows that are lost, or not in an older database, cut no guest off: nothing proves that its port was given up."""

from __future__ import annotations

import logging

import pytest
import sqlalchemy as sa

from iaas.common import runtime
from iaas.db import jobs, ports
from iaas.db.models.instances import instances as instance_rows
from iaas.db.models.jobs import jobs as job_rows
from iaas.db.models.networks import fixed_ips, port_groups
from iaas.db.models.networks import ports as port_rows
from iaas.network.api import ports as port_verbs
from iaas.network.api import security_groups, servers
from iaas.network.drivers.fake import FakeDriver
from iaas.network.jobs import converge
from iaas.network.manager import NetworkManager
from tests.fixtures.network import make_clients, project
from tests.functional.test_network_worker import ADMIN, DEMO, Cloud
from tools.private_servers import wait_until

SAYS = "nothing proves"


@pytest.fixture
def cloud():
    made = Cloud()
    yield made
    made.stop()


def boot(cloud, count: int) -> dict[str, str]:
    """Return the ports of running servers on h1, by server."""
    made = [cloud.boot("h1") for _ in range(count)]
    for server in made:
        cloud.until(server, "active")
    return {server: cloud.port(server).id for server in made}


def lose(cloud, *server_ids: str, history: bool = True) -> None:
    """Take everything of servers out of the database, as an older one that is restored has nothing of them."""

    def gone(tx) -> None:
        mine = sa.select(port_rows.c.id).where(port_rows.c.device_id.in_(server_ids))
        found = [row.id for row in tx.all(mine)]
        for table in (fixed_ips, port_groups):
            tx.execute(sa.delete(table).where(table.c.port_id.in_(found)))
        tx.execute(sa.delete(port_rows).where(port_rows.c.id.in_(found)))
        tx.execute(sa.delete(instance_rows).where(instance_rows.c.id.in_(server_ids)))
        if history:
            tx.execute(sa.delete(job_rows).where(job_rows.c.resource_id.in_(server_ids)))

    cloud.clients.db.write(ADMIN, gone)


def add_job(cloud, server_id: str, kind: str, state: str) -> None:
    """Leave a record of a job of a server."""

    def write(tx) -> None:
        now = runtime.time()
        columns = {
            "id": runtime.uuid(), "kind": kind, "action": kind, "resource_type": "instance", "resource_id": server_id,
            "request_id": "r", "topic": "compute.h9", "step": "unwire", "state": state,
            "created_at": now, "updated_at": now,
        }  # fmt: skip
        tx.insert(job_rows, **columns)

    cloud.clients.db.write(ADMIN, write)


def errors_of(caplog) -> list[str]:
    return [entry.getMessage() for entry in caplog.records if entry.levelno >= logging.ERROR and SAYS in entry.message]


def test_ports_whose_rows_were_lost_stay_wired_and_are_named_at_error(cloud, caplog):
    found = boot(cloud, 6)
    lose(cloud, *found)
    caplog.clear()
    cloud.managers["h1"].converger.compare()
    world = cloud.drivers["h1"].world
    assert {port for port in found.values() if world.wire(port)} == set(found.values())
    first, second = list(found.values())[:2]
    assert world.reaches(first, second, "tcp", 22)
    (line,) = errors_of(caplog)
    assert all(port in line for port in found.values())


def test_the_same_ports_are_named_again_after_an_hour_and_at_once_when_they_are_others(cloud, caplog, monkeypatch):
    found = boot(cloud, 2)
    (first, port), (second, other) = found.items()
    now = [1000.0]
    monkeypatch.setattr(runtime, "monotonic", lambda: now[0])
    compare = cloud.managers["h1"].converger.compare
    lose(cloud, first)
    compare()
    compare()
    assert len(errors_of(caplog)) == 1
    now[0] += 3601.0
    compare()
    assert len(errors_of(caplog)) == 2
    lose(cloud, second)
    compare()
    assert len(errors_of(caplog)) == 3
    assert port in errors_of(caplog)[-1]
    assert other in errors_of(caplog)[-1]


def test_a_restarted_worker_keeps_them_too_and_learns_what_was_deleted(cloud, caplog):
    found = boot(cloud, 3)
    lost, deleted, stays = found
    lose(cloud, lost)
    lose(cloud, deleted)
    add_job(cloud, deleted, "delete", jobs.DONE)
    caplog.clear()
    fresh = FakeDriver(cloud.drivers["h1"].world)
    manager = NetworkManager(cloud.clients, fresh, "h1")
    manager.start_host()
    assert {port for port in found.values() if fresh.world.wire(port)} == {found[lost], found[stays]}
    (line,) = errors_of(caplog)
    assert found[lost] in line
    assert found[deleted] not in line


@pytest.mark.parametrize("kind", ["delete", "forget"])
@pytest.mark.parametrize("state", [jobs.PENDING, jobs.RUNNING, jobs.DONE])
def test_a_deletion_done_or_under_way_proves_that_a_port_was_given_up(cloud, caplog, kind, state):
    (server, port), (_, stays) = boot(cloud, 2).items()
    lose(cloud, server)
    add_job(cloud, server, kind, state)
    cloud.managers["h1"].converger.compare()
    world = cloud.drivers["h1"].world
    assert world.wire(port) is None
    assert world.wire(stays)
    assert errors_of(caplog) == []


@pytest.mark.parametrize(
    ("kind", "state"), [("delete", jobs.FAILED), ("delete", jobs.SUPERSEDED), ("build", jobs.DONE), ("stop", jobs.DONE)]
)
def test_other_jobs_of_its_server_prove_nothing(cloud, caplog, kind, state):
    ((server, port),) = boot(cloud, 1).items()
    lose(cloud, server)
    add_job(cloud, server, kind, state)
    cloud.managers["h1"].converger.compare()
    assert cloud.drivers["h1"].world.wire(port)
    assert len(errors_of(caplog)) == 1


def test_jobs_of_a_server_whose_ports_alone_were_lost_prove_nothing(cloud, caplog):
    ((server, port),) = boot(cloud, 1).items()
    lose(cloud, server, history=False)
    cloud.managers["h1"].converger.compare()
    assert cloud.drivers["h1"].world.wire(port)
    assert len(errors_of(caplog)) == 1


@pytest.mark.parametrize("host", [None, "h2"])
def test_a_row_that_says_another_host_or_none_is_obeyed_at_once(cloud, caplog, host):
    (_, port), (_, stays) = boot(cloud, 2).items()
    cloud.clients.db.write(ADMIN, ports.update, port, host=host)
    cloud.managers["h1"].converger.compare()
    world = cloud.drivers["h1"].world
    assert world.wire(port) is None
    assert world.wire(stays)
    assert errors_of(caplog) == []


def test_a_port_that_was_free_in_an_older_database_and_is_a_running_servers_stays_wired(cloud, caplog):
    (made,) = port_verbs.create(cloud.clients, DEMO, [port_verbs.NewPort(cloud.network, DEMO.project_id)])
    server = cloud.boot("h1", [servers.Wanted(port_id=made.row.id)])
    cloud.until(server, "active")
    free = {"device_id": "", "device_owner": "", "host": None, "status": "DOWN"}
    cloud.clients.db.write(ADMIN, ports.update, made.row.id, **free)
    lose(cloud, server)
    compare = cloud.managers["h1"].converger.compare
    compare()
    assert cloud.drivers["h1"].world.wire(made.row.id)
    assert made.row.id in errors_of(caplog)[-1]
    add_job(cloud, server, "delete", jobs.DONE)
    compare()
    assert cloud.drivers["h1"].world.wire(made.row.id) is None


def test_new_rules_reach_known_ports_beside_lost_ones_and_the_lost_keep_theirs(cloud):
    first, second, third = boot(cloud, 3).items()
    lose(cloud, third[0])
    cloud.managers["h1"].converger.compare()
    world = cloud.drivers["h1"].world
    assert world.reaches(third[1], first[1], "tcp", 22)
    with cloud.clients.db.read(DEMO) as tx:
        group = security_groups.db.default_of(tx, project("demo"))
        within = [row for row in security_groups.db.rules_of(tx, [group.id]) if row.remote_group_id]
    for row in within:
        security_groups.delete_rule(cloud.clients, DEMO, row.id)
    wait_until(lambda: not world.reaches(first[1], second[1], "tcp", 22), 10, lambda: "the rule is still there")
    assert not world.reaches(third[1], first[1], "tcp", 22)
    assert world.wire(third[1])


def test_a_server_that_is_booted_and_deleted_beside_lost_ones_is_wired_and_unwired(cloud):
    found = boot(cloud, 2)
    lose(cloud, *found)
    server = cloud.boot("h1")
    cloud.until(server, "active")
    port = cloud.port(server).id
    world = cloud.drivers["h1"].world
    assert world.wire(port)
    cloud.delete(server, "h1")
    cloud.until(server, None)
    assert world.wire(port) is None


def test_rows_that_come_back_are_what_counts_again(cloud, caplog):
    ((server, port),) = boot(cloud, 1).items()
    with cloud.clients.db.read(ADMIN) as tx:
        kept = {
            table: [dict(row._mapping) for row in tx.all(sa.select(table))]
            for table in (instance_rows, port_rows, fixed_ips, port_groups)
        }
    lose(cloud, server)
    compare = cloud.managers["h1"].converger.compare
    compare()
    for table, rows in kept.items():
        cloud.clients.db.write(ADMIN, lambda tx, table=table, rows=rows: tx.execute(sa.insert(table), rows))
    caplog.clear()
    compare()
    assert errors_of(caplog) == []
    world = cloud.drivers["h1"].world
    assert world.wire(port)
    assert world.report.kept == ()


def test_a_late_pass_of_an_earlier_process_is_undone(cloud):
    ((server, port),) = boot(cloud, 1).items()
    driver = cloud.drivers["h1"]
    late = driver.world.desired
    cloud.delete(server, "h1")
    cloud.until(server, None)
    assert driver.world.wire(port) is None
    driver.converge(late)
    assert driver.world.wire(port)
    cloud.managers["h1"].converger.compare()
    assert driver.world.wire(port) is None


def test_metadata_of_networks_of_kept_ports_only_is_served_on():
    clients = make_clients()
    served = []
    driver = FakeDriver()
    cloud = Cloud()
    try:
        found = boot(cloud, 1)
        driver.converge(cloud.drivers["h1"].world.desired)
    finally:
        cloud.stop()
    made = converge.Converger(clients.db, driver, "h1", after=served.append)
    made.converge()
    assert served == [frozenset({cloud.network})]
    assert {port.id for port in driver.world.report.kept} == set(found.values())


def test_a_pass_that_takes_nothing_away_asks_for_no_proof_and_a_job_is_its_own():
    cloud = Cloud()
    clients, driver = cloud.clients, cloud.drivers["h1"]
    try:
        (_, first), (server, second), (third, _) = boot(cloud, 3).items()
    finally:
        cloud.stop()
    made = converge.Converger(clients.db, driver, "h1")

    def statements(**how: str) -> int:
        before = clients.db.statements
        made.converge(**how)
        return clients.db.statements - before

    statements()
    usual = statements()
    clients.db.write(ADMIN, ports.unbind, server, "h1")
    assert statements(leaving=server) == usual
    assert driver.world.wire(second) is None
    clients.db.write(ADMIN, ports.unbind, third, "h1")
    assert statements() == usual + 1
    assert {port.id for port in driver.world.desired.ports} == {first}


def test_a_lost_port_whose_address_is_given_out_again_is_closed_and_says_so(cloud, caplog):
    ((server, port),) = boot(cloud, 1).items()
    address = cloud.drivers["h1"].world.offers(port)
    lose(cloud, server)
    new = port_verbs.NewPort(cloud.network, DEMO.project_id, fixed=(port_verbs.Fixed(address=address),))
    (made,) = port_verbs.create(cloud.clients, DEMO, [new])
    heir = cloud.boot("h1", [servers.Wanted(port_id=made.row.id)])
    cloud.until(heir, "active")
    world = cloud.drivers["h1"].world
    assert world.offers(made.row.id) == address
    assert world.wire(port) is None
    assert (
        f"port {port} to it, and nothing proves that it was given up; it is closed: address {address}"
        in errors_of(caplog)[-1]
    )
