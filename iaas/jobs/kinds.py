"""The procedures of the cloud: one row each, with their steps, where each step runs, and what undoes it.

A step named here has exactly one handler, declared by the worker that serves it with
``@handlers.step("build", "place")``; a test compares the two.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass


@dataclass(frozen=True)
class Step:
    """One idempotent piece of work.

    :param at: the worker that does it
    :param local: whether it must be the worker of the job's host (topic ``<at>.<host>``)
    :param undo: the undo step that takes it back, if it failed or a later step did
    """

    name: str
    at: str
    local: bool = True
    undo: str | None = None

    def topic(self, host: str | None) -> str:
        return f"{self.at}.{host}" if self.local else self.at


@dataclass(frozen=True)
class Kind:
    """One procedure on one resource.

    :param action: the word ``os-instance-actions`` shows
    :param undos: the steps that undo, by name
    :param yields_to_delete: a delete ends it at once, in place of following it
    :param max_attempts: of one step; None tries for ever, ever more slowly
    :param nohost: the worker that takes the job when its resource has no host
    """

    name: str
    resource: str
    action: str
    steps: tuple[Step, ...]
    undos: tuple[Step, ...] = ()
    yields_to_delete: bool = False
    max_attempts: int | None = 10
    nohost: str = "scheduler"

    def step(self, name: str) -> Step:
        for step in (*self.steps, *self.undos):
            if step.name == name:
                return step
        raise KeyError(f"job {self.name} has no step {name}")

    def after(self, name: str) -> Step | None:
        """Return the step after ``name``, None after the last."""
        index = [step.name for step in self.steps].index(name)
        return self.steps[index + 1] if index + 1 < len(self.steps) else None

    def undo_path(self, failed: str, ran: Collection[str]) -> list[str]:
        """Return the undo steps for a failure in ``failed``, in the order they run.

        :param ran: the steps that did something: what never ran needs no undoing
        """
        names: list[str] = []
        for step in self.steps:
            if step.undo and step.undo not in names and (step.name in ran or step.name == failed):
                names.append(step.undo)
            if step.name == failed:
                break
        return names[::-1]


BUILD = Kind(
    "build",
    "instance",
    "create",
    steps=(
        Step("place", at="scheduler", local=False),
        Step("wire", at="network", undo="unwire"),
        Step("prepare", at="compute", undo="discard"),
        Step("start", at="compute", undo="discard"),
    ),
    undos=(Step("discard", at="compute"), Step("unwire", at="network")),
    yields_to_delete=True,
)

DELETE = Kind(
    "delete",
    "instance",
    "delete",
    steps=(Step("destroy", at="compute"), Step("unwire", at="network")),
    max_attempts=None,
)

FORGET = Kind(
    "forget",
    "instance",
    "delete",
    steps=(Step("forget", at="scheduler", local=False),),
    max_attempts=None,
)

START = Kind("start", "instance", "start", steps=(Step("power_on", at="compute"),))
STOP = Kind("stop", "instance", "stop", steps=(Step("power_off", at="compute"),))
REBOOT = Kind("reboot", "instance", "reboot", steps=(Step("restart", at="compute"),))

CREATE_VOLUME = Kind(
    "create_volume",
    "volume",
    "create",
    steps=(Step("choose", at="scheduler", local=False), Step("make", at="volume", undo="unmake")),
    undos=(Step("unmake", at="volume"),),
    yields_to_delete=True,
)
DELETE_VOLUME = Kind("delete_volume", "volume", "delete", steps=(Step("erase", at="volume"),), max_attempts=None)
FORGET_VOLUME = Kind(
    "forget_volume",
    "volume",
    "delete",
    steps=(Step("forget", at="scheduler", local=False),),
    max_attempts=None,
)

KINDS = {
    kind.name: kind
    for kind in (BUILD, DELETE, FORGET, START, STOP, REBOOT, CREATE_VOLUME, DELETE_VOLUME, FORGET_VOLUME)
}
#: the kind that deletes a resource: on its host, and where it has none
DELETES = {"instance": (DELETE, FORGET), "volume": (DELETE_VOLUME, FORGET_VOLUME)}


def points() -> list[str]:
    """Return every named crash point of the engine."""
    names = [f"jobs.{kind.name}.accepted" for kind in KINDS.values()]
    for kind in KINDS.values():
        for step in (*kind.steps, *kind.undos):
            names += [f"jobs.{kind.name}.{step.name}.{at}" for at in ("claimed", "done", "advanced")]
    return names
