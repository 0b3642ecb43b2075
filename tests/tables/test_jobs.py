"""Every row of the table of jobs, held against the workers."""

from __future__ import annotations

import pytest

from iaas.compute.manager import ComputeManager
from iaas.jobs import kinds, outcomes
from iaas.network.manager import NetworkManager
from iaas.scheduler.manager import SchedulerManager
from iaas.volume.manager import VolumeManager

MANAGERS = {
    "scheduler": SchedulerManager,
    "compute": ComputeManager,
    "network": NetworkManager,
    "volume": VolumeManager,
}
STEPS = [(kind.name, step.name, step.at) for kind in kinds.KINDS.values() for step in (*kind.steps, *kind.undos)]


@pytest.mark.parametrize(("kind", "step", "worker"), STEPS)
def test_every_step_has_a_handler_at_its_worker(kind, step, worker):
    assert (kind, step) in MANAGERS[worker].handlers


@pytest.mark.parametrize("worker", MANAGERS)
def test_no_worker_has_a_handler_for_a_step_that_is_not_declared(worker):
    declared = {(kind, step) for kind, step, at in STEPS if at == worker}
    assert set(MANAGERS[worker].handlers) == declared


@pytest.mark.parametrize("kind", kinds.KINDS.values(), ids=lambda kind: kind.name)
def test_every_undo_step_is_declared_and_every_resource_has_its_outcomes(kind):
    named = {step.undo for step in kind.steps if step.undo}
    assert named == {step.name for step in kind.undos}
    assert kind.resource in outcomes.FAILED
    assert kind.resource in outcomes.RELEASED
    assert kind.resource in kinds.DELETES


def test_a_deletion_never_gives_up():
    for pair in kinds.DELETES.values():
        assert all(kind.max_attempts is None for kind in pair)


def test_the_points_are_named_once():
    points = kinds.points()
    assert len(points) == len(set(points))
    assert "jobs.build.start.done" in points
