"""`iaas-manage doctor`: what it says, its exit codes, and that it asks before it repairs."""

from __future__ import annotations

import json
import shutil

import pytest

from tests.fixtures.doctor import P, Rows, sound
from tests.fixtures.manage import Manage

pytest_plugins = ["tests.fixtures.manage"]
QUICK = ("--patience", "0", "--grace", "600")


@pytest.fixture
def sick(manage: Manage) -> Rows:
    """The databases of the command line, with a cloud in them whose count of cores is wrong."""
    rows = Rows(manage.database(), manage.database("image"))
    sound(rows)
    rows.set("quota_usages", {"resource": "cores", "project_id": P}, used=9)
    return rows


def cores(rows: Rows) -> int:
    (used,) = [row["used"] for row in rows.all("quota_usages") if (row["project_id"], row["resource"]) == (P, "cores")]
    return used


def test_a_clean_cloud_is_0(manage: Manage) -> None:
    done = manage.run("doctor", *QUICK)
    assert done.exit_code == 0
    assert "checks are clean" in done.stdout
    assert "Not checked" in done.stdout
    assert json.loads(manage.says("doctor", *QUICK, "--json"))["findings"] == []


def test_a_finding_is_1_and_says_what_to_do(manage: Manage, sick: Rows) -> None:
    done = manage.run("doctor", *QUICK)
    assert done.exit_code == 1
    assert "cores: 9 used, 5 held." in done.stdout
    assert "doctor --fix" in done.stdout
    assert cores(sick) == 9, "nothing is repaired unasked"
    done = manage.run("doctor", *QUICK, "--json")
    assert done.exit_code == 1
    (found,) = json.loads(done.stdout)["findings"]
    assert (found["invariant"], found["subject"], found["fix"]) == ("I8", f"project {P}", "recount_quota")


def test_who_cannot_be_asked_is_named_and_a_clean_rest_is_2(manage: Manage, sick: Rows) -> None:
    done = manage.run("doctor", *QUICK, "--only", "I4,i7")
    assert done.exit_code == 2
    assert "iaas-compute on h1" in done.stderr
    assert "no compute host said which guests it has" in " ".join(done.stdout.split())


def test_a_database_that_is_not_there_is_2(empty: Manage) -> None:
    done = empty.run("doctor", *QUICK)
    assert done.exit_code == 2
    assert "iaas-manage: " in done.stderr


def test_a_database_that_does_not_answer_is_2(empty: Manage) -> None:
    done = empty.run("--set", "database.url=mysql+pymysql://x@127.0.0.1:1/x", "doctor", *QUICK)
    assert done.exit_code == 2
    assert "cannot be used" in done.stderr


def test_an_image_database_that_is_not_here_is_named(manage: Manage, sick: Rows) -> None:
    nowhere = f"database.image_url=sqlite:///{manage.folder}/nowhere/image.sqlite"
    done = manage.run("--set", nowhere, "doctor", *QUICK, "--only", "I4,I11")
    assert done.exit_code == 2
    assert "image service: " in done.stderr


def test_fix_shows_its_plan_and_asks(manage: Manage, sick: Rows) -> None:
    done = manage.run("doctor", *QUICK, "--only", "I8", "--fix", input="n\n")
    assert "count anew what is used" in done.stdout
    assert "Do this?" in done.stdout
    assert (done.exit_code, cores(sick)) == (1, 9)
    done = manage.run("doctor", *QUICK, "--only", "I8", "--fix", input="y\n")
    assert "After the repairs: All" in done.stdout
    assert cores(sick) == 5


def test_fix_with_json_needs_yes_and_says_what_was_done(manage: Manage, sick: Rows) -> None:
    done = manage.run("doctor", *QUICK, "--fix", "--json")
    assert (done.exit_code, cores(sick)) == (2, 9)
    assert "--yes" in done.stderr
    said = json.loads(manage.run("doctor", *QUICK, "--fix", "--yes", "--json").stdout)
    assert [(step["fix"], step["result"]) for step in said["repairs"]] == [("recount_quota", "done")]
    assert (said["findings"], cores(sick)) == ([], 5)


def test_fix_on_a_clean_cloud_changes_nothing(manage: Manage) -> None:
    before = (manage.folder / "controller.sqlite").read_bytes()
    said = json.loads(manage.says("doctor", *QUICK, "--fix", "--yes", "--json"))
    assert (said["findings"], said["repairs"]) == ([], [])
    assert (manage.folder / "controller.sqlite").read_bytes() == before


def test_a_finding_that_is_gone_when_it_looks_again_is_not_reported(manage: Manage, sick: Rows, monkeypatch) -> None:
    from iaas.common import runtime

    def sleep(seconds: float) -> None:
        sick.set("quota_usages", {"resource": "cores", "project_id": P}, used=5)

    monkeypatch.setattr(runtime, "sleep", sleep)
    assert manage.run("doctor", "--only", "I8", "--patience", "1").exit_code == 0, "no host need be asked"


def test_an_invariant_there_is_not_is_refused(manage: Manage) -> None:
    assert "there is no invariant I99" in manage.refuses("doctor", "--only", "I8,I99", code=2)


def test_a_folder_of_images_is_compared(manage: Manage, sick: Rows) -> None:
    store = manage.folder / "images"
    store.mkdir(mode=0o700)
    (store / "00000000-0000-4000-8000-000000000071").write_bytes(b"1234567")
    words = ("--set", f"image.store_dir={store}", "doctor", *QUICK, "--only", "I11", "--json")
    assert json.loads(manage.run(*words).stdout)["findings"] == []
    shutil.rmtree(store)
    store.mkdir(mode=0o700)
    (found,) = json.loads(manage.run(*words).stdout)["findings"]
    assert found["what"] == "It has 7 bytes, the store has none of it."
