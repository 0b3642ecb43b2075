"""Stories of servers: all the workers, the fake hypervisor, SQLite and the in-memory queue."""

from __future__ import annotations

import itertools

import pytest
import sqlalchemy as sa

from iaas.compute.drivers.fake_world import ProcessKilled
from iaas.compute.jobs import power

pytest_plugins = ["tests.fixtures.cloud"]


def used(cloud):
    from iaas.common import context
    from iaas.db import hosts, quotas

    with cloud.clients.db.read(context.admin()) as tx:
        row = hosts.get(tx, "host1")
        quota = {r.resource: r.used for r in quotas.of_project(tx, cloud.api.member.project_id)}
    return (row.used_vcpus, row.used_memory_mb, row.running), (quota["instances"], quota["cores"], quota["ram"])


def test_a_server_is_booted_and_deleted_and_everything_is_given_back(cloud):
    cloud.start()
    server_id = cloud.boot("web", metadata={"a": "b"})
    shown = cloud.until_status(server_id, "ACTIVE")
    assert shown["name"] == "web"
    assert shown["metadata"] == {"a": "b"}
    assert used(cloud) == ((1, 64, 1), (1, 1, 64))
    assert cloud.api.request("DELETE", f"/servers/{server_id}").status_int == 204
    cloud.until(lambda: cloud.server(server_id)["status"] == "GONE")
    assert used(cloud) == ((0, 0, 0), (0, 0, 0))
    assert cloud.guests() == {}


def test_a_server_with_a_network_gets_an_address_and_gives_it_back(cloud):
    cloud.start()
    server_id = cloud.boot("net", networks="auto")
    shown = cloud.until_status(server_id, "ACTIVE")
    [address] = shown["addresses"]["shared"]
    assert address["addr"].startswith("10.20.")
    assert shown["security_groups"] == [{"name": "default"}]
    cloud.api.request("DELETE", f"/servers/{server_id}")
    cloud.until(lambda: cloud.server(server_id)["status"] == "GONE")


def test_the_actions_of_a_server_are_its_jobs_and_outlive_it(cloud):
    cloud.start()
    server_id = cloud.boot()
    cloud.until_status(server_id, "ACTIVE")
    cloud.api.request("DELETE", f"/servers/{server_id}")
    cloud.until(lambda: cloud.server(server_id)["status"] == "GONE")
    path = f"/servers/{server_id}/os-instance-actions"
    actions = cloud.api.request("GET", path, version="2.21").json["instanceActions"]
    assert [action["action"] for action in actions] == ["delete", "create"]
    request_id = actions[1]["request_id"]
    shown = cloud.api.request("GET", f"{path}/{request_id}", version="2.62").json["instanceAction"]
    assert [event["event"] for event in shown["events"]] == ["scheduler_place", "compute_prepare", "compute_start"]
    assert {event["result"] for event in shown["events"]} == {"Success"}


def test_no_host_fits_and_the_fault_says_why_without_names(cloud):
    cloud.start()
    cloud.clients.settings.quota.ram = -1
    cloud.clients.settings.quota.cores = -1
    server_id = cloud.boot(flavor="huge")
    shown = cloud.until_status(server_id, "ERROR")
    assert "No valid host was found. Of 1 host: memory failed on 1." in shown["fault"]["message"]
    assert "65536 of 1048576 MiB of memory free" in shown["fault"]["message"]
    assert "host1" not in shown["fault"]["message"]
    cloud.api.request("DELETE", f"/servers/{server_id}")
    cloud.until(lambda: cloud.server(server_id)["status"] == "GONE")
    assert used(cloud) == ((0, 0, 0), (0, 0, 0))


def test_a_hard_reboot_that_overtakes_at_the_last_moment_is_done(cloud, monkeypatch):
    """It stayed in HARD_REBOOT for ever: the soft one's job ended, and nobody worked on the hard one."""
    cloud.start()
    server_id = cloud.boot()
    cloud.until_status(server_id, "ACTIVE")
    path, real = f"/servers/{server_id}/action", power.moved

    def overtaken(row, event, **changes):
        monkeypatch.setattr(power, "moved", real)
        assert cloud.api.request("POST", path, {"reboot": {"type": "HARD"}}).status_int == 202
        return real(row, event, **changes)

    monkeypatch.setattr(power, "moved", overtaken)
    assert cloud.api.request("POST", path, {"reboot": {"type": "SOFT"}}).status_int == 202
    cloud.until_status(server_id, "ACTIVE")
    assert power.moved is real


