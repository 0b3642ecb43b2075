"""One column that somebody changed by hand makes no repair take away, or cut off, what runs."""

from __future__ import annotations

import json

import pytest

from iaas.common import runtime
from iaas.doctor import HostTruth, Truth
from iaas.doctor.hands import Hands
from iaas.doctor.repairs import Action, Result, plan, run
from tests.fixtures.doctor import (
    ACTIVE,
    BUILDING,
    DELETING,
    FAILED,
    HOST_IDS,
    READY,
    STOPPED,
    T,
    definition,
    port_of,
    told,
    uid,
)  # fmt: skip
from tests.unit.doctor.test_repairs import QUOTA, Bell, dump, one

pytest_plugins = ["tests.fixtures.doctor"]
GONE = uid(99)
#: tables whose rows tell hosts what to have: nothing of it may go
KEPT = ("instances", "ports", "fixed_ips", "port_groups", "volumes", "allocations")


@pytest.fixture
def hands(clinic):
    return Hands(clinic.rows.db, Bell(), QUOTA, clinic.rows.image_db, truth=clinic.truth)


def heal(clinic, hands):
    """Do what is planned, and plan and do again, as somebody would who finds it not clean yet."""
    done = []
    for _ in range(3):
        done += [(step.fix, *run(hands, step)) for step in plan(clinic.findings())]
    return done


def results(done):
    return {fix: result for fix, result, _ in done}


#: (table, where, what is changed): one column of one row of what runs
CHANGES = [
    ("instances", {"id": ACTIVE}, {"host": "ghost"}),
    ("instances", {"id": ACTIVE}, {"host": None}),
    ("instances", {"id": ACTIVE}, {"host": "h2"}),
    ("instances", {"id": ACTIVE}, {"host_id": None}),
    ("instances", {"id": ACTIVE}, {"host_id": GONE}),
    ("instances", {"id": ACTIVE}, {"host_id": HOST_IDS["h2"]}),
    ("instances", {"id": ACTIVE}, {"id": GONE}),
    ("instances", {"id": ACTIVE}, {"task_state": "deleting"}),
    ("instances", {"id": ACTIVE}, {"task_state": "spawning"}),
    ("instances", {"id": ACTIVE}, {"vm_state": "building"}),
    ("instances", {"id": ACTIVE}, {"vcpus": 4}),
    ("instances", {"id": ACTIVE}, {"network_info": None}),
    ("ports", {"id": port_of(ACTIVE)}, {"device_id": GONE}),
    ("ports", {"id": port_of(ACTIVE)}, {"device_id": STOPPED}),
    ("ports", {"id": port_of(ACTIVE)}, {"device_id": ""}),
    ("ports", {"id": port_of(ACTIVE)}, {"device_owner": ""}),
    ("ports", {"id": port_of(ACTIVE)}, {"host": None}),
    ("ports", {"id": port_of(ACTIVE)}, {"host": "ghost"}),
    ("ports", {"id": port_of(ACTIVE)}, {"id": port_of(GONE)}),
    ("fixed_ips", {"port_id": port_of(ACTIVE)}, {"port_id": port_of(GONE)}),
    ("fixed_ips", {"port_id": port_of(ACTIVE)}, {"port_id": port_of(STOPPED)}),
    ("allocations", {"instance_id": ACTIVE}, {"instance_id": GONE}),
    ("allocations", {"instance_id": ACTIVE}, {"host_id": HOST_IDS["h2"]}),
    ("hosts", {"name": "h1"}, {"name": "h3"}),
    ("volumes", {"id": READY}, {"status": "deleting"}),
    ("volumes", {"id": READY}, {"host": "h2"}),
    ("volumes", {"id": READY}, {"id": GONE}),
    ("jobs", {"id": uid(104)}, {"kind": "delete"}),
    ("jobs", {"id": uid(104)}, {"resource_id": GONE}),
    ("jobs", {"id": uid(102)}, {"resource_id": ACTIVE}),
    ("jobs", {"id": uid(102)}, {"resource_id": GONE}),
    ("jobs", {"id": uid(102)}, {"resource_type": "volume"}),
    ("jobs", {"id": uid(102)}, {"state": "done"}),
]


