"""The kill matrix misses nothing: every kind of job and every point where a process may die is in it."""

from __future__ import annotations

import ast
from pathlib import Path

from iaas.jobs import kinds
from tools.chaos import matrix

ROOT = Path(__file__).resolve().parents[3]


def points_in_the_code():
    """The points named by a plain string; the engine's have names that are made."""
    for path in (ROOT / "iaas").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("points.point", "point") and node.args:
                name = node.args[0]
                if isinstance(name, ast.Constant):
                    yield name.value
                else:
                    assert ast.unparse(name).startswith("f'jobs."), f"{path}: {ast.unparse(name)} is in no list"


def test_every_point_is_in_the_matrix():
    wanted = set(kinds.points()) | set(points_in_the_code())
    assert {target.point for target in matrix.targets()} == wanted


def test_every_point_has_a_stimulus():
    assert {target.stimulus for target in matrix.targets()} == set(matrix.STIMULI)


def test_every_kind_of_job_is_done_by_a_client():
    assert set(kinds.KINDS) <= set(matrix.STIMULI)


def test_every_point_is_passed_by_a_daemon_of_the_cluster():
    workers = {"api", "scheduler", "compute", "network", "volume", "image"}
    assert {target.worker for target in matrix.targets()} == workers
