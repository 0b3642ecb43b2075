"""The whole control plane in a simulator: a thousand histories, the same again for the same seed, and every protection.

``tools/simulate.py`` runs them; see docs/recipes/join-the-simulator.md for what to do with a seed that fails.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from iaas.jobs import kinds
from tests.simulation import mutations, world_faults

ROOT = Path(__file__).resolve().parent.parent.parent
SEEDS = 1000
pytestmark = pytest.mark.simulation


def simulate(*words: str, json_file: Path | None = None, hash_seed: str = "random") -> str:
    """Run the tool and return what it printed; what it prints while it runs is shown, too."""
    told = [] if json_file is None else ["--json", str(json_file)]
    command = [sys.executable, "tools/simulate.py", *words, *told]
    env = {**os.environ, "PYTHONHASHSEED": hash_seed}
    lines = []
    with subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        for line in running.stdout:
            lines.append(line)
            print(line, end="", flush=True)
    return "".join(lines)


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


def test_every_protection_of_the_product_is_missed_when_it_is_gone(tmp_path):
    assert len(mutations.MUTATIONS) >= 15
    file = tmp_path / "mutations.json"
    simulate("--mutation", "all", "--count", str(SEEDS), "--jobs", "2", json_file=file)
    caught = json.loads(file.read_text())
    assert [name for name in mutations.MUTATIONS if not caught.get(name)] == []


def test_a_failure_is_made_smaller_and_can_be_seen_again():
    printed = simulate("--seed", "1", "--count", "50", "--mutation", "no-sweep", "--shrink")
    again = printed.splitlines()[-1]
    assert again.startswith("tools/simulate.py --seed")
    assert "--only" in again
    left = next(line for line in printed.splitlines() if line.startswith("faults that are left: "))
    assert len(left.split(",")) < 8


def test_a_mutation_that_there_is_not_is_refused_with_those_there_are():
    done = subprocess.run(
        [sys.executable, "tools/simulate.py", "--mutation", "no-such"], cwd=ROOT, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert "no-sweep" in done.stderr
