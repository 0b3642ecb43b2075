"""`iaas-manage doctor` where workers are silent, options make no sense, or repairs fail half way."""

from __future__ import annotations

import dataclasses
import io
import json
from typing import Any

import pytest

from iaas.cmd.manage.doctor import Progress
from iaas.cmd.manage.doctor_fix import Ringer
from iaas.common import errors
from iaas.compute.agentapi import AgentClient, TruthUntold
from iaas.doctor import repairs
from tests.fixtures.doctor import P, Rows, sound, uid
from tests.fixtures.manage import Manage

pytest_plugins = ["tests.fixtures.manage"]
QUICK = ("--patience", "0", "--grace", "600")


@pytest.fixture
def cloud(manage: Manage) -> Rows:
    """The databases of the command line, with a sound cloud in them."""
    rows = Rows(manage.database(), manage.database("image"))
    sound(rows)
    return rows


def miscount(rows: Rows) -> None:
    """Break two things that are repaired one after the other: first the host, then the quota."""
    rows.set("hosts", {"name": "h2"}, running=7)
    rows.set("quota_usages", {"resource": "cores", "project_id": P}, used=9)


def says(manage: Manage, *words: str) -> Any:
    return json.loads(manage.run("doctor", *QUICK, *words, "--json").stdout)


def replace(monkeypatch: Any, fix: str, do: Any) -> None:
    monkeypatch.setitem(repairs.REPAIRS, fix, dataclasses.replace(repairs.REPAIRS[fix], do=do))


def dies(*words: Any) -> bool:
    raise KeyError("frobnicating")


def goes_away(*words: Any) -> bool:
    raise errors.Unavailable(reason="The database went away.")


# -- who is asked ----------------------------------------------------------------------------------------------


@pytest.fixture
def asked(monkeypatch: Any, cloud: Rows) -> list[str]:
    """Who was asked, by binary; nobody answers."""
    found: list[str] = []
    cloud.set("services", {"zone": "internal"}, admin_url="http://127.0.0.1:1")

    def truth(self: Any, admin_url: str, binary: str) -> Any:
        found.append(binary)
        raise TruthUntold(binary=binary, url=admin_url, reason="no answer within 20 s")

    monkeypatch.setattr(AgentClient, "truth", truth)
    return found


def test_rows_alone_are_judged_without_asking_anybody(manage: Manage, asked: list[str]) -> None:
    assert says(manage, "--only", "I8,I4")["silent"] == []
    assert manage.last.exit_code == 0
    assert asked == []


def test_only_those_are_asked_who_can_tell_what_is_needed(manage: Manage, asked: list[str]) -> None:
    said = says(manage, "--only", "I10")
    assert set(asked) == {"iaas-volume"}
    assert manage.last.exit_code == 2
    assert [words for words in said["silent"] if "iaas-volume on h1" in words and "within 20 s" in words]


def test_who_was_silent_is_not_waited_for_again(manage: Manage, cloud: Rows, asked: list[str]) -> None:
    miscount(cloud)
    done = manage.run("doctor", "--grace", "600", "--patience", "0.001")
    assert done.exit_code == 1
    assert sorted(asked) == sorted(2 * ["iaas-compute", "iaas-network", "iaas-volume"])
    assert "iaas-compute on h1" in done.stderr


def test_a_repair_asks_everybody_for_proofs(manage: Manage, cloud: Rows, asked: list[str]) -> None:
    miscount(cloud)
    said = says(manage, "--only", "I8", "--fix", "--yes")
    assert [step["result"] for step in said["repairs"]] == ["done"]
    assert manage.last.exit_code == 0, "who was asked for proofs only hinders no judgement"
    assert {"iaas-compute", "iaas-network", "iaas-volume"} == set(asked)
    assert len(said["silent"]) == 6


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_is_told_how_many_were_asked() -> None:
    terminal, pipe = Terminal(), io.StringIO()
    for stream in (terminal, pipe):
        for asked in range(4):
            Progress(stream)(asked, 3)
    assert "Asked 2 of 3 workers" in terminal.getvalue()
    assert terminal.getvalue().endswith("\r\033[K")
    assert pipe.getvalue() == ""


# -- what cannot be told ---------------------------------------------------------------------------------------


def test_nothing_that_could_be_checked_is_2(manage: Manage, cloud: Rows) -> None:
    done = manage.run("doctor", *QUICK, "--only", "I16")
    assert "Nothing could be checked" in done.stdout
    assert done.exit_code == 2


@pytest.mark.parametrize("seconds", ["nan", "inf", "-inf", "-1"])
def test_seconds_there_cannot_be_are_refused(manage: Manage, seconds: str) -> None:
    for option in ("--grace", "--patience"):
        assert option in manage.refuses("doctor", f"{option}={seconds}", code=2)


def test_a_row_nobody_can_read_is_a_finding_and_no_traceback(manage: Manage, cloud: Rows) -> None:
    cloud.set("instances", {"id": uid(1)}, network_info="{broken")
    found = says(manage, "--only", "I9")["findings"]
    assert manage.last.exit_code == 1
    assert any("of table instances holds '{broken'" in one["what"] for one in found)


def test_a_finding_says_when_it_was_not_so_yet(manage: Manage, cloud: Rows) -> None:
    cloud.set("instances", {"id": uid(1)}, network_info="[]")
    (found,) = says(manage, "--only", "I9")["findings"]
    assert found["not_before"].endswith("Z")
    assert "since" not in found
    assert "Not before" in manage.run("doctor", *QUICK, "--only", "I9").stdout


