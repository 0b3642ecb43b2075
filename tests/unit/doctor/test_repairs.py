"""Every repair: what is broken is planned, fixed, and clean; what is sound is left as it is."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from iaas.common import context
from iaas.db.models.base import IMAGE
from iaas.doctor.findings import Finding
from iaas.doctor.hands import Hands
from iaas.doctor.repairs import REPAIRS, Action, Result, plan, run
from tests.fixtures.doctor import (
    ACTIVE,
    DELETING,
    FAILED,
    HOST_IDS,
    READY,
    STOPPED,
    P,
    T,
    port_of,
    told,
    uid,
)  # fmt: skip

pytest_plugins = ["tests.fixtures.doctor"]
GONE = uid(99)
QUOTA = SimpleNamespace(cores=20, ram=51200)


class Bell:
    """Remembers who was rung."""

    def __init__(self):
        self.rung = []

    def ring(self, topic, job_id, resource_id):
        self.rung.append((topic, job_id, resource_id))


@pytest.fixture
def hands(clinic):
    return Hands(clinic.rows.db, Bell(), QUOTA, clinic.rows.image_db, truth=clinic.truth)


def heal(clinic, hands):
    """Plan for what is found, do it, and return what was done: {fix: result}."""
    hands.truth = clinic.truth
    steps = plan(clinic.findings())
    assert steps
    return {step.fix: run(hands, step)[0] for step in steps}


def dump(rows):
    return {table: sorted(map(str, rows.all(table))) for table in T}


def one(rows, table, **where):
    (found,) = [row for row in rows.all(table) if all(row[name] == value for name, value in where.items())]
    return found


def count_host(rows):
    rows.set("hosts", {"name": "h1"}, used_vcpus=9, used_memory_mb=9, running=0)


def count_quota(rows):
    rows.set("quota_usages", {"resource": "cores"}, used=9)
    rows.drop("quota_usages", resource="ram")


def count_images(rows):
    table = IMAGE.tables["image_usages"]
    rows.image_db.write(context.admin(), lambda tx: tx.execute(table.update().values(size=9)))


def sell_a_gone_one(rows):
    rows.add("allocations", instance_id=GONE, host_id=HOST_IDS["h1"], vcpus=1, memory_mb=1, disk_gb=1)
    rows.set("hosts", {"name": "h1"}, used_vcpus=3, used_memory_mb=1025, used_disk_gb=11, running=3)


def sell_twice(rows):
    rows.add("allocations", instance_id=ACTIVE, host_id=HOST_IDS["h2"], vcpus=1, memory_mb=1, disk_gb=1)


def leave_ports(rows):
    rows.drop("instances", id=FAILED)


def leave_an_address(rows):
    rows.add("fixed_ips", subnet_id=uid(802), address="10.0.0.77", port_id=port_of(STOPPED))
    rows.drop("fixed_ips", address="10.0.0.77")
    with rows.db.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
        connection.execute(T["fixed_ips"].insert(), {"subnet_id": uid(802), "address": "10.0.0.77", "port_id": GONE})
        connection.exec_driver_sql("PRAGMA foreign_keys=ON")


def bind_elsewhere(rows):
    rows.set("ports", {"id": port_of(ACTIVE)}, host="h2")


def show_nothing(rows):
    rows.set("instances", {"id": ACTIVE}, network_info="[]")


def lose_a_task(rows):
    rows.set("instances", {"id": ACTIVE}, task_state="rebooting")


def lose_a_volume_task(rows):
    rows.set("volumes", {"id": READY}, status="creating")


def job_of_nothing(rows):
    rows.job(112, "stop", GONE, "power_off", "compute.h1", "pending", host="h1", updated_at=rows.now)


def name_no_state(rows):
    rows.set("instances", {"id": ACTIVE}, vm_state="building")


def name_no_state_of_a_volume(rows):
    rows.set("volumes", {"id": READY}, status="frobnicating")
    rows.job(120, "create_volume", READY, "make", "volume.h1", "done", noun="volume", host="h1")


def name_no_state_of_a_job(rows):
    rows.set("jobs", {"id": uid(102)}, state="frobnicating")


def name_another_host(rows):
    rows.set("instances", {"id": ACTIVE}, host="ghost")


def name_another_hosts_id(rows):
    rows.set("instances", {"id": ACTIVE}, host_id=HOST_IDS["h2"])


def sell_nothing(rows):
    rows.drop("allocations", instance_id=ACTIVE)


def sell_too_little(rows):
    rows.set("allocations", {"instance_id": ACTIVE}, memory_mb=64)


BROKEN = {
    count_host: "recount_host", count_quota: "recount_quota", count_images: "recount_images",
    sell_a_gone_one: "release_allocations", sell_twice: "release_allocations", leave_ports: "release_ports",
    leave_an_address: "free_address", bind_elsewhere: "bind_port", show_nothing: "refresh_addresses",
    lose_a_task: "end_task", lose_a_volume_task: "end_volume_task", job_of_nothing: "end_job",
    name_no_state: "settle_state", name_no_state_of_a_volume: "settle_volume_state",
    name_no_state_of_a_job: "revive_job", name_another_host: "settle_host", name_another_hosts_id: "settle_host",
    sell_nothing: "sell", sell_too_little: "sell",
}  # fmt: skip


@pytest.mark.parametrize("broken", BROKEN, ids=lambda fn: fn.__name__)
def test_broken_planned_fixed_and_clean(clinic, hands, broken):
    broken(clinic.rows)
    done = heal(clinic, hands)
    assert done[BROKEN[broken]] is Result.DONE
    assert Result.IMPOSSIBLE not in done.values()
    assert [found for found in clinic.findings() if found.invariant not in ("I5", "I7")] == []


def test_every_repair_is_tested_here_and_a_sound_cloud_needs_none(clinic, hands):
    assert set(REPAIRS) == {*BROKEN.values(), "ring_job", "load_anew", "remove_guest", "remove_volume"}
    before = dump(clinic.rows)
    assert plan(clinic.findings()) == []
    subjects = {
        "recount_host": "host h1", "recount_quota": f"project {P}", "recount_images": f"project {P}",
        "release_ports": f"port {port_of(ACTIVE)}", "bind_port": f"port {port_of(ACTIVE)}",
        "free_address": "address 10.0.0.11", "end_job": f"job {uid(102)}", "end_volume_task": f"volume {READY}",
        "remove_volume": f"volume {READY}", "ring_job": f"job {uid(102)}", "revive_job": f"job {uid(102)}",
        "settle_volume_state": f"volume {READY}",
    }  # fmt: skip
    for fix in REPAIRS:
        result, _ = run(hands, Action(fix, subjects.get(fix, f"server {ACTIVE}"), "h1"))
        assert result is not Result.DONE, fix
    assert dump(clinic.rows) == before
    assert hands.bell.rung == []


def test_a_lost_task_ends_with_a_fault_and_a_lost_deletion_begins_again(clinic, hands):
    rows = clinic.rows
    rows.set("instances", {"id": ACTIVE}, task_state="rebooting_hard")
    rows.set("instances", {"id": STOPPED}, vm_state="building", task_state="spawning")
    rows.set("jobs", {"id": uid(102)}, state="superseded", live_key=None)
    assert set(heal(clinic, hands).values()) == {Result.DONE}
    for server in (ACTIVE, STOPPED):
        row = one(rows, "instances", id=server)
        assert (row["vm_state"], row["task_state"]) == ("error", None)
        assert "lost" in json.loads(row["fault"])["message"]
    assert one(rows, "instances", id=STOPPED)["host"] == "h2", "its deletion must find what the build left there"
    job = one(rows, "jobs", live_key=f"instance:{DELETING}")
    assert (job["kind"], job["topic"]) == ("delete", "compute.h1")
    assert hands.bell.rung == [("compute.h1", job["id"], DELETING)]


def test_a_volume_whose_deletion_was_lost_is_deleted_again(clinic, hands):
    clinic.rows.set("volumes", {"id": READY}, status="deleting")
    clinic.rows.job(120, "create_volume", READY, "make", "volume.h1", "done", noun="volume", chain="delete_volume")
    assert heal(clinic, hands) == {"end_volume_task": Result.DONE}
    assert one(clinic.rows, "jobs", live_key=f"volume:{READY}")["kind"] == "delete_volume"


def test_a_job_nobody_takes_is_rung_again(clinic, hands):
    clinic.rows.set("jobs", {"id": uid(101)}, updated_at=clinic.rows.old)
    assert heal(clinic, hands) == {"ring_job": Result.DONE}
    assert [(topic, job) for topic, job, _ in hands.bell.rung] == [("scheduler", uid(101))]


@pytest.mark.parametrize(
    ("noun", "fix", "kind"),
    [("server", "remove_guest", "delete"), ("volume", "remove_volume", "delete_volume")],
)
def test_an_orphan_is_removed_only_where_a_finished_job_of_ours_names_the_host(clinic, hands, noun, fix, kind):
    words = {"guests": {ACTIVE: "RUNNING", DELETING: "RUNNING", GONE: "RUNNING"}} if noun == "server" else {
        "volumes": {READY: 2, GONE: 1}}  # fmt: skip
    clinic.truth = told(clinic.truth, "h1", **words)
    step = Action(fix, f"{noun} {GONE}", "h1")
    assert step in plan(clinic.findings())
    assert run(hands, step)[0] is Result.IMPOSSIBLE
    resource = "instance" if noun == "server" else "volume"
    clinic.rows.job(120, kind, GONE, "destroy", "compute.h2", "done", noun=resource, host="h2")
    assert run(hands, step)[0] is Result.IMPOSSIBLE, "the job was on another host"
    clinic.rows.job(121, kind, GONE, "destroy", "compute.h1", "failed", noun=resource, host="h1")
    assert run(hands, step)[0] is Result.DONE
    job = one(clinic.rows, "jobs", live_key=f"{resource}:{GONE}")
    assert (job["kind"], job["host"], job["state"]) == (kind, "h1", "pending")
    assert clinic.findings() == [], "a deletion of what is gone is no finding"
    assert run(hands, step)[0] is Result.NOT_NEEDED


def test_a_host_whose_filters_are_not_the_rows_loads_them_again(clinic, hands):
    told_to = []
    hands.refresh = told_to.append
    clinic.truth = told(clinic.truth, "h1", rules={}, leases={})
    assert heal(clinic, hands) == {"load_anew": Result.DONE}
    assert set(told_to) == {"h1"}
    gone = Action("load_anew", f"port {port_of(ACTIVE)}", "h3")
    assert run(hands, gone)[0] is Result.NOT_NEEDED, "no port is bound there any more"
    hands.refresh = None
    assert heal(clinic, hands) == {"load_anew": Result.IMPOSSIBLE}, "its broker is out of reach"


def test_causes_come_before_counts_and_everything_once():
    found = [
        Finding("I8", f"project {P}", "cores", fix="recount_quota"),
        Finding("I8", f"project {P}", "ram", fix="recount_quota"),
        Finding("I9", "port x", "gone", fix="release_ports"),
        Finding("I5", "server x", "nothing to do"),
    ]
    assert [step.fix for step in plan(found)] == ["release_ports", "recount_quota"]


def test_a_repair_that_finds_the_cause_gone_changes_nothing(clinic, hands):
    lose_a_task(clinic.rows)
    steps = plan(clinic.findings())
    clinic.rows.set("instances", {"id": ACTIVE}, task_state=None)
    before = dump(clinic.rows)
    assert [run(hands, step)[0] for step in steps] == [Result.NOT_NEEDED]
    assert dump(clinic.rows) == before
