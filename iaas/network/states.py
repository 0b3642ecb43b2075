"""The life of a port. Drawn in docs/states/port.md.

A port is ACTIVE while its host's worker says that it carries frames, DOWN otherwise; ``error`` says why it stays
closed.  Source of the words: https://docs.openstack.org/api-ref/network/v2/#ports
"""

from __future__ import annotations

from iaas.common.fsm import Machine, State, Transition

DOWN = State(("DOWN",), "DOWN", "pending")
ACTIVE = State(("ACTIVE",), "ACTIVE", "in-use")

STATES = (DOWN, ACTIVE)
TRANSITIONS = (
    Transition("wire", "network", (DOWN,), ACTIVE),
    Transition("close", "network", (ACTIVE,), DOWN),  # unbound, or the host refused it
)
PORT = Machine("port", ("status",), STATES, TRANSITIONS)
