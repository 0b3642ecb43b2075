"""`iaas-manage service`, `host`, `server`, `job`, `explain`, `flavor` and `network`."""

from __future__ import annotations

from typing import Any

import pytest

from iaas.common import runtime
from iaas.db import codec, hosts, instances, jobs
from iaas.db.tx import Tx
from iaas.scheduler import explain
from iaas.scheduler.hosts import HostState, Request
from tests.fixtures.manage import CTX, Manage, _template, empty, manage

__all__ = ["_template", "empty", "manage"]
SERVER = "11111111-1111-4111-8111-111111111111"


def start(manage: Manage, binary: str, host: str) -> str:
    service_id = runtime.uuid()
    database = manage.database()
    database.write(CTX, hosts.start_service, service_id, binary, host, "nova")
    if binary == hosts.COMPUTE:
        facts = {
            "zone": "nova", "hypervisor_hostname": host, "hypervisor_type": "fake", "vcpus": 8, "memory_mb": 4096,
            "disk_gb": 100,
        }  # fmt: skip
        database.write(CTX, hosts.keep_host, runtime.uuid(), host, runtime.time(), **facts)
    return service_id


def silence(manage: Manage, service_id: str, seconds: float) -> None:
    manage.database().write(CTX, hosts.update_service, service_id, seen_at=runtime.time() - seconds)


def boot(manage: Manage, name: str = "web", server_id: str = SERVER, **values: Any) -> str:
    row = {
        "id": server_id, "ec2_id": f"i-{server_id[:8]}", "project_id": "p", "user_id": "u", "reservation_id": "r",
        "name": name, "hostname": "web", "vm_state": "building", "task_state": "scheduling", "image": "{}",
        "flavor_id": "1", "flavor": '{"original_name": "m1.tiny"}', "vcpus": 1, "memory_mb": 512, "disk_gb": 1,
        "metadata": '{"role": "front"}', "tags": "[]", "security_groups": "[]", "created_at": runtime.time(),
        "updated_at": runtime.time(), **values,
    }  # fmt: skip
    manage.database().write(CTX, instances.add_many, [row])
    return server_id


def job(manage: Manage, resource_id: str = SERVER, **values: Any) -> str:
    job_id = runtime.uuid()
    row = {
        "id": job_id, "kind": "build", "action": "create", "resource_type": "instance", "resource_id": resource_id,
        "project_id": "p", "request_id": "req-1", "topic": "scheduler", "step": "place",
        "created_at": runtime.time() - 60, "updated_at": runtime.time(), **values,
    }  # fmt: skip
    manage.database().write(CTX, jobs.add, **row)
    return job_id


def state(name: str, **values: Any) -> HostState:
    facts: dict[str, Any] = {
        "zone": "nova", "up": True, "enabled": True, "forced_down": False, "silent_for": 0.0, "free_vcpus": 8.0,
        "free_memory_mb": 4096.0, "free_disk_gb": 100.0, "running": 0, **values,
    }  # fmt: skip
    return HostState(id=name, name=name, **facts)


def place(manage: Manage, chosen: str | None, states: list[HostState], lost: tuple[str, ...] = ()) -> None:
    verdict = explain.judge(Request(vcpus=1, memory_mb=512, disk_gb=1), states)
    verdict.lost.extend(lost)
    text = codec.dump(verdict.to_dict(chosen))
    manage.database().write(CTX, hosts.keep_placement, SERVER, 1_700_000_000.0, "simple", text)


# -- services and hosts ------------------------------------------------------------------------------------


def test_a_service_is_down_when_it_has_been_silent_too_long(manage: Manage) -> None:
    start(manage, "iaas-scheduler", "control")
    silence(manage, start(manage, "iaas-compute", "node1"), 600)
    found = {row["binary"]: row for row in manage.json("service", "list")}
    assert (found["iaas-scheduler"]["state"], found["iaas-compute"]["state"]) == ("up", "down")
    assert found["iaas-compute"]["silent_seconds"] >= 600
    assert [row["host"] for row in manage.json("service", "list", "--binary", "iaas-compute")] == ["node1"]
    assert manage.json("host", "list")[0]["state"] == "down"


