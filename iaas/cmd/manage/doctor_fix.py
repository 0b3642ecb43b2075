"""`iaas-manage doctor --fix`: the plan, and what came of each of its steps."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import click

from iaas.cmd.manage.base import World
from iaas.cmd.manage.output import printable
from iaas.common import errors

if TYPE_CHECKING:
    from iaas.doctor import Finding, Truth
    from iaas.doctor.hands import Hands
    from iaas.doctor.repairs import Action

PLAN = {"subject": "Of", "says": "What --fix would do", "host": "On host"}
DONE = {"subject": "Of", "result": "Result", "says": "What"}
#: repairs that are nothing but a message to a worker
MESSAGES = ("ring_job", "load_anew")


class Ringer:
    """Rings over the broker, if there is one; what is not rung, the workers' sweep finds.

    :ivar lost: why messages were not sent, in sentences
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self.lost: list[str] = []

    def ring(self, topic: str, job_id: str, resource_id: str) -> None:
        args = {"job_id": job_id, "resource_id": resource_id}
        if self.reaches:
            self._cast("the sweep will find it", lambda client: client.cast(topic, "run_job", self._world.ctx, **args))

    @property
    def reaches(self) -> bool:
        """Whether there is a broker that can be reached from here."""
        return not self._world.settings.queue.url.startswith("memory:")

    def refresh(self, host: str) -> None:
        """Have the network worker of a host load everything again."""
        from iaas.network import rpcapi

        self._cast("repair it again", lambda client: rpcapi.refresh(client, host))

    def _cast(self, advice: str, send: Callable[[Any], None]) -> None:
        from iaas.common import rpc

        try:
            transport = rpc.connect(self._world.settings.queue.url)
            client = rpc.Client(transport)
            try:
                send(client)
            finally:
                client.close()
                transport.close()
        except errors.IaasError as error:
            self.lost.append(error.message)
            click.echo(f"Not told, {advice}: {printable(error.message)}", err=True)


class Repairs:
    """What is repaired in one run.

    :ivar done: what came of each step, in order: ``fix``, ``subject``, ``host``, ``result`` and ``says``
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self.done: list[dict[str, Any]] = []

    def plan(self, findings: Iterable[Finding]) -> list[Action]:
        """Print what can be done about some findings, and return it."""
        from iaas.doctor import repairs

        steps = repairs.plan(findings)
        if steps:
            shown = [vars(step) | {"says": repairs.REPAIRS[step.fix].says} for step in steps]
            self._world.out.table("The plan", shown, PLAN)
        else:
            self._world.out.note("There is nothing that can be repaired.")
        return steps

    def carry_out(self, steps: Sequence[Action], truth: Truth, images: Any) -> None:
        """Do what was planned; whatever happens, say what was done and what was not.

        :raises Unavailable: the database went away.
        """
        from iaas.doctor import repairs
        from iaas.doctor.hands import Hands

        bell = Ringer(self._world)
        refresh = bell.refresh if bell.reaches else None
        quota = self._world.settings.quota
        hands = Hands(self._world.db, bell, quota, images, refresh, heard=bell.reaches, truth=truth)
        left = list(steps)
        try:
            while left:
                self._note(left[0], *_one(hands, left[0], bell))
                del left[0]
        except errors.Unavailable as error:
            self._note(left.pop(0), repairs.Result.FAILED, f"It is not known whether it was done: {error.message}")
            raise
        finally:
            for step in left:
                self._note(step, repairs.Result.NOT_TRIED, repairs.REPAIRS[step.fix].says)
            self._world.out.table("What was done", self.done, DONE)

    def _note(self, step: Action, result: Any, says: str) -> None:
        words = {"fix": step.fix, "subject": step.subject, "host": step.host}
        self.done.append({**words, "result": result.value, "says": says})

    @property
    def changed(self) -> bool:
        return any(row["result"] == "done" for row in self.done)

    @property
    def failed(self) -> bool:
        """Whether something was to be done and was not, for another reason than that rows do not prove it."""
        return any(row["result"] in ("failed", "not tried") for row in self.done)

    def left(self, findings: Iterable[Finding]) -> bool:
        """Whether repairs know anything to do about some findings that was not found to be impossible."""
        from iaas.doctor import repairs

        tried = {(row["fix"], row["subject"], row["host"]) for row in self.done if row["result"] == "impossible"}
        return any((step.fix, step.subject, step.host) not in tried for step in repairs.plan(findings))


def _one(hands: Hands, step: Action, bell: Ringer) -> tuple[Any, str]:
    """Do one step; a message that was not sent is not done.

    :raises Unavailable: the database cannot be reached.
    """
    from iaas.doctor import repairs

    bell.lost.clear()
    result, says = repairs.run(hands, step)
    if result is repairs.Result.DONE and step.fix in MESSAGES and bell.lost:
        return repairs.Result.FAILED, f"No message could be sent: {bell.lost[0]}"
    return result, says