def test_stop_start_and_reboot(cloud):
    cloud.start()
    server_id = cloud.boot()
    cloud.until_status(server_id, "ACTIVE")
    path = f"/servers/{server_id}/action"
    assert cloud.api.request("POST", path, {"os-start": None}).status_int == 409
    assert cloud.api.request("POST", path, {"os-stop": None}).status_int == 202
    cloud.until_status(server_id, "SHUTOFF")
    assert cloud.api.request("POST", path, {"reboot": {"type": "SOFT"}}).status_int == 409
    assert cloud.api.request("POST", path, {"os-start": None}).status_int == 202
    cloud.until_status(server_id, "ACTIVE")
    assert cloud.api.request("POST", path, {"reboot": {"type": "HARD"}}).status_int == 202
    cloud.until_status(server_id, "ACTIVE")


def test_the_console_log_is_shown(cloud):
    cloud.start()
    server_id = cloud.boot()
    cloud.until_status(server_id, "ACTIVE")
    body = {"os-getConsoleOutput": {"length": 5}}
    output = cloud.api.request("POST", f"/servers/{server_id}/action", body).json["output"]
    assert output
    assert len(output.splitlines()) <= 5


@pytest.mark.parametrize("method", ["prepare", "start"])
def test_a_worker_that_dies_in_a_step_is_continued_by_the_next_one(cloud, method):
    cloud.start()
    cloud.world.fail_next(method, ProcessKilled(), at="middle")
    server_id = cloud.boot()
    cloud.until_status(server_id, "ACTIVE")
    assert used(cloud)[0] == (1, 64, 1)


def test_a_host_that_cannot_start_the_guest_makes_an_error_with_its_reason(cloud):
    cloud.start()
    cloud.world.fail_next("start", at="before", times=9)
    server_id = cloud.boot()
    shown = cloud.until_status(server_id, "ERROR")
    assert shown["fault"]["code"] == 500
    assert used(cloud) == ((0, 0, 0), (1, 1, 64))
    assert cloud.guests() == {}


def test_delete_while_no_worker_runs_is_kept_and_done_later(cloud):
    server_id = cloud.boot()
    assert cloud.api.request("DELETE", f"/servers/{server_id}").status_int == 204
    assert cloud.server(server_id)["OS-EXT-STS:task_state"] == "deleting"
    cloud.start()
    cloud.until(lambda: cloud.server(server_id)["status"] == "GONE")


def test_every_message_lost_is_only_slower(cloud):
    cloud.broker.interfere = lambda queue, body: []
    cloud.start()
    server_id = cloud.boot()
    cloud.until_status(server_id, "ACTIVE")


def test_twenty_servers_in_one_request(cloud):
    cloud.clients.settings.quota.instances = 50
    cloud.start()
    image = cloud.images.add().id
    body = {"server": {"name": "many", "imageRef": image, "flavorRef": "1", "min_count": 20, "max_count": 20}}
    body["server"]["networks"] = "none"
    assert cloud.api.request("POST", "/servers", body, "2.37").status_int == 202

    def all_active():
        servers = cloud.api.request("GET", "/servers/detail?status=ACTIVE").json["servers"]
        return servers if len(servers) == 20 else None

    names = {server["name"] for server in cloud.until(all_active)}
    assert "many-1" in names
    assert "many-20" in names


def test_boots_and_deletions_lock_quotas_in_one_order(cloud):
    cloud.start()
    locked = []

    def note(_connection, _cursor, statement, parameters, _context, _many):
        if statement.startswith("UPDATE quota_usages"):
            locked.extend(name for name in ("instances", "ports") if name in parameters)

    sa.event.listen(cloud.clients.db.engine, "before_cursor_execute", note)
    server_id = cloud.boot("net", networks="auto")
    cloud.until_status(server_id, "ACTIVE")
    assert cloud.api.request("DELETE", f"/servers/{server_id}").status_int == 204
    cloud.until(lambda: cloud.server(server_id)["status"] == "GONE")
    assert [name for name, _ in itertools.groupby(locked)] == ["instances", "ports", "instances", "ports"]
