"""A row nobody can read is a finding of its own; what does not hang on it is judged as ever."""

from __future__ import annotations

import dataclasses
import importlib

import pytest

from iaas.doctor.invariants import INVARIANTS
from tests.fixtures.doctor import ACTIVE, HOST_IDS, STOPPED, SUBNET, P, port_of, told, uid

pytest_plugins = ["tests.fixtures.doctor"]

#: the row that is spoilt and what of it, and what must be said of it
SPOILT = {
    "broken JSON": ("instances", {"id": ACTIVE}, {"network_info": "{broken"}, "I9", f"server {ACTIVE}"),
    "JSON of another shape": ("instances", {"id": ACTIVE}, {"network_info": '[{"a": 1}]'}, "I9", f"server {ACTIVE}"),
    "no network": ("subnets", {"id": SUBNET}, {"cidr": "10.99.0/zz"}, "I9", f"subnet {SUBNET}"),
    "no address": ("fixed_ips", {"port_id": port_of(ACTIVE)}, {"address": "bogus"}, "I9", "address bogus"),
    "broken events": ("jobs", {"id": uid(104)}, {"events": "{nope"}, "I13", f"job {uid(104)}"),
    "events of another shape": ("jobs", {"id": uid(104)}, {"events": '[{"event":1}]'}, "I13", f"job {uid(104)}"),
    "a word for a number": ("hosts", {"name": "h1"}, {"vcpus": "many"}, "I3", "host h1"),
    "a word for a size": (
        "allocations", {"instance_id": ACTIVE}, {"memory_mb": "much"}, "I3", f"server {ACTIVE}",
    ),
    "a word for a size of a server": ("instances", {"id": STOPPED}, {"vcpus": "many"}, "I3", f"server {STOPPED}"),
    "a word for a time": ("volumes", {"status": "available"}, {"updated_at": "lately"}, "I7", None),
    "a word for a lease": ("jobs", {"id": uid(102)}, {"lease_until": "soon"}, "I1", f"job {uid(102)}"),
}  # fmt: skip


def spoil(clinic, table, where, column, value):
    """Write what the types of the program would not."""
    ((name, key),) = where.items()
    with clinic.rows.db.engine.connect() as connection:
        words = f"UPDATE {table} SET {column} = ? WHERE {name} = ?"
        assert connection.exec_driver_sql(words, (value, key)).rowcount >= 1
        connection.commit()


@pytest.mark.parametrize("words", SPOILT.values(), ids=SPOILT)
def test_a_row_nobody_can_read_is_named_and_the_rest_is_judged(clinic, words):
    table, where, values, invariant, subject = words
    (column,), (value,) = values.keys(), values.values()
    spoil(clinic, table, where, column, value)
    clinic.rows.set("quota_usages", {"resource": "ports", "project_id": P}, used=9)
    found = clinic.findings()
    said = [one for one in found if f"of table {table} holds" in one.what and f"as {column}" in one.what]
    assert [one.invariant for one in said] == [invariant], found
    assert said[0].subject == (subject or said[0].subject)
    assert value.strip("{[")[:6] in said[0].what
    assert said[0].remedy
    assert said[0].fix is None
    assert "ports: 9 used, 5 held." in {one.what for one in found}


def test_other_rows_of_the_same_invariant_are_judged(clinic):
    clinic.rows.set("instances", {"id": ACTIVE}, network_info="{broken")
    clinic.rows.set("instances", {"id": STOPPED}, network_info="[]")
    clinic.rows.set("jobs", {"id": uid(104)}, events="{nope")
    clinic.rows.set("jobs", {"id": uid(105)}, error=None)
    clinic.rows.set("hosts", {"name": "h1"}, vcpus="many")
    clinic.rows.set("hosts", {"name": "h2"}, vcpus=0)
    clinic.rows.set("fixed_ips", {"port_id": port_of(ACTIVE)}, address="bogus")
    clinic.rows.set("fixed_ips", {"port_id": port_of(STOPPED)}, address="192.0.2.1")
    found = {(one.invariant, one.subject, one.what) for one in clinic.findings()}
    assert ("I3", "host h2", "vcpus: 1 used of 0.") in found
    assert ("I13", f"job {uid(105)}") in {one[:2] for one in found}
    assert any(subject == f"server {STOPPED}" and what.startswith("It shows 0 ports") for _, subject, what in found)
    assert any(subject == f"port {port_of(STOPPED)}" and "is not in 10.0.0.0/24" in what for _, subject, what in found)


