"""The bench: what it reads from logs and /proc, how it judges, what it prints; and a small run of the whole."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa
from bench import (
    anycloud,
    client,
    cloud,
    fill,
    goals,
    inside,
    processes,
    report,
    schedulers,
    schedulers_check,
    scheduling,
)

from iaas.common import context
from iaas.db import hosts, instances, jobs, quotas

ROOT = Path(__file__).resolve().parents[3]
ID = "0b0e8f0c-3c4a-4a1e-8d11-7f10a0b1c2d3"
LOG = f"""\
2026-11-21T04:35:21.001Z INFO    iaas.request [req-1] compute POST /v2.1/servers 202 4.9 ms sql=4 user=u project=p
2026-11-21T04:35:21.002Z INFO    iaas.request [req-2] compute GET /v2.1/servers/{ID} 200 0.9 ms sql=1 user=u project=p
2026-11-21T04:35:21.003Z INFO    iaas.request [req-3] compute GET /v2.1/servers/detail 200 0.9 ms sql=7 user=u project=p
2026-11-21T04:35:21.004Z INFO    iaas.request [req-4] compute POST /v2.1/servers 202 5.0 ms sql=6 user=u project=p
2026-11-21T04:35:21.005Z WARNING iaas.cmd.daemon [-] counters controller.sqlite=437 identity.sqlite=25
2026-11-21T04:35:21.006Z WARNING iaas.cmd.daemon [-] counters controller.sqlite=440 identity.sqlite=26
"""


def test_the_statements_of_a_request_are_those_of_its_lines():
    assert cloud.statements_of(LOG, "POST", r"/v2\.1/servers") == [4, 6]
    assert cloud.statements_of(LOG, "GET", rf"/v2\.1/servers/{ID}") == [1]
    assert cloud.statements_of(LOG, "DELETE", r"/v2\.1/servers") == []


def test_counters_are_the_sum_of_the_last_whole_line():
    assert cloud.counted(LOG) == 1 + 466
    assert cloud.counted(LOG[:-1]) == 1 + 462
    assert cloud.counted("nothing\n") == 0


def test_until_says_what_did_not_come():
    with pytest.raises(TimeoutError, match="not ACTIVE"):
        cloud.until(lambda: False, "ACTIVE", every=0.001, seconds=0.01)


def test_a_promise_is_at_most_or_with_a_sign_at_least():
    assert goals.holds(10, 10)
    assert not goals.holds(10.1, 10)
    assert goals.holds(450, -450)
    assert not goals.holds(449, -450)
    assert not goals.holds(None, 1), "what was not measured holds nothing"
    assert goals.words("median", -450, "MB/s") == "≥450 MB/s"
    assert goals.words("cpu_ms", 0.7, "ms") == "≤0.7 CPU-ms"


def test_every_promise_of_a_figure_is_judged_alone():
    figure = goals.Figure("POST server", 9.0, sql=16)
    assert figure.judged() == {"median": True, "sql": False}
    assert report.goal(figure) == "[green]✓ ≤10 ms[/]\n[red]✗ ≤15 SQL[/]"


@pytest.mark.parametrize(("value", "shown"), [(None, ""), (0.1234, "0.12"), (12.34, "12.3"), (1956.2, "1,956")])
def test_numbers_have_the_digits_that_say_something(value, shown):
    assert report.number(value) == shown


def test_the_bench_measures_a_cloud_of_its_own_and_leaves_nothing(tmp_path):
    file = tmp_path / "figures.json"
    words = [sys.executable, ROOT / "tools/bench/run.py", "--only", "image", "--only", "boot", "--image-mb", "2"]
    words += ["--json", file, "--label", "small", "--dir", tmp_path]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, env={**os.environ, "COLUMNS": "200"})
    assert done.returncode == 0, done.stderr
    figures = {line["name"]: line for line in map(json.loads, file.read_text().splitlines())}
    assert {"image upload", "image memory growth", "POST server", "POST to ACTIVE", "boot cycle"} <= figures.keys()
    assert {figure["label"] for figure in figures.values()} == {"small"}
    assert all(figures[name]["median"] > 0 for name in figures.keys() - {"image memory growth"})
    assert 0 < figures["POST server"]["sql"] < figures["boot cycle"]["sql"] <= goals.GOALS["boot cycle"]["sql"]
    assert "POST to ACTIVE" in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["figures.json"]


# -- a cloud that somebody else runs -----------------------------------------------------------------------

RC = """\
# how to be the administrator
export OS_AUTH_URL=http://127.0.0.1:5000
export OS_USERNAME=admin
export OS_PASSWORD='with space'   # kept in a safe
export OS_PROJECT_NAME=demo
unset OS_TOKEN
"""
YAML = """\
clouds:
  one:
    auth: {auth_url: "https://one/identity", username: u, password: p, project_name: x, user_domain_name: People}
    region_name: north
    interface: internal
  two:
    auth: {auth_url: "http://two", username: u, password: p}
