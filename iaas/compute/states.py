"""The life of an instance. Drawn in docs/states/instance.md.

``vm_state`` is what the guest is, ``task_state`` what is being done to it; the API shows both, and its ``status``
is the OpenStack word of the row.  Source of the words: https://docs.openstack.org/api-guide/compute/server_concepts.html
"""

from __future__ import annotations

from iaas.common.fsm import Machine, Restart, State, Transition

BUILD_LIMIT = 1800.0
POWER_LIMIT = 600.0
DELETE_LIMIT = 600.0

#                  (vm_state, task_state)          OpenStack        EC2              on restart     time limit
SCHEDULING = State(("building", "scheduling"), "BUILD", "pending", Restart.KEEP, BUILD_LIMIT)
NETWORKING = State(("building", "networking"), "BUILD", "pending", Restart.REDO, BUILD_LIMIT)
SPAWNING = State(("building", "spawning"), "BUILD", "pending", Restart.REDO, BUILD_LIMIT)
ACTIVE = State(("active", None), "ACTIVE", "running")
STOPPED = State(("stopped", None), "SHUTOFF", "stopped")
ERROR = State(("error", None), "ERROR", "running")
STARTING = State(("stopped", "powering-on"), "SHUTOFF", "pending", Restart.REDO, POWER_LIMIT)
STOPPING = State(("active", "powering-off"), "ACTIVE", "stopping", Restart.REDO, POWER_LIMIT)
STOPPING_ERROR = State(("error", "powering-off"), "ERROR", "stopping", Restart.REDO, POWER_LIMIT)
REBOOTING = State(("active", "rebooting"), "REBOOT", "running", Restart.REDO, POWER_LIMIT)
REBOOTING_HARD = State(("active", "rebooting_hard"), "HARD_REBOOT", "running", Restart.REDO, POWER_LIMIT)
REBOOTING_STOPPED = State(("stopped", "rebooting_hard"), "HARD_REBOOT", "pending", Restart.REDO, POWER_LIMIT)
REBOOTING_ERROR = State(("error", "rebooting_hard"), "HARD_REBOOT", "pending", Restart.REDO, POWER_LIMIT)
DELETING_BUILDING = State(("building", "deleting"), "BUILD", "shutting-down", Restart.REDO, DELETE_LIMIT)
DELETING_ACTIVE = State(("active", "deleting"), "ACTIVE", "shutting-down", Restart.REDO, DELETE_LIMIT)
DELETING_STOPPED = State(("stopped", "deleting"), "SHUTOFF", "shutting-down", Restart.REDO, DELETE_LIMIT)
DELETING_ERROR = State(("error", "deleting"), "ERROR", "shutting-down", Restart.REDO, DELETE_LIMIT)

BUILDING = (SCHEDULING, NETWORKING, SPAWNING)
STATES = (
    *BUILDING,
    ACTIVE,
    STOPPED,
    ERROR,
    STARTING,
    STOPPING,
    STOPPING_ERROR,
    REBOOTING,
    REBOOTING_HARD,
    REBOOTING_STOPPED,
    REBOOTING_ERROR,
    DELETING_BUILDING,
    DELETING_ACTIVE,
    DELETING_STOPPED,
    DELETING_ERROR,
)
HARD = (REBOOTING_HARD, REBOOTING_STOPPED, REBOOTING_ERROR)

#              event        fired by     from                                        to
TRANSITIONS = (
    Transition("wire", "scheduler", (SCHEDULING,), NETWORKING),
    Transition("spawn", "scheduler", (SCHEDULING, NETWORKING), SPAWNING),
    Transition("replace", "compute", (NETWORKING, SPAWNING), SCHEDULING),  # on another host
    Transition("activate", "compute", (SPAWNING, STARTING, REBOOTING, *HARD), ACTIVE),
    Transition("stop", "api", (ACTIVE,), STOPPING),
    Transition("stop", "api", (ERROR,), STOPPING_ERROR),
    Transition("stopped", "compute", (STOPPING, STOPPING_ERROR), STOPPED),
    Transition("power_lost", "compute", (ACTIVE,), STOPPED),  # the guest shut itself down
    Transition("power_found", "compute", (STOPPED,), ACTIVE),  # somebody started it at the hypervisor
    Transition("start", "api", (STOPPED,), STARTING),
    Transition("reboot_soft", "api", (ACTIVE,), REBOOTING),
    Transition("reboot_hard", "api", (ACTIVE, REBOOTING), REBOOTING_HARD),
    Transition("reboot_hard", "api", (STOPPED,), REBOOTING_STOPPED),
    Transition("reboot_hard", "api", (ERROR,), REBOOTING_ERROR),
    Transition("give_up", "compute", (STARTING,), STOPPED),
    Transition("give_up", "compute", (STOPPING, REBOOTING), ACTIVE),
    Transition("give_up", "compute", (*HARD, STOPPING_ERROR), ERROR),
    Transition("fail", "any", BUILDING, ERROR),
    Transition("delete", "api", BUILDING, DELETING_BUILDING),
    Transition("delete", "api", (ACTIVE, STOPPING, REBOOTING, REBOOTING_HARD), DELETING_ACTIVE),
    Transition("delete", "api", (STOPPED, STARTING, REBOOTING_STOPPED), DELETING_STOPPED),
    Transition("delete", "api", (ERROR, STOPPING_ERROR, REBOOTING_ERROR), DELETING_ERROR),
)
INSTANCE = Machine("instance", ("vm_state", "task_state"), STATES, TRANSITIONS)
DELETING = (DELETING_BUILDING, DELETING_ACTIVE, DELETING_STOPPED, DELETING_ERROR)
