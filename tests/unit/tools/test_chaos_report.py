"""What a run of the kill matrix says of itself: its table, its slopes, its exit status."""

from __future__ import annotations

import argparse

import pytest

from tools.chaos import command, report, soak
from tools.chaos.cases import Result


def result(case="away", seed=1, breaches=(), **facts):
    return Result("broker", case, "mariadb", seed, "2026-01-02 03:04", 5.0, facts, list(breaches)).as_json()


def test_runs_of_one_case_are_one_row_added_up():
    rows = report.table([result(promises=1000, sound=1.5, kills=3), result(seed=2, promises=500, sound=0.5, kills=4)])
    assert rows.splitlines()[0] == "2026-01-02: 2 runs, 7 kills, 1,500 promises, 0 breaches."
    assert rows.splitlines()[-1] == "| broker | away | mariadb | 2 | 1-2 | 1,500 | 0 | 1.5 s | kills 7 |"


def test_of_seconds_the_worst_is_shown():
    rows = report.table([result(**{"done after": 2.5}), result(**{"done after": 0.5})])
    assert "done after 2.5 s" in rows


def test_the_table_stands_between_its_markers(tmp_path):
    file = tmp_path / "doc.md"
    file.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n")
    for _ in range(2):
        report.write(file, [result(promises=1, sound=1)])
    text = file.read_text()
    assert text.startswith(f"before\n{report.BEGIN}\n2026-01-02: 1 runs")
    assert text.endswith(f"|\n{report.END}\nafter\n")
    assert "old" not in text


def test_a_document_without_markers_is_refused(tmp_path):
    file = tmp_path / "doc.md"
    file.write_text("nothing")
    with pytest.raises(argparse.ArgumentTypeError, match="no place for the table"):
        report.write(file, [result()])


def test_a_breach_is_an_exit_status_and_says_how_to_run_again(capsys):
    broken = Result("broker", "away", "mariadb", 7, "2026-01-02 03:04", breaches=["a server is lost"])
    assert command._summary([broken]) == 1
    assert "--database mariadb --only broker --case 'away' --runs 1 --seed 7" in capsys.readouterr().out


def test_nothing_run_is_no_success():
    assert command._summary([]) == 1


def grown(per_hour, seconds=1200):
    return [(at, 100 + per_hour * at / 3600, 20) for at in range(0, seconds, 5)]


def test_growth_is_said_per_hour():
    said = soak.verdict(grown(6.0))
    assert said is not None
    assert said["MB/h"] == pytest.approx(6.0, abs=0.01)
    assert not said["flat"]


def test_what_does_not_grow_is_flat():
    said = soak.verdict(grown(0.0))
    assert said is not None
    assert said["flat"]
    assert said["files/h"] == 0


def test_a_pool_that_fills_again_has_not_grown():
    hardest = [(at, 150, 60) for at in range(0, 300, 5)]
    assert soak.verdict(hardest + [sample for sample in grown(6.0) if sample[0] >= 300])["flat"]
    longer = [(at, mb + (40 if at >= 595 else 0), count) for at, mb, count in grown(6.0)]
    longer[119] = (595, 150, 60)  # the warm-up's work ended so late
    assert not soak.verdict(longer)["flat"]
    assert soak.verdict(longer, warm=600)["flat"]
    assert not soak.verdict(hardest + [(at, mb + 50, n) for at, mb, n in grown(6.0) if at >= 300])["flat"]


def test_a_short_life_says_nothing():
    assert soak.verdict(grown(6.0, seconds=200)) is None