def change_one(rows, table, where, values):
    """Change rows as somebody would who minds no foreign key."""
    c = T[table].c
    with rows.db.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
        change = T[table].update().where(*[c[name] == value for name, value in where.items()]).values(**values)
        assert connection.execute(change).rowcount == 1
        connection.commit()
        connection.exec_driver_sql("PRAGMA foreign_keys=ON")


@pytest.mark.parametrize(("table", "where", "values"), CHANGES, ids=lambda value: str(value)[:60])
@pytest.mark.parametrize("silent", [False, True], ids=["asked", "silent"])
def test_one_changed_column_makes_no_repair_take_away_what_runs(clinic, hands, table, where, values, silent):
    change_one(clinic.rows, table, where, values)
    assert [found for found in clinic.findings() if not found.remedy] == []
    before = {name: clinic.rows.all(name) for name in KEPT}
    jobs = {row["id"] for row in clinic.rows.all("jobs")}
    if silent:
        hands.truth = Truth()
    heal(clinic, hands)
    for name in KEPT:
        there, were = clinic.rows.all(name), before[name]
        if name not in ("allocations", "fixed_ips", "port_groups"):
            assert {row["id"] for row in there} == {row["id"] for row in were}, name
        else:
            assert len(there) >= len(were), name
    bound = {row["id"]: row["host"] for row in clinic.rows.all("ports")}
    was = {row["id"]: row["host"] for row in before["ports"]}
    assert {port for port, host in bound.items() if host not in (was[port], "h1")} == set(), "cut off its host"
    deletions = {row["resource_id"] for row in clinic.rows.all("jobs") if row["id"] not in jobs}
    assert deletions <= {DELETING}, "something is deleted that nobody asked to delete"


def test_a_server_on_a_host_that_is_not_there_lost_its_wire(clinic, hands):
    """Its host's id is right: the port stays where the guest is, and the row is set right."""
    clinic.rows.set("instances", {"id": ACTIVE}, host="ghost")
    port = Action("bind_port", f"port {port_of(ACTIVE)}", None)
    result, why = run(hands, port)
    assert result is Result.IMPOSSIBLE
    assert "is on ghost, by its host's id on h1" in why
    assert one(clinic.rows, "ports", id=port_of(ACTIVE))["host"] == "h1"
    assert results(heal(clinic, hands))["settle_host"] is Result.DONE
    row = one(clinic.rows, "instances", id=ACTIVE)
    assert (row["host"], row["host_id"]) == ("h1", HOST_IDS["h1"])
    assert row["updated_at"] >= clinic.rows.now
    assert clinic.findings() == []


@pytest.mark.parametrize("guests", [None, {}, {DELETING: "RUNNING"}])
def test_a_host_of_two_names_is_left_alone_where_no_host_has_the_guest(clinic, hands, guests):
    clinic.rows.set("instances", {"id": ACTIVE}, host="ghost")
    hands.truth = told(clinic.truth, "h1", guests=guests)
    before = dump(clinic.rows)
    assert run(hands, Action("settle_host", f"server {ACTIVE}", None))[0] is Result.IMPOSSIBLE
    assert dump(clinic.rows) == before


def test_a_port_that_was_bound_anew_raised_an_alarm_right_after(clinic, hands):
    clinic.rows.set("ports", {"id": port_of(ACTIVE)}, host="h2")
    assert run(hands, Action("bind_port", f"port {port_of(ACTIVE)}", None))[0] is Result.DONE
    assert one(clinic.rows, "ports", id=port_of(ACTIVE))["updated_at"] >= clinic.rows.now
    clinic.truth = told(clinic.truth, "h1", ports=clinic.truth.hosts["h1"].ports - {port_of(ACTIVE)})
    assert [found for found in clinic.findings() if found.subject == f"port {port_of(ACTIVE)}"] == []


