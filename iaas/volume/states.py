"""The life of a volume. Drawn in docs/states/volume.md.

Source of the words: https://docs.openstack.org/api-ref/block-storage/v3/#volumes-volumes
"""

from __future__ import annotations

from iaas.common.fsm import Machine, Restart, State, Transition

CREATING = State(("creating",), "creating", "creating", Restart.REDO, 1800.0)
AVAILABLE = State(("available",), "available", "available")
DELETING = State(("deleting",), "deleting", "deleting", Restart.REDO, 600.0)
ERROR = State(("error",), "error", "error")

STATES = (CREATING, AVAILABLE, DELETING, ERROR)
TRANSITIONS = (
    Transition("created", "volume", (CREATING,), AVAILABLE),
    Transition("fail", "any", (CREATING,), ERROR),
    Transition("delete", "api", (CREATING, AVAILABLE, ERROR), DELETING),
)
VOLUME = Machine("volume", ("status",), STATES, TRANSITIONS, unknown=("unknown", "error"))
