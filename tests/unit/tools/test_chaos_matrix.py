"""The kill matrix misses nothing: every kind of job and every point where a process may die is in it."""

from __future__ import annotations

from iaas.jobs import kinds
from tests.fixtures import points
from tools.chaos import matrix


def test_every_point_is_in_the_matrix():
    told = {target.point for target in matrix.targets()}
    named, made = points.in_the_code()
    assert told == set(kinds.points()) | named
    for pattern in made:
        assert any(pattern.fullmatch(point) for point in told), pattern.pattern


def test_every_point_has_a_stimulus():
    assert {target.stimulus for target in matrix.targets()} == set(matrix.STIMULI)


def test_every_kind_of_job_is_done_by_a_client():
    assert set(kinds.KINDS) <= set(matrix.STIMULI)


def test_every_point_is_passed_by_a_daemon_of_the_cluster():
    workers = {"api", "scheduler", "compute", "network", "volume", "image"}
    assert {target.worker for target in matrix.targets()} == workers
