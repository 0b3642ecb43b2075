"""The life of an image's record. Drawn in docs/states/image.md.

An image that is deleted has no row any more; a row of ``blob_gc`` says that its bytes must go, and for a day that they
had to.
Source of the words: https://docs.openstack.org/glance/latest/user/statuses.html
"""

from __future__ import annotations

from iaas.common.fsm import Machine, Restart, State, Transition

#: seconds an upload may be silent: one that lives says so every ``BEAT`` seconds
SAVING_LIMIT = 35.0
BEAT = 8.0

#                   (status,)        OpenStack      EC2           on restart    time limit
QUEUED = State(("queued",), "queued", "pending")
SAVING = State(("saving",), "saving", "pending", Restart.FAIL, SAVING_LIMIT)
ACTIVE = State(("active",), "active", "available")
DEACTIVATED = State(("deactivated",), "deactivated", "disabled")
KILLED = State(("killed",), "killed", "failed")

STATES = (QUEUED, SAVING, ACTIVE, DEACTIVATED, KILLED)
#              event          fired by  from            to
TRANSITIONS = (
    Transition("upload", "api", (QUEUED,), SAVING),
    Transition("activate", "api", (SAVING,), ACTIVE),
    Transition("requeue", "api", (SAVING,), QUEUED),  # the upload broke off; another may be tried
    Transition("kill", "api", (SAVING,), KILLED),  # the inspector refused the bytes
    Transition("deactivate", "api", (ACTIVE,), DEACTIVATED),
    Transition("reactivate", "api", (DEACTIVATED,), ACTIVE),
)
IMAGE = Machine("image", ("status",), STATES, TRANSITIONS, unknown=("unknown", "error"))
#: states in which the store holds bytes of the image, or is about to
WITH_DATA = (SAVING, ACTIVE, DEACTIVATED)
#: states in which it holds all of them
FULL = (ACTIVE, DEACTIVATED)
