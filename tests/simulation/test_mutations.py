"""Each protection of the product is removed in turn, and is missed; what fails is made smaller.

``tools/simulate.py`` runs them; see docs/recipes/join-the-simulator.md for what to do with one that nobody missed.
"""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.simulation import mutations
from tests.simulation.tool import ROOT, SEEDS, simulate

pytestmark = pytest.mark.simulation


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