def test_a_disabled_service_says_why_until_it_is_enabled(manage: Manage) -> None:
    start(manage, "iaas-compute", "node1")
    words = ("iaas-compute", "node1")
    assert manage.json("service", "disable", *words, "--reason", "new memory")["status"] == "disabled"
    assert "new memory" in manage.says("service", "list")
    host = manage.json("host", "show", "node1")
    assert (host["status"], host["disabled_reason"]) == ("disabled", "new memory")
    assert manage.json("service", "enable", *words)["disabled_reason"] is None
    assert manage.json("host", "show", "node1")["status"] == "enabled"
    start(manage, "iaas-scheduler", "node1")
    assert "stop the daemon" in manage.refuses("service", "disable", "iaas-scheduler", "node1")


def test_a_service_is_forgotten_when_it_is_down_and_has_no_servers(manage: Manage) -> None:
    service_id = start(manage, "iaas-compute", "node1")
    assert "stop the daemon first" in manage.refuses("service", "remove", "iaas-compute", "node1")
    silence(manage, service_id, 600)
    boot(manage, host="node1", vm_state="active", task_state=None)
    assert "still has servers" in manage.refuses("service", "remove", "iaas-compute", "node1")
    manage.database().write(CTX, instances.remove, SERVER)
    manage.says("service", "remove", "iaas-compute", "node1")
    assert manage.json("service", "list") == manage.json("host", "list") == []


def test_a_host_shows_what_it_has_and_its_servers(manage: Manage) -> None:
    start(manage, "iaas-compute", "node1")
    boot(manage, host="node1", vm_state="active", task_state=None)
    found = manage.json("host", "show", "node1")
    assert (found["vcpus"], found["memory_mb"], found["disk_gb"], found["state"]) == (8, 4096, 100, "up")
    assert [(row["name"], row["status"]) for row in found["instances"]] == [("web", "ACTIVE")]
    assert "ACTIVE" in manage.says("host", "show", "node1")


# -- explain -----------------------------------------------------------------------------------------------


def test_a_placement_is_explained_host_by_host(manage: Manage) -> None:
    boot(manage, host="best")
    place(manage, "best", [
        state("raced"), state("spare"), state("best"), state("small", free_memory_mb=100.0), state("off", up=False),
    ], lost=("raced",))  # fmt: skip
    found = manage.json("explain", "web")
    assert found == manage.json("explain", SERVER)
    assert (found["chosen"], found["policy"], found["hosts"]) == ("best", "simple", 5)
    assert found["at"] == "2023-11-14T22:13:20Z"
    assert (found["fitting"], found["lost"]) == (["raced", "spare", "best"], ["raced"])
    why = {host: said for refusal in found["refused"].values() for host, said in refusal["hosts"].items()}
    assert set(why) == {"small", "off"}
    lines = manage.says("explain", "web").splitlines()
    table = [line.split()[:2] for line in lines[lines.index("Hosts") + 3 :]]
    assert table[:3] == [["best", "chosen"], ["spare", "fitting"], ["raced", "lost"]]
    assert sorted(table[3:]) == [["off", "refused"], ["small", "refused"]]
    assert any(why["small"] in line for line in lines)


def test_a_placement_that_found_no_host_is_explained(manage: Manage) -> None:
    boot(manage)
    place(manage, None, [state("small", free_memory_mb=100.0)])
    found = manage.json("explain", SERVER)
    assert (found["chosen"], found["fitting"]) == (None, [])
    assert "no host: 0 of 1 hosts fitted" in manage.says("explain", SERVER)


def test_a_server_that_waits_for_a_scheduler_says_where_to_look(manage: Manage) -> None:
    boot(manage)
    sentence = manage.refuses("explain", "web")
    assert "building/scheduling" in sentence
    assert f"iaas-manage job list --resource {SERVER}" in sentence


# -- servers and jobs --------------------------------------------------------------------------------------