"""


def test_an_account_is_read_from_an_openrc_a_clouds_yaml_or_the_environment(tmp_path):
    rc, clouds = tmp_path / "openrc", tmp_path / "clouds.yaml"
    rc.write_text(RC)
    clouds.write_text(YAML)
    words = anycloud.account(str(rc), {})
    assert (words["OS_PASSWORD"], words["OS_PROJECT_NAME"]) == ("with space", "demo")
    words = anycloud.account(f"{clouds}:one", {})
    assert (words["OS_USER_DOMAIN_NAME"], words["OS_REGION_NAME"]) == ("People", "north")
    there = {"OS_AUTH_URL": "u", "OS_USERNAME": "a", "OS_PASSWORD": "b", "OS_PROJECT_NAME": "c", "HOME": "/"}
    assert anycloud.account("env", there) == {name: value for name, value in there.items() if name != "HOME"}


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("nowhere", "cannot be read"),
        ("clouds.yaml", "has the clouds one, two: say which"),
        ("clouds.yaml:two", "does not say OS_PROJECT_NAME"),
        ("env", "does not say OS_AUTH_URL, OS_USERNAME, OS_PASSWORD, OS_PROJECT_NAME"),
    ],
)
def test_an_account_that_is_not_whole_says_what_is_missing(tmp_path, monkeypatch, source, sentence):
    (tmp_path / "clouds.yaml").write_text(YAML)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(anycloud.NoAccount, match=sentence):
        anycloud.account(source, {})


def test_processes_are_found_by_number_and_by_command_line_with_their_children():
    program = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'input()'])"
    with subprocess.Popen([sys.executable, "-c", program, "bench-marked"], stdin=subprocess.PIPE) as parent:
        by_number = processes.Processes([parent.pid], None, without=os.getpid())
        cloud.until(lambda: len(by_number.found()) == 2, "a child")
        by_pattern = processes.Processes([], re.compile("bench-marked"), without=os.getpid())
        assert by_pattern.found() == by_number.found()
        assert by_number.pss_mb() > 1
        assert by_number.cpu() >= 0
        assert parent.stdin is not None
        parent.stdin.close()
    assert by_number.found() == []
    assert anycloud.watched([], None) is None
    with pytest.raises(anycloud.NoAccount, match="no process"):
        anycloud.watched([], re.compile("no such process anywhere"))


def test_two_runs_are_compared_figure_by_figure(tmp_path, capsys):
    files = [tmp_path / "theirs.jsonl", tmp_path / "ours.jsonl"]
    report.write([goals.Figure("POST server", 60.0, cpu_ms=30.0), goals.Figure("only there", 1.0)], files[0])
    report.write([goals.Figure("POST server", 99.0)], files[1])
    report.write([goals.Figure("POST server", 3.0, cpu_ms=1.5, sql=4)], files[1])
    read = [report.read(file) for file in files]
    assert read[1]["POST server"]["median"] == 3.0, "measured again, the latest counts"
    report.compare(*read, names=["theirs", "ours"])
    lines = capsys.readouterr().out.splitlines()
    title = "what unit theirs ours ratio theirs CPU-ms ours CPU-ms ratio theirs SQL ours SQL"
    assert lines[0].split() == title.split()
    assert lines[1].split() == ["POST", "server", "ms", "60.0", "3.00", "0.05", "30.0", "1.50", "0.05", "4.00"]
    assert lines[2].split() == ["only", "there", "ms", "1.00"]


def bench_of(tmp_path, *words):
    program = [sys.executable, str(ROOT / "tools/bench/run.py"), *map(str, words)]
    return subprocess.run(program, capture_output=True, text=True, timeout=120, cwd=tmp_path)


def test_the_bench_measures_a_cloud_by_its_catalog_and_removes_what_it_made(tmp_path):
    file = tmp_path / "figures.jsonl"
    with cloud.Cloud(tmp_path / "cloud", []) as there:
        rc = there.folder / "openrc"
        words = ["--cloud", rc, "--only", "get", "--only", "netboot", "--boots", "4", "--json", file]
        done = bench_of(tmp_path, *words, "--pids", there.pid)
        assert done.returncode == 0, done.stderr
        assert bench_of(tmp_path, "--cloud", rc, "--only", "get", "--json", tmp_path / "unwatched").returncode == 0
        asker = client.Client(there.account()).login()
        left = [
            asker.get("image", "/images")["images"],
            asker.get("compute", "/servers")["servers"],
            [found for found in asker.get("compute", "/flavors")["flavors"] if found["name"] == "bench"],
            asker.get("network", "/networks?name=bench")["networks"],
        ]
    assert left == [[], [], [], []]
    figures = report.read(file)
    assert {"GET server", "POST to ACTIVE with network", "4 boots with network, 8 clients"} <= figures.keys()
    assert figures["memory before the work"]["note"] == "1 processes"
    assert figures["boot cycle with network"]["cpu_ms"] > 0
    assert {figure["sql"] for figure in figures.values()} == {None}, "nothing is read that only our own cloud says"
    assert report.read(tmp_path / "unwatched")["GET server"]["cpu_ms"] is None


def test_a_cloud_that_does_not_answer_and_options_that_do_not_go_together_are_said_in_a_sentence(tmp_path):
    (tmp_path / "openrc").write_text(RC.replace("5000", "1"))
    done = bench_of(tmp_path, "--cloud", "openrc")
    assert (done.returncode, done.stderr) == (1, "bench: [Errno 111] Connection refused\n")
    assert "not with --cloud" in bench_of(tmp_path, "--cloud", "openrc", "--growth").stderr
    assert "go with --cloud" in bench_of(tmp_path, "--pids", "1").stderr


# -- growth ------------------------------------------------------------------------------------------------


@pytest.fixture
def filled():
    """An empty controller's database."""
    database = inside.prepare("sqlite://")
    yield database
    database.close()