def test_the_port_of_a_running_guest_was_deleted(clinic, hands):
    """Its device was changed by hand; the server shows it and the guest has its MAC."""
    clinic.rows.set("ports", {"id": port_of(ACTIVE)}, device_id=GONE)
    release = Action("release_ports", f"port {port_of(ACTIVE)}", None)
    result, why = run(hands, release)
    assert result is Result.IMPOSSIBLE
    assert f"Server {ACTIVE} shows port" in why
    clinic.rows.set("instances", {"id": ACTIVE}, network_info="[]")
    result, why = run(hands, release)
    assert result is Result.IMPOSSIBLE
    assert f"The guest of server {ACTIVE} has the MAC" in why
    hands.truth = Truth(hosts={"h1": HostTruth()})
    result, why = run(hands, release)
    assert result is Result.IMPOSSIBLE
    assert "h1 did not say which guests it has" in why
    assert one(clinic.rows, "ports", id=port_of(ACTIVE))["device_id"] == GONE


def test_the_ports_of_a_server_whose_row_was_lost_stay_while_its_guest_is_there(clinic, hands):
    clinic.rows.drop("instances", id=ACTIVE)
    result, why = run(hands, Action("release_ports", f"port {port_of(ACTIVE)}", None))
    assert (result, "h1 has the guest" in why) == (Result.IMPOSSIBLE, True)
    clinic.truth = told(clinic.truth, "h1", guests={DELETING: "RUNNING"}, definitions={DELETING: definition(DELETING)})
    hands.truth = clinic.truth
    assert run(hands, Action("release_ports", f"port {port_of(ACTIVE)}", None))[0] is Result.DONE
    assert port_of(ACTIVE) not in {row["id"] for row in clinic.rows.all("ports")}


def test_the_ports_of_a_server_that_was_deleted_go_although_its_host_is_silent(clinic, hands):
    clinic.rows.drop("instances", id=ACTIVE)
    clinic.rows.job(120, "delete", ACTIVE, "unwire", "network.h1", "done", host="h1")
    hands.truth = Truth()
    assert run(hands, Action("release_ports", f"port {port_of(ACTIVE)}", None))[0] is Result.DONE


def test_an_address_a_server_shows_is_not_given_to_others(clinic, hands):
    change_one(clinic.rows, "fixed_ips", {"port_id": port_of(ACTIVE)}, {"port_id": port_of(GONE)})
    done = heal(clinic, hands)
    assert results(done).keys() >= {"free_address", "refresh_addresses"}
    assert set(results(done).values()) == {Result.IMPOSSIBLE}
    assert {row["address"] for row in clinic.rows.all("fixed_ips")} >= {"10.0.0.11"}


def test_an_address_dhcp_gives_to_a_guest_is_not_given_to_others(clinic, hands):
    change_one(clinic.rows, "fixed_ips", {"port_id": port_of(ACTIVE)}, {"port_id": port_of(GONE)})
    clinic.rows.set("instances", {"id": ACTIVE}, network_info="[]")
    result, why = run(hands, Action("free_address", "address 10.0.0.11", None))
    assert (result, "which the guest of" in why) == (Result.IMPOSSIBLE, True)


@pytest.mark.parametrize("noun", ["server", "volume"])
def test_a_state_alone_had_something_deleted(clinic, hands, noun):
    table, fix, id_ = ("instances", "end_task", ACTIVE) if noun == "server" else ("volumes", "end_volume_task", READY)
    clinic.rows.set(table, {"id": id_}, **({"task_state": "deleting"} if noun == "server" else {"status": "deleting"}))
    result, why = run(hands, Action(fix, f"{noun} {id_}", None))
    assert result is Result.IMPOSSIBLE
    assert "no job ever was to do it" in why
    assert "ask for its deletion again" in why
    assert hands.bell.rung == []


def test_a_lost_deletion_of_a_server_of_two_hosts_waits(clinic, hands):
    clinic.rows.set("jobs", {"id": uid(102)}, state="superseded", live_key=None)
    clinic.rows.set("instances", {"id": DELETING}, host=None)
    assert run(hands, Action("end_task", f"server {DELETING}", None))[0] is Result.IMPOSSIBLE