def test_a_server_is_listed_with_the_job_it_waits_for_and_its_fault(manage: Manage) -> None:
    boot(manage)
    job_id = job(manage)
    other = boot(
        manage, "db", SERVER.replace("1", "2"), vm_state="error", task_state=None, host="node1",
        fault=codec.dump({"code": 500, "message": "No valid host was found.", "created": "now"}),
    )  # fmt: skip
    found = {row["name"]: row for row in manage.json("server", "list")}
    assert (found["web"]["status"], found["web"]["job"]["id"], found["web"]["fault"]) == ("BUILD", job_id, None)
    assert found["web"]["job"]["step"] == "place"
    assert (found["db"]["job"], found["db"]["fault"]["message"]) == (None, "No valid host was found.")
    shown = manage.says("server", "list")
    assert "build: place" in shown
    assert "No valid host" in shown
    assert [row["id"] for row in manage.json("server", "list", "--status", "error")] == [other]
    assert [row["id"] for row in manage.json("server", "list", "--host", "node1")] == [other]
    assert manage.json("server", "list", "--project", "admin") == []
    assert "ACTIVE" in manage.refuses("server", "list", "--status", "asleep")


def test_the_newest_servers_are_listed_and_all_on_demand(manage: Manage) -> None:
    for number in range(102):
        boot(manage, f"s{number}", f"{number:08d}-0000-4000-8000-000000000000", created_at=float(number))
    rows = manage.json("server", "list")
    assert [row["name"] for row in rows] == [f"s{number}" for number in range(101, 1, -1)]
    assert "--all" in manage.last.stderr
    assert len(manage.json("server", "list", "--all")) == 102


def test_a_server_is_shown_by_id_or_by_a_name_that_only_it_has(manage: Manage) -> None:
    boot(manage)
    job_id = job(manage)
    found = manage.json("server", "show", "web")
    assert (found["id"], found["flavor"], found["metadata"]) == (SERVER, "m1.tiny", {"role": "front"})
    assert [row["id"] for row in found["jobs"]] == [job_id]
    other = boot(manage, "web", SERVER.replace("1", "2"))
    sentence = manage.refuses("server", "show", "web")
    assert SERVER in sentence
    assert other in sentence
    assert manage.json("server", "show", other)["id"] == other


def test_live_jobs_are_listed_the_oldest_first_and_ended_ones_on_demand(manage: Manage) -> None:
    old = job(manage, "a", created_at=runtime.time() - 100)
    new = job(manage, "b", topic="compute.node1", step="start")
    database = manage.database()
    claimed = database.write(CTX, jobs.claim, new, ["compute.node1"], "worker", 30.0)
    ended = job(manage, "c", topic="volume")

    def fail(tx: Tx) -> None:
        row = jobs.claim(tx, ended, ["volume"], "worker", 30.0)
        jobs.end(tx, row, "worker", jobs.FAILED, error=codec.dump({"code": 500, "message": "the disk is full"}))

    database.write(CTX, fail)
    assert claimed is not None
    rows = manage.json("job", "list")
    assert [(row["id"], row["state"], row["claimed"]) for row in rows] == [
        (old, "pending", False), (new, "running", True),
    ]  # fmt: skip
    assert 0 < rows[1]["lease_seconds"] <= 30
    assert [row["error"] for row in manage.json("job", "list", "--state", "failed")] == ["the disk is full"]
    assert [row["id"] for row in manage.json("job", "list", "--resource", "c")] == [ended]


def test_a_job_shows_what_each_step_did(manage: Manage) -> None:
    events = [{"event": "scheduler_place", "start": 1e9, "finish": 1e9 + 2, "result": "Success", "host": None,
               "details": None}]  # fmt: skip
    job_id = job(manage, events=codec.dump(events))
    found = manage.json("job", "show", job_id)
    assert [(row["event"], row["seconds"], row["result"]) for row in found["events"]] == [
        ("scheduler_place", 2.0, "Success")
    ]
    assert "scheduler_place" in manage.says("job", "show", job_id)