def test_the_rows_of_a_filled_cloud_are_as_if_they_had_come_one_by_one(filled):
    names = fill.add_hosts(filled, 3, fill.Size(8, 4096, 100), zones=("a", "b"))
    fill.add_servers(filled, 7, "project", "user", inside.IMAGE, ("1", {"vcpus": 1}), names)
    with filled.read(context.admin()) as tx:
        sold = [(row.name, row.zone, row.running, row.used_memory_mb) for row in hosts.all_hosts(tx)]
        used = {row.resource: row.used for row in quotas.of_project(tx, "project")}
        rows = instances.page(tx, [], [("created_at", "desc")], 100, None)
        assert all(hosts.placement_of(tx, row.id) is not None for row in rows)
        assert all(jobs.of_resource(tx, row.id)[0].state == "done" for row in rows)
        assert schedulers_check._sold(tx) == schedulers_check._allocated(tx, rows) == schedulers_check._quotas(tx) == []
    assert sold == [(names[0], "a", 3, 192), (names[1], "b", 2, 128), (names[2], "a", 2, 128)]
    assert used == {"instances": 7, "cores": 7, "ram": 448}
    assert {(row.vm_state, row.task_state) for row in rows} == {("active", None)}


def test_counting_after_the_schedulers_says_what_is_off(filled):
    names = fill.add_hosts(filled, 1)
    fill.add_servers(filled, 2, "plain", "user", inside.IMAGE, ("1", {}), names)
    result = schedulers.Result("sqlite", 1, boots=3, slots=2)
    asked = [{"plain": 2, "edge": 0, "over quota": 0}]
    schedulers_check.count(filled, result, 0, asked)
    assert result.problems == [
        "servers: 2, must be 3", "servers accepted: 2, must be 3", "refused with the reason: 0, must be 1",
    ]  # fmt: skip
    table = hosts.hosts
    filled.write(context.admin(), lambda tx: tx.execute(sa.update(table).values(used_disk_gb=9, running=0)))
    filled.write(context.admin(), lambda tx: quotas.give_back(tx, "plain", {"cores": 1}))
    schedulers_check.count(filled, result, 0, asked)
    assert result.problems[3:] == [
        f"host {names[0]}: 9 disk_gb used, 2 allocated", f"host {names[0]}: runs 0, has 2 allocations",
        "quota cores of plain: 1 used, 2 held",
    ]  # fmt: skip


def test_hosts_have_room_for_exactly_the_slots():
    assert schedulers.rooms(160) == [20, 50, 80, 10]
    assert sum(schedulers.rooms(4000)) == 4000


def test_a_placing_takes_as_many_statements_among_a_thousand_hosts_as_among_ten(tmp_path):
    found = [
        scheduling.measure(f"sqlite:///{tmp_path}/{count}.sqlite", count, boots=3, policy="filter")
        for count in (10, 1000)
    ]
    assert found[0]["fits"]["sql"] == found[1]["fits"]["sql"] <= 10
    assert found[1]["refused"]["sql"] <= 13
    assert all(cost["cpu_ms"] > 0 for one in found for cost in one.values())