def test_room_is_not_sold_again_while_its_server_has_no_allocation(clinic, hands):
    clinic.rows.drop("allocations", instance_id=ACTIVE)
    clinic.rows.set("instances", {"id": ACTIVE}, flavor=json.dumps({"vcpus": 2, "ram": 512, "disk": 5}))
    done = {fix: (result, why) for fix, result, why in heal(clinic, hands)}
    assert done["sell"][0] is Result.IMPOSSIBLE
    assert "its flavor says 2" in done["sell"][1]
    assert done["recount_host"][0] is Result.IMPOSSIBLE
    assert one(clinic.rows, "hosts", name="h1")["used_vcpus"] == 2


def test_the_only_room_of_a_server_at_work_is_not_given_back(clinic, hands):
    """It was sold on another host by hand; until its job ended, it has none but that."""
    change_one(clinic.rows, "allocations", {"instance_id": DELETING}, {"host_id": HOST_IDS["h2"]})
    done = results(heal(clinic, hands))
    assert (done["sell"], done["release_allocations"]) == (Result.IMPOSSIBLE, Result.IMPOSSIBLE)
    clinic.rows.set("jobs", {"id": uid(102)}, state="superseded", live_key=None)
    clinic.rows.set("instances", {"id": DELETING}, task_state=None)
    done = results(heal(clinic, hands))
    assert (done["sell"], done["release_allocations"]) == (Result.DONE, Result.DONE)
    assert [found for found in clinic.findings() if found.invariant in ("I3", "I4")] == []


def test_a_server_of_another_id_keeps_the_port_it_shows(clinic, hands):
    change_one(clinic.rows, "instances", {"id": FAILED}, {"id": GONE})
    assert set(results(heal(clinic, hands)).values()) == {Result.IMPOSSIBLE}
    assert port_of(FAILED) in {row["id"] for row in clinic.rows.all("ports")}


def test_a_host_whose_id_was_changed_is_named_by_what_it_had(clinic, hands):
    change_one(clinic.rows, "hosts", {"name": "h1"}, {"id": GONE})
    result, why = run(hands, Action("settle_host", f"server {ACTIVE}", None))
    assert (result, f"it is sold on {HOST_IDS['h1']}" in why) == (Result.IMPOSSIBLE, True)


def test_what_is_sold_to_a_server_without_a_row_is_kept_while_its_guest_is_there(clinic, hands):
    clinic.rows.drop("instances", id=ACTIVE)
    release = Action("release_allocations", f"server {ACTIVE}", None)
    assert run(hands, release)[0] is Result.IMPOSSIBLE
    hands.truth = Truth()
    assert run(hands, release)[0] is Result.IMPOSSIBLE, "its host was not asked"
    assert one(clinic.rows, "allocations", instance_id=ACTIVE)["host_id"] == HOST_IDS["h1"]


# -- states no table knows -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("power", "kind", "state"),
    [
        ("RUNNING", "build", "active"),
        ("SHUTDOWN", "build", "stopped"),
        ("RUNNING", "stop", "active"),
        (None, "stop", "stopped"),
        (None, "reboot", "active"),
    ],
)
def test_a_server_in_no_state_is_what_its_last_job_and_its_guest_say(clinic, hands, power, kind, state):
    clinic.rows.set("instances", {"id": ACTIVE}, vm_state="frobnicating")
    clinic.rows.set("jobs", {"id": uid(104)}, kind=kind)
    guests = None if power is None else {ACTIVE: power, DELETING: "RUNNING"}
    hands.truth = told(clinic.truth, "h1", guests=guests)
    assert run(hands, Action("settle_state", f"server {ACTIVE}", None))[0] is Result.DONE
    row = one(clinic.rows, "instances", id=ACTIVE)
    assert (row["vm_state"], row["task_state"]) == (state, None)
    assert row["updated_at"] >= clinic.rows.now