def test_what_a_tenant_named_cannot_reach_into_the_terminal(manage: Manage) -> None:
    boot(manage, "\x1b]0;owned\x07[red]x\x9b2J\u202e")
    shown = manage.says("server", "list")
    assert "\x1b" not in shown
    assert "\x9b" not in shown
    assert "\u202e" not in shown
    assert "\\x1b]0;owned\\x07[red]x" in shown
    assert manage.json("server", "list")[0]["name"].startswith("\x1b]0;owned")


# -- flavors and networks ----------------------------------------------------------------------------------


def test_a_flavor_is_made_shown_by_name_and_deleted(manage: Manage) -> None:
    sizes = ("--vcpus", "4", "--memory-mb", "8192", "--disk-gb", "80")
    made = manage.json("flavor", "create", "big", *sizes, "--id", "b1", "--spec", "hw:cpu_policy=shared")
    assert (made["id"], made["vcpus"], made["extra_specs"]) == ("b1", 4, {"hw:cpu_policy": "shared"})
    assert manage.json("flavor", "show", "big") == made
    assert "exists" in manage.refuses("flavor", "create", "big", *sizes)
    manage.says("flavor", "delete", "big")
    assert "no flavor 'big'" in manage.refuses("flavor", "show", "b1".replace("b1", "big"))
    assert manage.run("flavor", "create", "none", "--vcpus", "0", *sizes[2:]).exit_code == 2


def test_a_private_flavor_is_for_its_projects(manage: Manage) -> None:
    sizes = ("--vcpus", "1", "--memory-mb", "64", "--disk-gb", "0")
    manage.json("flavor", "create", "own", *sizes, "--private", "--project", "admin")
    found = manage.json("flavor", "show", "own")
    assert (found["public"], found["projects"]) == (False, [manage.json("project", "show", "admin")["id"]])
    assert "own" in [row["name"] for row in manage.json("flavor", "list")]
    assert manage.run("flavor", "create", "other", *sizes, "--project", "admin").exit_code == 2


def test_a_network_is_made_with_its_subnet_or_not_at_all(manage: Manage) -> None:
    words = ("--project", "admin", "--cidr", "10.7.0.0/24", "--dns", "10.7.0.53", "--shared", "--default")
    made = manage.json("network", "create", "lan", *words)
    assert (made["cidrs"], made["subnets"][0]["gateway_ip"]) == (["10.7.0.0/24"], "10.7.0.1")
    assert manage.json("network", "list") == [made]
    assert made["subnets"][0]["cidr"] == "10.7.0.0/24"
    for bad in (("--cidr", "10.7.0.0/99"), ("--cidr", "10.8.0.0/24", "--gateway", "10.9.0.1")):
        manage.refuses("network", "create", "bad", "--project", "admin", *bad)
    assert len(manage.json("network", "list")) == 1
    alone = manage.json("network", "create", "alone", "--project", "admin", "--cidr", "fd00::/64", "--gateway", "none")
    assert alone["subnets"][0]["gateway_ip"] is None


@pytest.mark.parametrize("words", ["--default", "--gateway 10.0.0.1", "--dns 10.0.0.1"])
def test_network_options_that_need_another_say_so(manage: Manage, words: str) -> None:
    assert "--" in manage.refuses("network", "create", "lan", "--project", "admin", *words.split(), code=2)


def test_a_purge_says_how_much_went(manage: Manage) -> None:
    job_id = job(manage, created_at=0.0, updated_at=runtime.time() - 40 * 86_400)
    manage.database().write(CTX, lambda tx: tx.execute(jobs.jobs.update().values(state="done", live_key=None)))
    assert manage.json("db", "purge", "--older-than", "50") == {"jobs": 0, "placements": 0, "terminated": 0}
    assert [row["id"] for row in manage.json("job", "list", "--state", "done")] == [job_id]
    said = manage.says("db", "purge", "--older-than", "30")
    assert "1 jobs that ended over 30 days ago, 0 placements and 0 terminated instances are gone." in said
    assert manage.json("job", "list", "--state", "done") == []
