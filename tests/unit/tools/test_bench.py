"""The bench: what it reads from logs and /proc, how it judges, what it prints; and a small run of the whole."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from bench import cloud, goals, report

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


def test_a_taken_port_is_not_free():
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert not cloud._is_free(taken.getsockname()[1])
    assert all(cloud._is_free(port + cloud.free_offset()) for port in cloud.PORTS)


def test_until_says_what_did_not_come():
    with pytest.raises(TimeoutError, match="not ACTIVE"):
        cloud.until(lambda: False, "ACTIVE", every=0.001, seconds=0.01)


def test_a_promise_is_at_most_or_with_a_sign_at_least():
    assert goals.holds(10, 10)
    assert not goals.holds(10.1, 10)
    assert goals.holds(450, -450)
    assert not goals.holds(449, -450)
    assert not goals.holds(None, 1), "what was not measured holds nothing"
    assert goals.words("median", -450, "MiB/s") == "≥450 MiB/s"
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