@pytest.mark.parametrize("why", ["failed", "deleted", "no guest", "paused", "works", "nothing"])
def test_a_server_in_no_state_stays_so_where_nothing_says_what_it_was(clinic, hands, why):
    rows = clinic.rows
    rows.set("instances", {"id": ACTIVE}, task_state="frobnicating")
    if why == "failed":
        rows.set("jobs", {"id": uid(104)}, state="failed")
    elif why == "deleted":
        rows.set("jobs", {"id": uid(104)}, kind="delete")
    elif why == "nothing":
        rows.drop("jobs", id=uid(104))
    elif why == "works":
        rows.job(120, "stop", ACTIVE, "power_off", "compute.h1", "pending", host="h1")
    else:
        guests = {ACTIVE: "SUSPENDED"} if why == "paused" else {}
        hands.truth = told(clinic.truth, "h1", guests=guests)
    before = dump(rows)
    assert run(hands, Action("settle_state", f"server {ACTIVE}", None))[0] is Result.IMPOSSIBLE
    assert dump(rows) == before


def test_a_volume_in_no_state_stays_so_unless_its_back_end_has_all_of_it(clinic, hands):
    clinic.rows.set("volumes", {"id": READY}, status="in-use")
    settle = Action("settle_volume_state", f"volume {READY}", None)
    assert run(hands, settle)[0] is Result.IMPOSSIBLE, "no job made it"
    clinic.rows.job(120, "create_volume", READY, "make", "volume.h1", "done", noun="volume", host="h1")
    hands.truth = told(clinic.truth, "h1", volumes={READY: 1})
    assert run(hands, settle)[0] is Result.IMPOSSIBLE, "it was cut"
    hands.truth = clinic.truth
    assert run(hands, settle)[0] is Result.DONE
    assert one(clinic.rows, "volumes", id=READY)["status"] == "available"


def test_a_volume_that_was_made_and_only_said_to_be_creating_was_put_in_error(clinic, hands):
    clinic.rows.job(120, "create_volume", READY, "make", "volume.h1", "done", noun="volume", host="h1")
    clinic.rows.set("volumes", {"id": READY}, status="creating")
    assert run(hands, Action("end_volume_task", f"volume {READY}", None))[0] is Result.DONE
    row = one(clinic.rows, "volumes", id=READY)
    assert (row["status"], row["fault"]) == ("available", None)


def test_a_job_in_no_state_is_done_again_by_whoever_takes_it_now(clinic, hands):
    clinic.rows.set("jobs", {"id": uid(102)}, state="frobnicating")
    assert run(hands, Action("revive_job", f"job {uid(102)}", None))[0] is Result.DONE
    job = one(clinic.rows, "jobs", id=uid(102))
    assert (job["state"], job["owner"], job["fence"]) == ("pending", None, 2)
    assert job["lease_until"] > runtime.time(), "whoever had it is let to end first"
    clinic.rows.set("jobs", {"id": uid(104)}, state="frobnicating")
    assert run(hands, Action("revive_job", f"job {uid(104)}", None))[0] is Result.IMPOSSIBLE, "it had ended"


def test_a_job_that_names_another_thing_than_its_place_is_not_ended(clinic, hands):
    clinic.rows.set("jobs", {"id": uid(101)}, resource_id=GONE)
    result, why = run(hands, Action("end_job", f"job {uid(101)}", None))
    assert (result, BUILDING in why) == (Result.IMPOSSIBLE, True)


def test_every_repair_says_why_it_is_impossible_in_a_sentence(clinic, hands):
    clinic.rows.set("instances", {"id": ACTIVE}, host="ghost", task_state="deleting")
    clinic.rows.set("ports", {"id": port_of(STOPPED)}, device_id=GONE)
    said = [why for _, result, why in heal(clinic, hands) if result is Result.IMPOSSIBLE]
    assert said
    assert all(why[0].isupper() or why.startswith("h") for why in said), said
    assert all(why.endswith((".", "?")) for why in said), said
