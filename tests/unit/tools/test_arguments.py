"""What the tools say of a command line that cannot be: one sentence, exit status 2, and nothing was begun."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

import pytest
import simulate
import sqlalchemy as sa
from bench import floor, run, schedulers, scheduling

from tests.simulation import world_run
from tools import arguments
from tools.chaos import command, report

ROOT = Path(__file__).resolve().parents[3]
TOOLS = {
    "simulate": simulate.main,
    "chaos": command.main,
    "bench": run.main,
    "scheduling": scheduling.main,
    "schedulers": schedulers.main,
    "floor": floor.main,
}
LINE = {"name": "POST server", "median": 3.0}
ADDED = {"group": "kill", "case": "c", "database": "mariadb", "seed": 1, "at": "2026-01-02", "facts": {"kills": "many"},
         "breaches": []}  # fmt: skip
#: tool → (arguments; words its sentence must have), of which each is on a line of its own
REFUSED = {
    "simulate": [
        ("--count 0", "--count: it must be 1 or more, not 0"),
        ("--count -3", "--count: it must be 1 or more, not -3"),
        ("--jobs 0", "--jobs: it must be 1 or more, not 0"),
        ("--seed one", "'one' is not a whole number"),
        ("--clients 99", "seed 1 has no client 99; it has the clients 0 to 4"),
        ("--clients -1", "--clients: it must be 0 or more, not -1"),
        ("--operations -5", "--operations: it must be 1 or more, not -5"),
        ("--mutation all --count 0 --jobs 0", "--count: it must be 1 or more"),
        ("--mutation all --trace", "--trace does not go with --mutation all"),
        ("--mutation nosuch", "there is no mutation 'nosuch'; there are: all, no-sweep"),
        ("--only nosuch", "there is no fault 'nosuch'; there are: crash"),
        ("--without nosuch", "there is no fault 'nosuch'; there are: crash"),
        ("--all", "--all goes with --mutation"),
        ("--json nowhere/x", "nowhere/x cannot be written: No such file or directory"),
        ("--json .", ". cannot be written: Is a directory"),
    ],
    "chaos": [
        ("--case nosuch", "no case has 'nosuch' in its name; there are"),
        ("--case nosuch", "mariadb broker: restarted; kill -9"),
        ("--database sqlite --only database", "no case of database on sqlite, but of kill, broker, pause"),
        ("--only nosuch", "there is no group 'nosuch'; there are: kill, broker"),
        ("--only kill,", "there is no group ''"),
        ("--database nosuch", "mariadb"),
        ("--runs -1", "--runs: it must be 1 or more, not -1"),
        ("--runs 0", "--runs: it must be 1 or more, not 0"),
        ("--at-most -3", "--at-most: it must be a number above 0, not -3"),
        ("--at-most nan", "--at-most: it must be a number above 0, not nan"),
        ("--minutes -5", "--minutes: it must be a number above 0, not -5"),
        ("--minutes inf", "--minutes: it must be a number above 0, not inf"),
        ("--only soak --minutes 5", "--minutes: what a soak says needs 8 minutes or more"),
        ("--tabulate missing", "missing cannot be read: No such file or directory"),
        ("--tabulate empty", "empty has no results"),
        ("--tabulate text", "line 1 of text is not JSON"),
        ("--tabulate list", "line 1 of list is not a result: it is not an object"),
        ("--tabulate figures", "line 1 of figures is not a result: it does not say group, case, database"),
        ("--tabulate sums", "sums has facts that cannot be added up"),
        ("--tabulate bytes", "bytes cannot be read: it is not text"),
        ("--report missing", "missing cannot be read"),
        ("--report text", "text has no place for the table: <!-- chaos: begin -->"),
        ("--report .", ". cannot be written: Is a directory"),
        ("--json nowhere/x", "nowhere/x cannot be written: No such file or directory"),
        ("--keep text/logs", "the folder text/logs cannot be made: Not a directory"),
    ],
    "bench": [
        ("--compare missing figures", "missing cannot be read"),
        ("--compare figures empty", "empty has no results"),
        ("--compare figures text", "line 1 of text is not JSON"),
        ("--compare figures half", "line 2 of half is not JSON"),
        ("--compare figures other", "line 1 of other is not a result: it does not say median"),
        ("--compare odd figures", "odd says 'much' for cpu_ms of x, which is no number"),
        ("--cloud env --process-pattern=", "--process-pattern: an empty one fits everything"),
        ("--cloud env --pids abc", "--pids: 'abc' is not a whole number"),
        ("--cloud env --pids 1,-2", "--pids: it must be 1 or more, not -2"),
        ("--cloud env --process-pattern (", "'(' is not a regular expression: missing )"),
        ("--boots 0", "--boots: it must be 1 or more, not 0"),
        ("--image-mb -1", "--image-mb: it must be 1 or more, not -1"),
        ("--only nosuch", "'netboot'"),
        ("--growth --only boot", "--only does not go with it"),
        ("--dir nowhere", "there is no folder nowhere"),
        ("--set nonsense", "group.option=value"),
        ("--set jobs.lease=long", "jobs.lease"),
        ("--json nowhere/x", "nowhere/x cannot be written"),
    ],
    "scheduling": [
        ("--hosts abc", "--hosts: 'abc' is not a whole number"),
        ("--hosts -5", "--hosts: it must be 1 or more, not -5"),
        ("--hosts 10,,20", "--hosts: '' is not a whole number"),
        ("--boots 0", "--boots: it must be 1 or more, not 0"),
        ("--boots -4", "--boots: it must be 1 or more, not -4"),
        ("--policy nosuch", "'chance'"),
        ("--url nonsense", "--url: it is no URL of a database"),
        ("--url sqlite:///nowhere/x", "sqlite:///nowhere/x cannot be used: unable to open database file"),
        ("--url mysql+pymysql://u:secret@127.0.0.1:1/x", "u:***@127.0.0.1:1/x cannot be used"),
        ("--url sqlite:///full.sqlite", "sqlite:///full.sqlite is not empty: it has 1 tables, and would lose them"),
    ],
    "schedulers": [
        ("--boots 0 --slots 0", "--boots: it must be 1 or more, not 0"),
        ("--slots 0", "--slots: it must be 1 or more, not 0"),
        ("--schedulers -1", "--schedulers: it must be 1 or more, not -1"),
        ("--database nosuch", "'sqlite'"),
    ],
    "floor": [
        ("--rounds 0", "--rounds: it must be 1 or more, not 0"),
        ("--image-mb -1", "--image-mb: it must be 1 or more, not -1"),
        ("--dir nowhere", "there is no folder nowhere"),
    ],
}  # fmt: skip


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with files that are no results, for a tool that must not begin to work."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONHASHSEED", "0")  # else the simulator starts itself anew with it

    def begun(*words, **more):
        raise AssertionError("it has begun to work")

    begins = [(world_run, "make_ready"), (world_run, "run_all"), (command, "running"), (run, "own"), (run, "others")]
    begins += [(scheduling, "measure"), (schedulers, "run"), (floor, "alone"), (floor, "upload")]
    for module, name in begins:
        monkeypatch.setattr(module, name, begun)
    figure = json.dumps(LINE)
    texts = {
        "empty": "\n\n", "text": "nothing\n", "list": "[1]\n", "figures": f"{figure}\n",
        "half": f"{figure}\n{figure[:9]}", "other": '{"name": "x"}\n',
        "odd": '{"name": "x", "median": 1, "cpu_ms": "much"}\n', "sums": json.dumps(ADDED),
    }  # fmt: skip
    for name, text in texts.items():
        Path(name).write_text(text)
    Path("bytes").write_bytes(b"\xff\xfe")
    engine = sa.create_engine("sqlite:///full.sqlite")
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE precious (id INTEGER)"))
    engine.dispose()
    return tmp_path


@pytest.mark.parametrize(("tool", "words", "said"), [(tool, *row) for tool, rows in REFUSED.items() for row in rows])
def test_a_command_line_that_cannot_be_is_refused_before_anything_runs(folder, capsys, tool, words, said):
    before = {path: path.stat().st_size for path in folder.iterdir()}
    with pytest.raises(SystemExit) as ended:
        TOOLS[tool](words.split())
    assert ended.value.code == 2
    told = capsys.readouterr()
    assert said in told.err
    assert told.out == ""
    assert "Traceback" not in told.err
    assert "secret" not in told.err
    assert {path: path.stat().st_size for path in folder.iterdir()} == before, "and it left nothing"


def test_what_is_sent_through_the_ingest_is_refused_alike():
    words = [sys.executable, str(ROOT / "tools/bench/ingest.py"), "--size-mb", "-1"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "ingest.py: argument --size-mb: it must be 8 or more, not -1\n"


def test_the_cases_of_the_kill_matrix_are_listed_without_a_run(folder, capsys):
    assert command.main(["--list", "--only", "kill,soak", "--database", "sqlite", "--minutes", "1"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "sqlite kill: every point", "sqlite soak: 1 minutes, no faults; 1 minutes, a kill every 60 s",
    ]  # fmt: skip
    assert command.main(["--list", "--case", "kill -9"]) == 0
    assert capsys.readouterr().out.splitlines() == ["mariadb broker: kill -9", "mariadb database: kill -9"]


def test_results_are_put_together_and_into_the_document(folder, capsys):
    result = command.Result("broker", "away", "mariadb", 1, "2026-01-02 03:04", 5.0, {"promises": 3})
    for name in ("one", "two"):
        Path(name).write_text(json.dumps(result.as_json()) + "\n")
    Path("doc.md").write_text(f"{report.BEGIN}\n{report.END}\n")
    assert command.main(["--tabulate", "one", "--tabulate", "two", "--report", "doc.md"]) == 0
    assert "2026-01-02: 2 runs" in capsys.readouterr().out
    assert "2026-01-02: 2 runs" in Path("doc.md").read_text()


def test_a_file_that_can_be_written_is_left_as_it_was(folder):
    assert arguments.target("new") == Path("new")
    assert not Path("new").exists()
    assert arguments.target("figures") == Path("figures")
    assert json.loads(Path("figures").read_text()) == LINE


def test_numbers_are_what_they_say():
    assert arguments.counts("10,100") == [10, 100]
    assert arguments.amount("0.5") == 0.5
    for read, text in [
        (arguments.amount, "0"),
        (arguments.amount, "x"),
        (arguments.counts, ""),
        (arguments.count, "1.5"),
    ]:
        with pytest.raises(argparse.ArgumentTypeError):
            read(text)