def test_a_host_one_of_whose_allocations_cannot_be_read_is_not_counted_wrong(clinic):
    clinic.rows.set("allocations", {"instance_id": ACTIVE}, memory_mb="much")
    clinic.rows.set("hosts", {"id": HOST_IDS["h2"]}, used_vcpus=3)
    found = [one for one in clinic.findings() if one.invariant == "I3"]
    assert {one.subject for one in found if one.fix} == {"host h2"}


def test_an_invariant_that_cannot_be_judged_at_all_is_told_and_the_others_are_judged(clinic, monkeypatch):
    def broken(case):
        raise KeyError("odd")

    table = [dataclasses.replace(row, check=broken) if row.id == "I6" else row for row in INVARIANTS]
    monkeypatch.setattr(importlib.import_module("iaas.doctor.examine"), "INVARIANTS", table)
    clinic.rows.set("quota_usages", {"resource": "cores", "project_id": P}, used=9)
    first, second = clinic.findings()
    assert (first.invariant, first.subject) == ("I6", "invariant I6")
    assert "could not be judged" in first.what
    assert "KeyError: 'odd'" in first.what
    assert second.invariant == "I8"


def test_a_value_that_several_invariants_read_is_told_once(clinic):
    clinic.rows.set("hosts", {"name": "h1"}, vcpus="many")
    assert len([one for one in clinic.findings() if "holds 'many'" in one.what]) == 1


def test_a_host_that_counts_in_words_is_counted_anew(clinic):
    clinic.rows.set("hosts", {"name": "h1"}, used_vcpus="many")
    found = [one for one in clinic.findings() if one.subject == "host h1"]
    assert ("vcpus: many used, 2 sold.", "recount_host") in {(one.what, one.fix) for one in found}


def test_a_network_nobody_can_read_leaves_the_filters_of_other_hosts_judged(clinic):
    clinic.rows.set("ports", {"id": port_of(ACTIVE)}, allowed_pairs="{broken")
    clinic.truth = told(clinic.truth, "h2", rules={port_of(STOPPED): "else"})
    found = clinic.findings()
    assert ("I14", f"port {port_of(STOPPED)}") in {(one.invariant, one.subject) for one in found}
    assert ("I9", f"port {port_of(ACTIVE)}") in {(one.invariant, one.subject) for one in found}
    assert ("I14", "host h1") in {(one.invariant, one.subject) for one in found}


def test_a_service_that_began_at_no_time_is_named(clinic):
    clinic.rows.set("services", {"binary": "iaas-scheduler"}, seen_at=clinic.rows.old)
    spoil(clinic, "services", {"binary": "iaas-scheduler"}, "started_at", "lately")
    said = [one for one in clinic.findings() if "of table services holds 'lately' as started_at" in one.what]
    assert [(one.invariant, one.subject) for one in said] == [("I18", f"row of services {uid(700)}")]


def test_text_that_is_no_text_hides_no_other_row(clinic):
    with clinic.rows.db.engine.connect() as connection:
        connection.exec_driver_sql("UPDATE instances SET fault = CAST(x'ff41' AS TEXT), network_info = fault")
        connection.exec_driver_sql("UPDATE subnets SET cidr = CAST(x'ff41' AS TEXT)")
        connection.commit()
    clinic.rows.set("quota_usages", {"resource": "ports", "project_id": P}, used=9)
    said = {one.what for one in clinic.findings()}
    assert "ports: 9 used, 5 held." in said
    assert any(r"holds '\\xffA' as cidr" in what for what in said)
