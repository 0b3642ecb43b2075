"""Every state table: reachable, with a way out, with both API words and a rule for restarts."""

from __future__ import annotations

import pytest

from iaas.common.fsm import Restart
from iaas.compute.states import DELETING, INSTANCE, SCHEDULING
from iaas.image.states import IMAGE
from iaas.volume.states import DELETING as VOLUME_DELETING
from iaas.volume.states import VOLUME

MACHINES = {"instance": INSTANCE, "volume": VOLUME, "image": IMAGE}
#: left by removing the row
ENDS = {*DELETING, VOLUME_DELETING}
STATES = [
    pytest.param(machine, state, id=f"{name} {state}") for name, machine in MACHINES.items() for state in machine.states
]


@pytest.mark.parametrize("machine", MACHINES.values(), ids=MACHINES)
def test_every_state_is_reachable_from_the_first(machine):
    reached, edge = {machine.states[0]}, {machine.states[0]}
    while edge:
        edge = {row.target for row in machine.transitions if edge & set(row.sources)} - reached
        reached |= edge
    assert reached == set(machine.states)


@pytest.mark.parametrize(("machine", "state"), STATES)
def test_every_unstable_state_has_a_way_out(machine, state):
    if not state.stable and state not in ENDS:
        assert any(state in row.sources and row.target is not state for row in machine.transitions)


@pytest.mark.parametrize(("machine", "state"), STATES)
def test_every_state_has_its_words_and_a_rule_for_restarts(machine, state):
    assert state.openstack
    assert state.ec2
    if state.limit is not None and state is not SCHEDULING:
        assert state.restart is not Restart.KEEP


def test_every_instance_can_be_deleted_from_any_state():
    for state in INSTANCE.states:
        assert state in DELETING or INSTANCE.allows("delete", state)
