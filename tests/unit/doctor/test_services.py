"""Services that are silent: who should report is told, who was stopped or set aside is not."""

from __future__ import annotations

import dataclasses

import pytest

from iaas.doctor import diagnose

pytest_plugins = ["tests.fixtures.doctor"]
SCHEDULER = {"binary": "iaas-scheduler"}
NETWORK = {"binary": "iaas-network", "host": "h2"}


def told(clinic):
    """Return subject and sentence of what is found of services."""
    return {(one.subject, one.what) for one in clinic.findings() if one.subject.startswith("service ")}


@pytest.mark.parametrize("binary", ["iaas-compute", "iaas-network", "iaas-scheduler", "iaas-volume"])
def test_a_daemon_that_died_is_found(clinic, binary):
    clinic.rows.set("services", {"binary": binary, "host": "h1"}, seen_at=clinic.rows.old)
    (found,) = [one for one in clinic.findings() if one.subject.startswith("service ")]
    assert (found.invariant, found.subject) == ("I18", f"service {binary} on h1")
    assert found.what == "It should report and does not; nobody stopped it."
    assert found.not_before == clinic.rows.old
    assert f"iaas-manage service remove {binary} h1" in found.remedy


@pytest.mark.parametrize("why", [{"disabled": True}, {"forced_down": True}, {"draining": True}])
def test_a_worker_that_was_set_aside_or_stopped_in_order_is_no_finding(clinic, why):
    clinic.rows.set("services", NETWORK, seen_at=clinic.rows.old, **why)
    assert told(clinic) == set()


def test_a_worker_that_never_becomes_ready_is_found(clinic):
    begun = {"seen_at": 0.0, "draining": True}
    clinic.rows.set("services", NETWORK, **begun)
    assert told(clinic) == {("service iaas-network on h2", "It began and has never become ready.")}
    clinic.rows.set("services", NETWORK, started_at=clinic.rows.now + 3600, **begun)
    assert told(clinic) == set(), "it has only begun"


def test_a_cloud_whose_schedulers_were_all_stopped_is_told_that_nothing_is_placed(clinic):
    clinic.rows.set("services", SCHEDULER, seen_at=clinic.rows.old, draining=True)
    assert told(clinic) == {("service iaas-scheduler", "No scheduler reports: nothing new finds a host.")}
    clinic.rows.drop("services", binary="iaas-scheduler")
    assert ("service iaas-scheduler", "No scheduler reports: nothing new finds a host.") in told(clinic)


def test_one_of_two_schedulers_may_be_scaled_away(clinic):
    clinic.rows.add("services", id="s2", host="h2", seen_at=clinic.rows.old, draining=True, **SCHEDULER)
    assert told(clinic) == set()


def test_a_cloud_that_is_stopped_as_a_whole_is_no_finding(clinic):
    for binary in ("iaas-compute", "iaas-network", "iaas-scheduler", "iaas-volume"):
        clinic.rows.set("services", {"binary": binary}, seen_at=clinic.rows.old, draining=True)
    assert told(clinic) == set()


def test_nobody_is_called_silent_where_nobody_said_how_long_that_is(clinic):
    clinic.rows.set("services", SCHEDULER, seen_at=clinic.rows.old)
    clinic.truth = dataclasses.replace(clinic.truth, down_after=None)
    assert told(clinic) == set()
    unchecked = diagnose(clinic.rows.db, clinic.truth, quiet=True).unchecked
    assert "it was not said how long a service may be silent" in {row.why for row in unchecked}
