"""A sound cloud at work has no findings; each breach that is planted is found, by its own row of the table."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from iaas.common import context
from iaas.db.models.base import IMAGE
from iaas.doctor import HostTruth, Truth, diagnose, examine, findings
from iaas.doctor.invariants import ELSEWHERE, INVARIANTS, NEEDS
from iaas.network.drivers import digests
from tests.fixtures.doctor import (
    ACTIVE,
    BUILDING,
    DELETING,
    FAILED,
    GROUP,
    HOST_IDS,
    IMAGE_ID,
    NET,
    READY,
    STOPPED,
    SUBNET,
    Clinic,
    P,
    definition,
    event,
    port_of,
    told,
    uid,
)  # fmt: skip

pytest_plugins = ["tests.fixtures.doctor"]
GONE = uid(99)
PLANTS: dict[str, tuple[str, str, str, str]] = {}


def plant(check: str, invariant: str, subject: str, words: str):
    """Declare a breach: the check that must find it, and what the finding says."""

    def keep(fn: Callable[[Clinic], object]) -> Callable[[Clinic], object]:
        PLANTS[fn.__name__] = (check, invariant, subject, words)
        BREACHES[fn.__name__] = fn
        return fn

    return keep


BREACHES: dict[str, Callable[[Clinic], object]] = {}


def quiet(c):
    """Let nothing be under way, which members of groups wait for."""
    c.rows.drop("jobs", state="pending")
    c.rows.drop("jobs", state="running")


# -- jobs ------------------------------------------------------------------------------------------------------


@plant("move_on", "I1", uid(101), "nobody takes it")
def a_job_nobody_takes(c):
    c.rows.set("jobs", {"id": uid(101)}, updated_at=c.rows.old)


@plant("on_their_way", "I1", uid(101), "on the topic compute.h1")
def a_job_on_another_topic(c):
    c.rows.set("jobs", {"id": uid(101)}, topic="compute.h1")


@plant("on_their_way", "I1", uid(101), "no such step")
def a_job_at_a_step_there_is_not(c):
    c.rows.set("jobs", {"id": uid(101)}, step="dance")


@plant("one_per_resource", "I2", BUILDING, "2 live jobs")
def two_live_jobs(c):
    c.rows.job(110, "start", BUILDING, "power_on", "compute.h1", "done", host="h1")
    c.rows.set("jobs", {"id": uid(110)}, state="pending")


@plant("one_per_resource", "I2", uid(104), "its key is")
def an_ended_job_that_holds_its_place(c):
    c.rows.set("jobs", {"id": uid(104)}, live_key="instance:x", updated_at=c.rows.now)


@plant("busy_has_a_job", "I2", ACTIVE, "no job works on it")
def a_busy_server_without_a_job(c):
    c.rows.set("instances", {"id": ACTIVE}, task_state="rebooting")


@plant("busy_has_a_job", "I2", READY, "no job works on it")
def a_busy_volume_without_a_job(c):
    c.rows.set("volumes", {"id": READY}, status="deleting")


@plant("job_has_a_busy", "I2", uid(111), "is not busy")
def a_job_of_an_idle_server(c):
    c.rows.job(111, "stop", ACTIVE, "power_off", "compute.h1", "pending", host="h1")


@plant("job_has_a_busy", "I2", uid(112), "there is no such server")
def a_job_of_nothing(c):
    c.rows.job(112, "stop", GONE, "power_off", "compute.h1", "pending", host="h1")


@plant("events_are_a_path", "I13", uid(104), "follows")
def steps_out_of_order(c):
    path = [event("compute_start"), event("scheduler_place")]
    c.rows.set("jobs", {"id": uid(104)}, events=json.dumps(path))


@plant("events_are_a_path", "I13", uid(104), "there is no step")
def a_step_of_another_worker(c):
    c.rows.set("jobs", {"id": uid(104)}, events=json.dumps([event("network_place")]))


@plant("events_are_a_path", "I13", uid(104), "no end")
def a_step_that_did_not_end(c):
    c.rows.set("jobs", {"id": uid(104)}, events=json.dumps([{**event("scheduler_place"), "finish": None}]))


@plant("events_are_a_path", "I13", uid(105), "does not say why")
def a_failure_without_a_reason(c):
    c.rows.set("jobs", {"id": uid(105)}, error=None)


@plant("owners_exist", "I18", uid(102), "never reported")
def a_job_held_by_nobody(c):
    c.rows.set("jobs", {"id": uid(102)}, owner="compute.h9:12345678")


# -- states ----------------------------------------------------------------------------------------------------


@plant("are_known", "I2", ACTIVE, "It is building/no task, which is no state")
def a_server_that_builds_without_a_task(c):
    c.rows.set("instances", {"id": ACTIVE}, vm_state="building")


@plant("are_known", "I2", ACTIVE, "It is active/frobnicating")
def a_server_with_a_task_there_is_not(c):
    c.rows.set("instances", {"id": ACTIVE}, task_state="frobnicating")


@plant("are_known", "I2", READY, "It is frob, which")
def a_volume_in_no_state(c):
    c.rows.set("volumes", {"id": READY}, status="frob")


@plant("are_known", "I2", uid(102), "is odd, which")
def a_live_job_in_no_state(c):
    c.rows.set("jobs", {"id": uid(102)}, state="odd")


@plant("are_known", "I2", uid(104), "is odd, which")
def an_ended_job_in_no_state(c):
    c.rows.set("jobs", {"id": uid(104)}, state="odd")


@plant("of_images_are_known", "I11", IMAGE_ID, "It is frob, which")
def an_image_in_no_state(c):
    table = IMAGE.tables["images"]
    c.rows.image_db.write(context.admin(), lambda tx: tx.execute(table.update().values(status="frob")))


@plant("report", "I18", "service iaas-scheduler on h1", "nobody stopped it")
def a_scheduler_that_died(c):
    c.rows.set("services", {"binary": "iaas-scheduler"}, seen_at=c.rows.old)


# -- hosts -----------------------------------------------------------------------------------------------------


@plant("sold_is_used", "I3", "host h1", "memory_mb: 1536 used, 1024 sold")
def a_host_that_counts_too_much(c):
    c.rows.set("hosts", {"name": "h1"}, used_memory_mb=1536)


@plant("sold_is_used", "I3", "host h1", "running: 1 used, 2 sold")
def a_host_that_counts_too_few_guests(c):
    c.rows.set("hosts", {"name": "h1"}, running=1)


@plant("not_oversold", "I3", "host h1", "vcpus: 2 used of 1")
def a_host_that_sold_more_than_it_has(c):
    c.truth = replace(c.truth, ratios=type("Ratios", (), {"cpu_ratio": 0.25, "ram_ratio": 1.0, "disk_ratio": 1.0}))


@plant("guests_fit", "I3", "host h2", "its guests hold")
def a_host_with_guests_it_did_not_sell(c):
    c.rows.set("instances", {"id": STOPPED}, vcpus=3)


@plant("sold_where_placed", "I4", f"server {GONE}", "It is gone")
def an_allocation_of_a_gone_server(c):
    c.rows.add("allocations", instance_id=GONE, host_id=HOST_IDS["h1"], vcpus=1, memory_mb=1, disk_gb=1)


@plant("sold_where_placed", "I4", ACTIVE, "It is sold on h2")
def an_allocation_on_another_host(c):
    c.rows.add("allocations", instance_id=ACTIVE, host_id=HOST_IDS["h2"], vcpus=1, memory_mb=1, disk_gb=1)


@plant("sold_where_placed", "I4", ACTIVE, "nothing is sold to it there")
def a_placed_server_without_an_allocation(c):
    c.rows.drop("allocations", instance_id=ACTIVE)


@plant("sold_where_placed", "I4", ACTIVE, "not of its size")
def an_allocation_of_another_size(c):
    c.rows.set("allocations", {"instance_id": ACTIVE}, vcpus=2)


@plant("hosts_have_services", "I18", "host h2", "no compute service")
def a_host_without_a_service(c):
    c.rows.drop("services", binary="iaas-compute", host="h2")


@plant("hosts_are_known", "I18", STOPPED, "by its id h2")
def a_server_whose_host_has_two_names(c):
    c.rows.set("instances", {"id": STOPPED}, host="h1")


# -- guests ----------------------------------------------------------------------------------------------------


@plant("one_domain", "I5", ACTIVE, "not there")
def a_server_without_a_guest(c):
    c.truth = told(c.truth, "h1", guests={DELETING: "RUNNING"})


@plant("one_domain", "I5", STOPPED, "RUNNING")
def a_stopped_server_that_runs(c):
    c.truth = told(c.truth, "h2", guests={STOPPED: "RUNNING"})


@plant("as_rows_say", "I5", ACTIVE, "has vcpus 4 instead of 1, macs none instead of fa:16:3e:00:00:01")
def a_guest_that_is_not_what_its_row_says(c):
    c.truth = told(c.truth, "h1", definitions={ACTIVE: {**definition(ACTIVE), "vcpus": 4, "macs": []}})


@plant("as_rows_say", "I5", ACTIVE, "has disks /tmp/mine, disk instead of disk")
def a_guest_with_a_disk_of_somebody(c):
    c.truth = told(c.truth, "h1", definitions={ACTIVE: {**definition(ACTIVE), "disks": ["/tmp/mine", "disk"]}})


@plant("one_running", "I6", DELETING, "runs on h1 and h2")
def a_server_that_runs_twice(c):
    c.truth = told(c.truth, "h2", guests={STOPPED: "SHUTDOWN", DELETING: "RUNNING"})


@plant("owned", "I7", f"server {GONE}", "Host h1 has its guest (SHUTDOWN), no row does")
def a_guest_without_a_server(c):
    c.truth = told(c.truth, "h1", guests={**c.truth.hosts["h1"].guests, GONE: "SHUTDOWN"})


@plant("owned", "I7", ACTIVE, "Host h2 has its guest")
def a_guest_on_another_host(c):
    c.truth = told(c.truth, "h2", guests={STOPPED: "SHUTDOWN", ACTIVE: "SHUTDOWN"})


@plant("disks_owned", "I7", f"server {GONE}", "has its files")
def files_without_a_server(c):
    c.truth = told(c.truth, "h2", disks=frozenset({STOPPED, GONE}))


@plant("error_says_why", "I12", FAILED, "nothing says why")
def an_error_without_a_reason(c):
    c.rows.set("instances", {"id": FAILED}, fault=None)


@plant("error_says_why", "I12", READY, "nothing says why")
def a_volume_in_error_without_a_reason(c):
    c.rows.set("volumes", {"id": READY}, status="error")


# -- quotas ----------------------------------------------------------------------------------------------------


@plant("used_is_held", "I8", P, "cores: 6 used, 5 held")
def a_quota_that_counts_too_much(c):
    c.rows.set("quota_usages", {"resource": "cores"}, used=6)


@plant("used_is_held", "I8", P, "ram: 0 used, 2560 held")
def a_quota_that_has_no_row(c):
    c.rows.drop("quota_usages", resource="ram")


@plant("within_limits", "I8", P, "instances: 5 used of 3")
def a_quota_beyond_its_limit(c):
    c.rows.set("quota_usages", {"resource": "instances"}, hard_limit=3)


@plant("usage_is_held", "I8", P, "1 (9 bytes) used, 1 (7 bytes) held")
def stored_bytes_that_are_miscounted(c):
    table = IMAGE.tables["image_usages"]
    c.rows.image_db.write(context.admin(), lambda tx: tx.execute(table.update().values(size=9)))


# -- networks --------------------------------------------------------------------------------------------------


@plant("addresses_once", "I9", "address 10.0.0.11", "2 ports of network")
def one_address_on_two_ports(c):
    words = {"dns_nameservers": "[]", "host_routes": "[]", "allocation_pools": "[]"}
    c.rows.add("subnets", id=uid(803), network_id=NET, project_id=P, name="twin", cidr="10.0.0.0/24", **words)
    c.rows.add("fixed_ips", subnet_id=uid(803), address="10.0.0.11", port_id=port_of(STOPPED))


@plant("addresses_once", "I9", port_of(ACTIVE), "is not in 10.0.9.0/24")
def an_address_outside_its_subnet(c):
    c.rows.set("subnets", {"id": SUBNET}, cidr="10.0.9.0/24")


@plant("addresses_once", "I9", port_of(ACTIVE), "of another network")
def an_address_of_another_network(c):
    c.rows.add("networks", id=uid(804), project_id=P, name="other")
    c.rows.set("subnets", {"id": SUBNET}, network_id=uid(804))


@plant("addresses_once", "I9", "address 10.0.0.11", "which is not there")
def an_address_of_a_port_that_is_gone(c):
    c.rows.drop("ports", id=port_of(ACTIVE))


@plant("servers_are_there", "I9", port_of(FAILED), "which is gone")
def a_port_of_a_gone_server(c):
    c.rows.drop("instances", id=FAILED)


@plant("bound_where_servers_are", "I9", port_of(ACTIVE), "It is bound to h2")
def a_port_bound_elsewhere(c):
    c.rows.set("ports", {"id": port_of(ACTIVE)}, host="h2")


@plant("copies_agree", "I9", ACTIVE, "1 port with no address")
def a_server_that_shows_another_address(c):
    nic = {"port_id": port_of(ACTIVE), "mac": "fa:16:3e:00:00:01", "addresses": []}
    c.rows.set("instances", {"id": ACTIVE}, network_info=json.dumps([nic]))


@plant("bound_is_wired", "I9", port_of(ACTIVE), "not wired on h1")
def a_port_that_carries_nothing(c):
    c.truth = told(c.truth, "h1", ports=frozenset())


@plant("wired_is_bound", "I7", port_of(GONE), "Host h1 carries it, no row does")
def a_tap_that_carries_for_nobody(c):
    c.truth = told(c.truth, "h1", ports=c.truth.hosts["h1"].ports | {port_of(GONE)})


@plant("wired_is_bound", "I7", port_of(ACTIVE), "Host h2 carries it")
def a_tap_that_carries_elsewhere(c):
    c.truth = told(c.truth, "h2", ports=frozenset({port_of(STOPPED), port_of(ACTIVE)}))


@plant("closed_is_closed", "I14", port_of(ACTIVE), "administratively down")
def a_closed_port_that_carries(c):
    c.rows.set("ports", {"id": port_of(ACTIVE)}, admin_state_up=False)


@plant("closed_is_closed", "I14", port_of(ACTIVE), "administratively down")
def a_port_of_a_closed_network_that_carries(c):
    c.rows.set("networks", {"id": NET}, admin_state_up=False)


@plant("let_through_what_they_say", "I14", port_of(ACTIVE), "Its filters on h1 let through something else")
def rules_that_are_not_the_rows(c):
    c.rows.drop("security_group_rules", id=uid(810))


@plant("let_through_what_they_say", "I14", port_of(ACTIVE), "Its filters on h1 let through something else")
def rules_that_are_gone(c):
    c.truth = told(c.truth, "h1", rules={})


@plant("let_through_what_they_say", "I14", port_of(STOPPED), "on h2 let it send from other addresses than its own")
def a_port_that_may_send_from_anywhere(c):
    c.truth = told(c.truth, "h2", senders={port_of(STOPPED): digests.EVERYTHING})


@plant("remote_groups_agree", "I14", GROUP, "On h2, rules for its members let in other addresses")
def a_member_that_is_not_known(c):
    quiet(c)
    c.truth = told(c.truth, "h2", members={digests.member_key(GROUP): digests.members(["10.0.0.11"])})


@plant("leases_agree", "I9", port_of(ACTIVE), "DHCP on h1 gives its address 10.0.0.11 to nobody")
def a_port_without_its_lease(c):
    c.truth = told(c.truth, "h1", leases={NET: {}})


@plant("leases_agree", "I9", port_of(STOPPED), "DHCP on h2 gives its address 10.0.0.12 to fa:16:3e:00:00:99")
def an_address_that_is_given_to_another(c):
    c.truth = told(c.truth, "h2", leases={NET: {"10.0.0.12": "fa:16:3e:00:00:99"}})


@plant("leases_agree", "I9", "address 10.0.0.99", "DHCP on h2 gives it to fa:16:3e:00:00:99; no port there has it")
def an_address_that_is_given_to_nobody(c):
    leases = c.truth.hosts["h2"].leases[NET] | {"10.0.0.99": "fa:16:3e:00:00:99"}
    c.truth = told(c.truth, "h2", leases={NET: leases})


@plant("taps_are_bound", "I7", port_of(GONE), "has a tap of it")
def a_tap_of_no_port(c):
    c.truth = told(c.truth, "h2", taps=frozenset({port_of(STOPPED), port_of(GONE)}))


@plant("networks_are_used", "I7", f"network {GONE}", "and no port")
def a_bridge_without_ports(c):
    c.truth = told(c.truth, "h2", networks=frozenset({NET, GONE}))


# -- volumes, images, queues, keys -----------------------------------------------------------------------------


@plant("there", "I10", READY, "on h1 it has 1")
def a_volume_that_was_cut(c):
    c.truth = told(c.truth, "h1", volumes={READY: 1})


@plant("owned_volumes", "I7", f"volume {GONE}", "Host h2 has it, no row does")
def a_volume_without_a_row(c):
    c.truth = told(c.truth, "h2", volumes={GONE: 1})


@plant("bytes_are_there", "I11", IMAGE_ID, "the store has none of it")
def an_image_without_bytes(c):
    c.truth = replace(c.truth, blobs={})


@plant("bytes_are_unchanged", "I11", IMAGE_ID, "Its bytes are not those that were uploaded")
def an_image_with_other_bytes(c):
    c.truth = replace(c.truth, digests={IMAGE_ID: "0" * 128})


@plant("bytes_are_owned", "I11", GONE, "no row names it, and nothing proves that they may go")
def bytes_without_an_image(c):
    c.truth = replace(c.truth, blobs={**c.truth.blobs, GONE: 3})


@plant("no_dead_letters", "I15", "iaas.dead", "2 messages are dead")
def dead_letters(c):
    c.truth = replace(c.truth, queues={"iaas.dead": 2})


@plant("drained", "I15", "compute.h1", "4 messages wait")
def messages_nobody_takes(c):
    c.truth = replace(c.truth, queues={"compute.h1": 4})


@plant("no_dead_letters", "I15", "iaas.dead", "3 messages are dead")
def dead_letters_inside_a_daemon(c):
    c.truth = told(c.truth, "h1", queues={"compute.h1": 0, "iaas.dead": 3})


@plant("drained", "I15", "volume", "5 messages wait")
def messages_nobody_takes_inside_a_daemon(c):
    c.truth = told(c.truth, "h1", queues={"volume": 5})


@plant("keys_hold", "I17", "ports.network_id", "names nothing in networks")
def a_key_that_names_nothing(c):
    c.rows.drop("networks", id=NET)


@plant("keys_hold", "I17", "port_groups.port_id", "names nothing in ports")
def a_group_of_a_port_that_is_gone(c):
    c.rows.drop("ports", id=port_of(FAILED))


@plant("gone_own_nothing", "I17", f"server {GONE}", "tokens of its consoles")
def a_console_of_a_gone_server(c):
    c.rows.add(
        "console_tokens", id="t", instance_id=GONE, project_id=P, host="h1", kind="vnc", expires_at=c.rows.now + 600
    )


# -- the tests -------------------------------------------------------------------------------------------------


def test_a_sound_cloud_at_work_has_no_findings(clinic):
    assert clinic.findings() == []
    assert examine(clinic.rows.db, clinic.truth, quiet=False) == []


@pytest.mark.parametrize("name", BREACHES)
def test_a_planted_breach_is_found(clinic, name):
    _, invariant, subject, words = PLANTS[name]
    BREACHES[name](clinic)
    found = clinic.findings()
    assert [one for one in found if one.invariant == invariant and subject in one.subject and words in one.what], found
    assert [one for one in found if not one.remedy.endswith(".")] == [], "each says what to do, in a sentence"


def test_what_only_ties_two_things_together_needs_no_backup(clinic):
    a_group_of_a_port_that_is_gone(clinic)
    said = {one.subject: one.remedy for one in clinic.findings() if one.invariant == "I17"}
    assert said["table port_groups.port_id"].startswith("Delete the row from port_groups by hand")
    assert not any("backup" in remedy for remedy in said.values())


def test_every_row_of_the_table_has_a_planted_breach():
    names = {"owned_volumes" if row.check.__module__.endswith("volumes") and row.check.__name__ == "owned"
             else row.check.__name__ for row in INVARIANTS}  # fmt: skip
    assert {check for check, *_ in PLANTS.values()} == names


def test_no_finding_is_made_without_what_to_do():
    """Also of those that no damage is planted for: each place that makes one gives it a remedy."""
    calls = [
        (path.name, node)
        for path in Path(findings.__file__).parent.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Finding"
    ]
    assert len(calls) > 30
    without = [
        f"{name}:{node.lineno}"
        for name, node in calls
        if len(node.args) < 5 and "remedy" not in {word.arg for word in node.keywords}
    ]
    assert without == []


def test_the_ids_are_those_of_the_design():
    assert {row.id for row in INVARIANTS} | set(ELSEWHERE) == {f"I{number}" for number in range(1, 19)}
    assert {need for row in INVARIANTS for need in row.needs} == set(NEEDS)


def test_what_is_under_way_or_was_touched_just_now_is_not_judged(clinic):
    """A guest of a server that is being deleted, one of a server that was changed this second, one just deleted."""
    now = clinic.rows.now
    clinic.rows.set("instances", {"id": STOPPED}, updated_at=now)
    clinic.rows.job(120, "delete", GONE, "unwire", "network.h1", "done", host="h1", updated_at=now)
    clinic.truth = told(clinic.truth, "h2", guests={GONE: "RUNNING"}, disks=frozenset({GONE}))
    clinic.truth = told(clinic.truth, "h1", guests={ACTIVE: "RUNNING"})
    assert clinic.findings() == []
    assert {(one.invariant, one.subject) for one in clinic.findings(grace=1e-9)} >= {("I5", f"server {STOPPED}")}


def test_what_a_filter_is_made_of_that_was_touched_just_now_is_not_judged(clinic):
    """A worker is told at once and, if that message was lost, looks by itself: within the grace it has done so."""
    now = clinic.rows.now
    clinic.rows.set("security_group_rules", {"id": uid(810)}, port_max=23)
    clinic.rows.set("security_groups", {"id": GROUP}, updated_at=now)
    clinic.rows.set("subnets", {"id": SUBNET}, updated_at=now, enable_dhcp=False)
    clinic.rows.set("fixed_ips", {"port_id": port_of(STOPPED)}, address="10.0.0.77")
    clinic.rows.set("ports", {"id": port_of(STOPPED)}, updated_at=now)
    clinic.rows.set("instances", {"id": STOPPED}, updated_at=now)
    assert clinic.findings() == []
    later = {(one.invariant, one.subject) for one in clinic.findings(grace=1e-9)}
    assert later >= {("I14", f"port {port_of(ACTIVE)}"), ("I9", f"port {port_of(ACTIVE)}"), ("I9", "address 10.0.0.12")}


def test_members_of_a_project_at_work_are_not_judged(clinic):
    clinic.truth = told(clinic.truth, "h2", members={})
    assert clinic.findings() == []


def test_ports_of_a_network_that_is_down_need_not_be_wired(clinic):
    clinic.rows.set("networks", {"id": NET}, admin_state_up=False)
    for host in ("h1", "h2"):
        clinic.truth = told(clinic.truth, host, ports=frozenset())
    assert clinic.findings() == []


def test_at_rest_live_work_is_a_finding(clinic):
    found = diagnose(clinic.rows.db, Truth(), quiet=True).findings
    assert {one.subject for one in found if one.invariant == "I1"} == {f"job {uid(n)}" for n in (101, 102, 103)}


def test_what_nobody_told_is_not_checked_and_said_so(clinic):
    found = diagnose(clinic.rows.db, Truth(hosts={"h1": HostTruth(guests={})}), quiet=True, grace=90.0)
    why = {row.why for row in found.unchecked}
    assert NEEDS["volumes"] in why
    assert NEEDS["guests"] not in why
    assert {row.invariant for row in found.unchecked} >= {"I10", "I11", "I15", "I16"}
    assert found.checked + len(found.unchecked) == len(INVARIANTS) + len(ELSEWHERE)


def test_only_what_is_asked_for_is_judged(clinic):
    clinic.rows.set("hosts", {"name": "h1"}, used_vcpus=3)
    clinic.rows.set("quota_usages", {"resource": "cores"}, used=6)
    found = diagnose(clinic.rows.db, clinic.truth, quiet=True, grace=90.0, only=("I8",))
    assert {one.invariant for one in found.findings} == {"I8"}


def test_the_statements_are_as_many_for_a_large_cloud(clinic):
    def statements() -> int:
        before = clinic.rows.db.statements
        diagnose(clinic.rows.db, clinic.truth, quiet=True)
        return clinic.rows.db.statements - before

    small = statements()
    for number in range(200, 260):
        clinic.rows.job(number, "start", GONE, "power_on", "compute.h1", "done")
        clinic.rows.add("quota_usages", project_id=f"p{number}", resource="cores", used=0, hard_limit=1)
    assert statements() == small <= 20
