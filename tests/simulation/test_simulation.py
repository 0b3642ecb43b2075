"""The whole control plane in a simulator: a thousand histories of faults, and the same again for the same seed.

``tools/simulate.py`` runs them; see docs/recipes/join-the-simulator.md for what to do with a seed that fails.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from iaas.jobs import kinds
from tests.simulation import world_faults
from tests.simulation.tool import SEEDS, simulate

pytestmark = pytest.mark.simulation


@pytest.fixture(scope="module")
def histories(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What came of a thousand seeds."""
    file = tmp_path_factory.mktemp("simulation") / "result.json"
    simulate("--seed", "1", "--count", str(SEEDS), "--jobs", "2", json_file=file)
    return json.loads(file.read_text())


def test_a_thousand_histories_of_faults_break_no_promise(histories):
    assert histories["seeds"] == SEEDS
    told = [f"seed {failed['seed']}: {failed['findings'][0]}" for failed in histories["failed"]]
    assert told == []


def test_somebody_died_at_every_point(histories):
    assert [point for point in world_faults.points() if not histories["crashed"].get(point)] == []


def test_every_fault_happened(histories):
    assert [kind for kind in world_faults.HIGHEST if not histories["faults"].get(kind)] == []


def test_every_step_of_every_job_was_done(histories):
    steps = [
        f"jobs.{kind.name}.{step.name}.done" for kind in kinds.KINDS.values() for step in (*kind.steps, *kind.undos)
    ]
    assert [step for step in steps if not histories["passed"].get(step)] == []


@pytest.mark.parametrize("seed", [2, 3, 5])
def test_a_seed_gives_the_same_history_again_alone_and_among_others(histories, seed):
    found = set()
    for hash_seed in ("1", "2"):
        printed = simulate("--seed", str(seed), hash_seed=hash_seed)
        found |= {line.split()[1] for line in printed.splitlines() if line.startswith("trace ")}
    assert found == {histories["digests"][str(seed)]}
