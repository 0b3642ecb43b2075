"""One row that somebody changed by hand keeps nobody else's server from being shown, deleted or looked after."""

from __future__ import annotations

import logging

import pytest
import sqlalchemy as sa

from iaas.common import context
from iaas.compute import periodic
from iaas.db.models.instances import instances
from iaas.db.models.jobs import jobs
from tests.fixtures.compute import add_host, add_instance

pytest_plugins = ["tests.fixtures.cloud"]
IMAGE = "70a599e0-31e7-49b7-b260-868f441e862b"
ODD = [("building", None), ("frobnicating", None), ("active", "frobnicating"), ("stopped", "spawning")]


@pytest.fixture
def api(cloud):
    add_host(cloud.clients, "host1")
    return cloud.api


@pytest.mark.parametrize(("vm_state", "task_state"), ODD)
def test_a_list_of_servers_was_an_error_for_one_in_a_state_no_table_knows(api, caplog, vm_state, task_state):
    well = add_instance(api.clients, "host1", image_id=IMAGE)
    odd = add_instance(api.clients, "host1", image_id=IMAGE, vm_state=vm_state, task_state=task_state)
    with caplog.at_level(logging.ERROR):
        answers = [api.request("GET", "/servers/detail") for _ in range(3)]
    assert [answer.status_int for answer in answers] == [200] * 3, answers[0].text
    shown = {server["id"]: server for server in answers[0].json["servers"]}
    assert (shown[well]["status"], shown[odd]["status"]) == ("ACTIVE", "UNKNOWN")
    assert shown[odd]["OS-EXT-STS:vm_state"] == vm_state
    told = [record.getMessage() for record in caplog.records if odd in record.getMessage()]
    assert told == [f"instance {odd} is in a state its table does not know: "
                    f"vm_state {vm_state}, task_state {task_state}"], "it is told of once"  # fmt: skip


@pytest.mark.parametrize(("vm_state", "task_state"), ODD)
def test_a_server_in_a_state_no_table_knows_can_be_deleted_and_nothing_else(api, vm_state, task_state):
    odd = add_instance(api.clients, "host1", image_id=IMAGE, vm_state=vm_state, task_state=task_state)
    refused = api.request("POST", f"/servers/{odd}/action", {"os-start": None})
    assert refused.status_int == 409
    assert "while it is in state" in refused.text
    assert api.request("DELETE", f"/servers/{odd}").status_int == 204
    with api.clients.db.read(context.admin()) as tx:
        (job,) = tx.all(sa.select(jobs).where(jobs.c.resource_id == odd))
    assert (job.kind, job.topic) == ("delete", "compute.host1")


def test_one_row_no_table_knows_stopped_the_whole_host_from_writing_power_down(cloud, caplog):
    cloud.start()
    servers = [cloud.boot(f"vm{number}") for number in range(3)]
    for server in servers:
        cloud.until_status(server, "ACTIVE")
        cloud.world.all[server].power = periodic.Power.SHUTDOWN
    odd = servers[0]
    change = sa.update(instances).where(instances.c.id == odd).values(vm_state="frobnicating")
    cloud.clients.db.write(context.admin(), lambda tx: tx.execute(change))
    with caplog.at_level(logging.ERROR):
        periodic.compare_power(cloud.workers["compute"].manager)
    assert {cloud.server(server)["status"] for server in servers[1:]} == {"SHUTOFF"}
    assert cloud.server(odd)["status"] == "UNKNOWN"
    assert any(odd in record.getMessage() for record in caplog.records if record.name == "iaas.compute.periodic")