@pytest.mark.parametrize("moment", ["lately", 1e300, -1e17])
def test_a_row_that_was_changed_at_no_moment_is_shown_without_one(manage: Manage, cloud: Rows, moment: Any) -> None:
    cloud.set("instances", {"id": uid(1)}, host="nowhere")
    with cloud.db.engine.connect() as connection:
        connection.exec_driver_sql("UPDATE instances SET updated_at = ?", (moment,))
        connection.commit()
    found = says(manage, "--only", "I18")["findings"]
    assert [one["not_before"] for one in found if one["subject"] == f"server {uid(1)}"] == [None]
    assert manage.last.exit_code == 1


def test_one_is_counted_as_one(manage: Manage, cloud: Rows) -> None:
    cloud.set("hosts", {"name": "h2"}, running=7)
    assert manage.run("doctor", *QUICK, "--only", "I3").stdout.startswith("1 finding in 2 checks.")


# -- repairs that fail -----------------------------------------------------------------------------------------


def test_a_repair_that_fails_is_told_and_the_others_are_done(manage: Manage, cloud: Rows, monkeypatch: Any) -> None:
    miscount(cloud)
    replace(monkeypatch, "recount_host", dies)
    said = says(manage, "--only", "I3,I8", "--fix", "--yes")
    assert [(step["fix"], step["result"]) for step in said["repairs"]] == [
        ("recount_host", "failed"),
        ("recount_quota", "done"),
    ]
    assert "KeyError: 'frobnicating'" in said["repairs"][0]["says"]
    assert manage.last.exit_code == 1


def test_a_repair_that_fails_is_1_even_if_nothing_is_found_afterwards(
    manage: Manage, cloud: Rows, monkeypatch: Any
) -> None:
    def run(hands: Any, step: Any) -> Any:
        if step.fix == "recount_host":
            return repairs.Result.FAILED, "KeyError"
        cloud.set("hosts", {"name": "h2"}, running=1)
        cloud.set("quota_usages", {"resource": "cores", "project_id": P}, used=5)
        return repairs.Result.DONE, "all"

    miscount(cloud)
    monkeypatch.setattr(repairs, "run", run)
    said = says(manage, "--only", "I3,I8", "--fix", "--yes")
    assert said["findings"] == []
    assert [step["result"] for step in said["repairs"]] == ["failed", "done"]
    assert manage.last.exit_code == 1


def test_what_was_done_is_told_though_the_database_goes_away(manage: Manage, cloud: Rows, monkeypatch: Any) -> None:
    miscount(cloud)
    cloud.set("quota_usages", {"resource": "ram", "project_id": P}, used=9)
    cloud.set("quota_usages", {"resource": "ports", "project_id": P}, used=9)
    cloud.add("quota_usages", project_id="project-2", resource="cores", used=3, hard_limit=9)
    replace(monkeypatch, "recount_quota", goes_away)
    done = manage.run("doctor", *QUICK, "--only", "I3,I8", "--fix", "--yes")
    assert done.exit_code == 2
    table = [line.split() for line in done.stdout.partition("What was done")[2].splitlines()]
    assert [words[2] for words in table if words[:2] == ["host", "h2"]] == ["done"]
    assert [words[2] for words in table if words[:2] == ["project", P]] == ["failed"]
    assert [words[2:4] for words in table if words[:2] == ["project", "project-2"]] == [["not", "tried"]]
    assert "The database went away." in done.stderr
    cloud.set("hosts", {"name": "h2"}, running=7)
    said = says(manage, "--only", "I3,I8", "--fix", "--yes")
    assert [step["result"] for step in said["repairs"]] == ["done", "failed", "not tried"]
    assert manage.last.exit_code == 2


def test_what_is_impossible_is_not_offered_again(manage: Manage, cloud: Rows) -> None:
    cloud.set("jobs", {"id": uid(101)}, lease_until=0.0, not_before=0.0, updated_at=cloud.old)
    done = manage.run("doctor", *QUICK, "--only", "I1")
    assert "doctor --fix repairs" in done.stdout
    done = manage.run("doctor", *QUICK, "--only", "I1", "--fix", "--yes")
    assert "impossible" in done.stdout
    assert "doctor --fix repairs" not in done.stdout
    assert done.exit_code == 1


def test_a_worker_that_cannot_be_rung_is_not_said_to_be(manage: Manage, cloud: Rows) -> None:
    cloud.set("jobs", {"id": uid(101)}, lease_until=0.0, not_before=0.0, updated_at=cloud.old)
    (step,) = says(manage, "--only", "I1", "--fix", "--yes")["repairs"]
    assert (step["fix"], step["result"]) == ("ring_job", "impossible")
    assert "iaas-all" in step["says"]


def test_a_ring_that_is_lost_is_not_done(manage: Manage, cloud: Rows, monkeypatch: Any) -> None:
    cloud.set("jobs", {"id": uid(101)}, lease_until=0.0, not_before=0.0, updated_at=cloud.old)
    monkeypatch.setattr(Ringer, "reaches", True)
    monkeypatch.setattr("iaas.common.rpc.connect", goes_away)
    (step,) = says(manage, "--only", "I1", "--fix", "--yes")["repairs"]
    assert (step["fix"], step["result"]) == ("ring_job", "failed")
    assert "The database went away." in step["says"]
