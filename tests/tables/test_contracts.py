"""The import contracts hold, and a planted violation of each is reported."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
#: contract → (file, import) that breaks it
PLANTED = {
    "floors": ("iaas/common/units.py", "import iaas.db.tx"),
    "compute-worker": ("iaas/compute/driver.py", "import iaas.compute.guests"),
    "workers-and-verbs": ("iaas/compute/api/power.py", "import iaas.compute.jobs.power"),
    "workers-apart": ("iaas/compute/jobs/power.py", "import iaas.network.drivers.fake"),
    "workers-no-verbs": ("iaas/compute/jobs/delete.py", "import iaas.compute.api.power"),
    "drivers-blind": ("iaas/compute/drivers/fake.py", "import iaas.db.hosts"),
    "other-programs": ("iaas/compute/guests.py", "import iaas.image.service"),
    "edges-neither-query-nor-send": ("iaas/api/compute/servers.py", "import iaas.db.tx"),
    "sqlalchemy": ("iaas/scheduler/weights.py", "import sqlalchemy"),
    "eventlet": ("iaas/scheduler/hosts.py", "import eventlet"),
    "clock-and-chance": ("iaas/scheduler/explain.py", "import time"),
    "subprocess": ("iaas/volume/states.py", "import subprocess"),
    "kombu": ("iaas/jobs/bell.py", "import kombu"),
    "libvirt": ("iaas/compute/guests.py", "import libvirt"),
    "xml": ("iaas/api/ec2/ids.py", "import pickle"),
}


def contracts() -> dict[str, str]:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    return {row["id"]: row["name"] for row in settings["contracts"]}


def report(folder: Path) -> str:
    lint = Path(sys.executable).parent / "lint-imports"
    done = subprocess.run([lint, "--no-cache"], cwd=folder, capture_output=True, text=True, timeout=300)
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """What the linter says of a tree with one violation of every contract."""
    folder = tmp_path_factory.mktemp("planted")
    shutil.copytree(ROOT / "iaas", folder / "iaas", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    for name, line in PLANTED.values():
        path = folder / name
        path.write_text(f"{path.read_text()}\n{line}\n")
    (folder / "iaas/compute/utils.py").write_text("")
    return report(folder)


def test_the_contracts_hold():
    assert " 0 broken" in report(ROOT)


def test_every_contract_has_a_planted_violation():
    assert set(PLANTED) == set(contracts())


@pytest.mark.parametrize("contract", PLANTED)
def test_a_planted_violation_is_reported(planted, contract):
    assert f"{contracts()[contract]} BROKEN" in " ".join(planted.split())


def test_a_new_module_of_a_worker_needs_a_floor(planted):
    assert "iaas.compute.utils" in planted
