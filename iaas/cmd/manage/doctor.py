"""`iaas-manage doctor`: whether the cloud is sound, and what to do where it is not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from iaas.cmd.manage.base import Command, World, pass_world
from iaas.cmd.manage.output import printable, time
from iaas.common import errors

if TYPE_CHECKING:
    from iaas.doctor import Diagnosis, Finding, Truth

CLEAN, FOUND, UNKNOWN = 0, 1, 2
COLUMNS = {"invariant": "Breaks", "subject": "Of", "what": "What is wrong", "since": "Since", "remedy": "What to do"}
UNCHECKED = {"invariant": "Not checked", "sentence": "What would hold", "why": "Why not"}
PLAN = {"subject": "Of", "says": "What --fix would do", "host": "On host"}
DONE = {"subject": "Of", "result": "Result", "says": "What"}
MAX_TOPICS = 50


class Only(click.ParamType):
    """Ids of invariants, separated by commas."""

    name = "I3,I8"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        from iaas.doctor.invariants import ELSEWHERE, INVARIANTS

        wanted = tuple(part.strip().upper() for part in str(value).split(",") if part.strip())
        known = sorted({row.id for row in INVARIANTS} | set(ELSEWHERE), key=lambda id_: int(id_[1:]))
        wrong = [part for part in wanted if part not in known]
        if wrong or not wanted:
            self.fail(f"there is no invariant {', '.join(wrong) or repr(value)}; there are {', '.join(known)}.")
        return wanted


@click.command("doctor", cls=Command, example="doctor\ndoctor --only I3,I8 --json\ndoctor --fix")
@click.option("--fix", is_flag=True, help="Show what can be repaired, ask, and repair it.")
@click.option("--yes", is_flag=True, help="With --fix: do not ask.")
@click.option("--only", type=Only(), default=None, help="Judge these invariants only, such as I3,I8.")
@click.option(
    "--grace", type=click.FloatRange(0), default=90.0, show_default=True, metavar="SECONDS",
    help="Judge what is still moving only when it was left alone for so long; 0: nothing is under way.",
)  # fmt: skip
@click.option(
    "--patience", type=click.FloatRange(0, 600), default=5.0, show_default=True, metavar="SECONDS",
    help="Look again after so long, and report what is still so.",
)  # fmt: skip
@pass_world
@click.pass_context
def command(
    ctx: click.Context, world: World, fix: bool, yes: bool, only: tuple[str, ...] | None, grace: float, patience: float
) -> None:
    """Say whether the cloud is sound: what is wrong, since when, and what to do.

    Rows are compared with each other and with what the hosts, the image store and the queues really hold;
    docs/doctor.md explains each invariant. A cloud may be at work meanwhile. Nothing is changed without --fix,
    which repairs only what rows prove and destroys nothing by guess.

    Exit code: 0 all is well, 1 something is wrong, 2 it could not be told.
    """
    if fix and world.out.as_json and not yes:
        raise click.UsageError("--fix with --json cannot ask; add --yes.")
    try:
        visit = Visit(world, only or (), grace)
        visit.look(patience)
        done = _repair(world, visit, yes) if fix else []
        if any(row["result"] == "done" for row in done):
            visit.look(patience)
            if not world.out.as_json:
                visit.show("After the repairs: ")
    except errors.IaasError as error:  # 1 is kept for what is wrong with the cloud
        click.echo(f"iaas-manage: {printable(error.message)}", err=True)
        ctx.exit(UNKNOWN)
    if not fix or world.out.as_json:
        visit.show(repairs=done if fix else None)
    ctx.exit(visit.code)


class Visit:
    """One run of the doctor: ask everybody, read everything, and look again before anything is said.

    :ivar silent: what could not be asked, in sentences
    """

    def __init__(self, world: World, only: tuple[str, ...], grace: float) -> None:
        self.world = world
        self._only = only
        self._grace = grace
        self.silent: list[str] = []
        self.diagnosis: Diagnosis

    def look(self, patience: float) -> None:
        """Examine the cloud; what is found is looked for again after ``patience`` seconds."""
        from iaas.common import runtime

        self.diagnosis = self._once()
        if self.diagnosis.findings and patience:
            first = {found.key for found in self.diagnosis.findings}
            runtime.sleep(patience)
            self.diagnosis = self._once()
            self.diagnosis.findings = [found for found in self.diagnosis.findings if found.key in first]

    def _once(self) -> Diagnosis:
        from iaas.doctor import diagnose

        truth = self._truth()  # before the rows: what was made since is too young to be judged
        images = self.images()
        return diagnose(self.world.db, truth, quiet=True, grace=self._grace, images=images, only=self._only)

    @property
    def findings(self) -> list[Finding]:
        return self.diagnosis.findings

    @property
    def code(self) -> int:
        if self.findings:
            return FOUND
        return UNKNOWN if self.silent else CLEAN

    # -- what there is ---------------------------------------------------------------------------------------

    def _truth(self) -> Truth:
        from iaas.cmd.manage import blobs
        from iaas.compute.agentapi import AgentClient
        from iaas.doctor import Truth, ask

        answers = ask.everybody(self.world.db, AgentClient(self.world.settings.compute.agent_secret))
        self.silent = answers.silent
        held = blobs.listed(self._store)
        stored = {} if held is None else {"blobs": held.sizes, "written": held.written}
        ratios = self.world.settings.scheduler
        return Truth(hosts=answers.hosts, queues=self._queues(), ratios=ratios, **stored)

    def _queues(self) -> dict[str, int] | None:
        """How much waits in the queues somebody should empty; None where the broker is inside the daemons,
        whose workers tell it."""
        from iaas.common import rpc
        from iaas.db import hosts, jobs

        url = self.world.settings.queue.url
        if url.startswith("memory:"):
            return None
        with self.world.db.read(self.world.ctx) as tx:
            names = {row.binary.removeprefix("iaas-") for row in hosts.all_services(tx)}
            waiting = {row.topic for row in jobs.listed(tx, jobs.LIVE, MAX_TOPICS, newest_first=False)}
        transport = rpc.connect(url)
        try:
            return {topic: transport.depth(topic) for topic in [rpc.DEAD, *sorted(names | waiting)]}
        except errors.Unavailable as error:
            self.silent.append(error.message)
            return None
        finally:
            transport.close()

    def images(self) -> Any:
        try:
            return self.world.image_db
        except errors.IaasError as error:
            self.silent.append(f"image service: {error.message}")
            return None

    @property
    def _store(self) -> Path:
        return Path(self.world.settings.image.store_dir)

    # -- what is said ----------------------------------------------------------------------------------------

    def show(self, title: str = "", repairs: list[dict[str, Any]] | None = None) -> None:
        """Print what was found, what was not checked, and who did not answer."""
        out, found = self.world.out, [_shown(finding) for finding in self.findings]
        unchecked = [vars(row) for row in self.diagnosis.unchecked]
        if out.as_json:
            words = {"findings": found, "unchecked": unchecked, "silent": self.silent}
            out.one(words if repairs is None else {**words, "repairs": repairs})
            return
        if found:
            click.echo(f"{title}{len(found)} findings in {self.diagnosis.checked} checks.")
            out.rows(found, COLUMNS, none="")
        elif self.diagnosis.checked:
            click.echo(f"{title}All {self.diagnosis.checked} checks are clean.")
        else:
            click.echo(f"{title}Nothing could be checked.")
        out.table("Not checked", unchecked, UNCHECKED)
        for sentence in self.silent:
            click.echo(f"Could not be asked: {printable(sentence)}", err=True)
        if any(finding.fix for finding in self.findings):
            click.echo("\niaas-manage doctor --fix repairs what rows prove, and shows its plan first.")


def _shown(finding: Finding) -> dict[str, Any]:
    return {**finding.to_dict(), "since": time(finding.since)}


# -- repairs -------------------------------------------------------------------------------------------------


class _Ringer:
    """Rings over the broker, if there is one; what is not rung, the workers' sweep finds."""

    def __init__(self, world: World) -> None:
        self._world = world

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

        transport = rpc.connect(self._world.settings.queue.url)
        client = rpc.Client(transport)
        try:
            send(client)
        except errors.IaasError as error:
            click.echo(f"Not told, {advice}: {printable(error.message)}", err=True)
        finally:
            client.close()
            transport.close()


def _repair(world: World, visit: Visit, yes: bool) -> list[dict[str, Any]]:
    """Show the plan, ask, and carry it out; return what came of each step."""
    from iaas.doctor import repairs

    steps = repairs.plan(visit.findings)
    if not world.out.as_json:
        visit.show()
        if not steps:
            click.echo("There is nothing that can be repaired.")
        else:
            world.out.table("The plan", [vars(step) | {"says": repairs.REPAIRS[step.fix].says} for step in steps], PLAN)
    if not steps or not (yes or click.confirm("\nDo this?")):
        return []
    bell = _Ringer(world)
    refresh = bell.refresh if bell.reaches else None
    hands = repairs.Hands(world.db, bell, world.settings.quota, visit.images(), refresh)
    done = []
    for step in steps:
        result, says = repairs.run(hands, step)
        done.append({"fix": step.fix, "subject": step.subject, "host": step.host, "result": result.value, "says": says})
    world.out.table("What was done", done, DONE)
    return done
