"""What the simulator must know of: every job, every call of a driver, every named point."""

from __future__ import annotations

import pytest

from iaas.compute.driver import ComputeDriver
from iaas.jobs import kinds
from iaas.network.driver import NetworkDriver
from iaas.volume.driver import VolumeDriver
from tests.fixtures import points
from tests.simulation import world_clients, world_drivers, world_faults

DRIVERS = {
    "compute": (ComputeDriver, world_drivers.COMPUTE),
    "network": (NetworkDriver, world_drivers.NETWORK),
    "volume": (VolumeDriver, world_drivers.VOLUME),
}
HOW = "see docs/recipes/join-the-simulator.md"


def test_every_job_is_started_by_a_client_of_the_simulator():
    assert set(world_clients.STARTS) == set(kinds.KINDS), HOW
    for kind, verb in world_clients.STARTS.items():
        assert callable(getattr(world_clients.Client, verb)), f"{kind}: {HOW}"


@pytest.mark.parametrize("name", DRIVERS)
def test_every_call_of_a_driver_has_its_faults_or_a_reason_for_having_none(name):
    abstract, changing = DRIVERS[name]
    known = {*changing, *world_drivers.LOOKS[name], *world_drivers.LEFT_OUT[name]}
    methods = {
        method for method in vars(abstract) if not method.startswith("_") and callable(getattr(abstract, method))
    }
    assert methods == known, HOW


def test_every_named_point_is_one_of_the_simulator_or_left_out_for_a_reason():
    told = world_faults.points()
    assert len(told) == len(set(told))
    assert set(kinds.points()) <= set(told)
    named, made = points.in_the_code()
    assert named - set(told) == set(world_faults.LEFT_OUT), HOW
    for pattern in made:
        assert any(pattern.fullmatch(point) for point in told), f"{pattern.pattern}: {HOW}"
