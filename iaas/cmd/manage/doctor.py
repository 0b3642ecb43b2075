"""`iaas-manage doctor`: whether the cloud is sound, and what to do where it is not."""

from __future__ import annotations

import functools
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from iaas.cmd.manage import doctor_fix
from iaas.cmd.manage.base import Command, World, pass_world
from iaas.cmd.manage.output import printable, time
from iaas.common import errors

if TYPE_CHECKING:
    from iaas.doctor import Diagnosis, Finding, Truth
    from iaas.doctor.ask import Answers, Silent

CLEAN, FOUND, UNKNOWN = 0, 1, 2
COLUMNS = {
    "invariant": "Breaks", "subject": "Of", "what": "What is wrong", "not_before": "Not before", "remedy": "What to do",
}  # fmt: skip
UNCHECKED = {"invariant": "Not checked", "sentence": "What would hold", "why": "Why not"}
MAX_TOPICS = 50


class Seconds(click.FloatRange):
    """So many seconds as there can be."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        found = super().convert(value, param, ctx)
        if not math.isfinite(found):  # what is no number is neither below a range nor above it
            self.fail(f"{value!r} is not a number of seconds.", param, ctx)
        return found


class Progress:
    """Tells a terminal how many workers were asked; nobody else."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __call__(self, asked: int, workers: int) -> None:
        if self._stream.isatty():
            self._stream.write(f"\rAsked {asked} of {workers} workers …" if asked < workers else "\r\033[K")
            self._stream.flush()


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
@click.option("--deep", is_flag=True, help="Read each image and compare its bytes' hash; without it, sizes only.")
@click.option("--only", type=Only(), default=None, help="Judge these invariants only, such as I3,I8.")
@click.option(
    "--grace", type=Seconds(0), default=90.0, show_default=True, metavar="SECONDS",
    help="Judge what is still moving only when it was left alone for so long; 0: nothing is under way.",
)  # fmt: skip
@click.option(
    "--patience", type=Seconds(0, 600), default=5.0, show_default=True, metavar="SECONDS",
    help="Look again after so long, and report what is still so.",
)  # fmt: skip
@pass_world
@click.pass_context
def command(
    ctx: click.Context,
    world: World,
    fix: bool,
    yes: bool,
    deep: bool,
    only: tuple[str, ...] | None,
    grace: float,
    patience: float,
) -> None:
    """Say whether the cloud is sound: what is wrong, when it was not so yet, and what to do.

    Rows are compared with each other and with what the hosts, the image store and the queues really hold;
    docs/doctor.md explains each invariant. A cloud may be at work meanwhile. Nothing is changed without --fix,
    which repairs only what rows prove and destroys nothing by guess.

    Exit code: 0 all is well, 1 something is wrong or a repair failed, 2 it could not be told.
    """
    if fix and world.out.as_json and not yes:
        raise click.UsageError("--fix with --json cannot ask; add --yes.")
    visit = Visit(world, only or (), grace, fix=fix, deep=deep)
    try:
        visit.look(patience)
        if fix:
            _repair(visit, patience, yes)
    except errors.IaasError as error:  # 1 is kept for what is wrong with the cloud
        if world.out.as_json and visit.repairs.done:
            visit.show()
        click.echo(f"iaas-manage: {printable(error.message)}", err=True)
        ctx.exit(UNKNOWN)
    if not fix or world.out.as_json:
        visit.show()
    ctx.exit(visit.code)


def _repair(visit: Visit, patience: float, yes: bool) -> None:
    """Show what is wrong and what would be done, ask, do it, and look again.

    :raises Unavailable: the database cannot be reached any more; what was done until then has been told.
    """
    out = visit.world.out
    if not out.as_json:
        visit.show()
    steps = visit.repairs.plan(visit.findings)
    if not steps or not (yes or click.confirm("\nDo this?")):
        return
    visit.repairs.carry_out(steps, visit.truth(), visit.images())
    if visit.repairs.changed:
        visit.look(patience)
        if not out.as_json:
            visit.show("After the repairs: ")


class Visit:
    """One run of the doctor: ask everybody, read everything, and look again before anything is said.

    :param fix: whether repairs follow, whose proofs are asked of more workers than a judgement needs
    :param deep: whether the bytes of images are read
    :ivar silent: what could not be asked, in sentences
    """

    def __init__(self, world: World, only: tuple[str, ...], grace: float, *, fix: bool, deep: bool) -> None:
        self.world = world
        self._deep = deep
        self._digests: dict[str, str | None] | None = None
        self.repairs = doctor_fix.Repairs(world)
        self._fix = fix
        self._mute: list[Silent] = []
        self._aside: list[str] = []  # who could not be asked for a proof
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

        if self._deep and "digests" in self._needs:  # first of all: it may take long
            self._read_images()
        truth = self.truth()  # before the rows: what was made since is too young to be judged
        images = self.images()
        return diagnose(self.world.db, truth, quiet=True, grace=self._grace, images=images, only=self._only)

    @property
    def findings(self) -> list[Finding]:
        return self.diagnosis.findings

    @property
    def code(self) -> int:
        if self.findings or self.repairs.failed:
            return FOUND
        return UNKNOWN if self.silent or not self.diagnosis.checked else CLEAN

    # -- what there is ---------------------------------------------------------------------------------------

    @functools.cached_property
    def _needs(self) -> set[str]:
        """What must be known beside the rows, in the words of :data:`iaas.doctor.invariants.NEEDS`."""
        from iaas.doctor import needs

        return needs(self._only)

    @property
    def _outside(self) -> bool:
        """Whether the broker is outside of the daemons."""
        return not self.world.settings.queue.url.startswith("memory:")

    def _ask(self) -> Answers:
        """Ask the workers that can tell what is needed; who did not answer once is not waited for again."""
        from iaas.compute.agentapi import AgentClient
        from iaas.doctor import ask

        needed = ask.tellers(self._needs, broker_is_inside=not self._outside)
        asker = AgentClient(self.world.settings.compute.agent_secret)
        but, asked = {one.id for one in self._mute}, ask.TELLERS if self._fix else needed
        found = ask.everybody(self.world.db, asker, tellers=asked, but=but, progress=Progress(sys.stderr))
        self._mute += found.silent
        self.silent = [str(one) for one in self._mute if one.binary in needed]
        self._aside = [str(one) for one in self._mute if one.binary not in needed]
        return found

    def truth(self) -> Truth:
        """Return what can be told now of what is needed."""
        from iaas.cmd.manage import blobs
        from iaas.doctor import Truth

        answers = self._ask()
        held = blobs.listed(self._store) if "blobs" in self._needs else None
        stored = {} if held is None else {"blobs": held.sizes, "written": held.written, "digests": self._digests}
        scheduler = self.world.settings.scheduler
        told = {"ratios": scheduler, "down_after": scheduler.down_after, **stored}
        return Truth(hosts=answers.hosts, queues=self._queues(), **told)

    def _queues(self) -> dict[str, int] | None:
        """How much waits in the queues somebody should empty; None where nobody asks, or where the broker is inside
        the daemons, whose workers tell it."""
        from iaas.common import rpc
        from iaas.db import hosts, jobs

        if "queues" not in self._needs or not self._outside:
            return None
        with self.world.db.read(self.world.ctx) as tx:
            names = {row.binary.removeprefix("iaas-") for row in hosts.all_services(tx)}
            waiting = {row.topic for row in jobs.listed(tx, jobs.LIVE, MAX_TOPICS, newest_first=False)}
        transport = rpc.connect(self.world.settings.queue.url)
        try:
            return {topic: transport.depth(topic) for topic in [rpc.DEAD, *sorted(names | waiting)]}
        except errors.Unavailable as error:
            self.silent.append(error.message)
            return None
        finally:
            transport.close()

    def images(self) -> Any:
        """Return the image service's database; None where nobody asks about images, or where it is not here."""
        if "images" not in self._needs:
            return None
        try:
            return self.world.image_db
        except errors.IaasError as error:
            if (sentence := f"image service: {error.message}") not in self.silent:
                self.silent.append(sentence)
            return None

    def _read_images(self) -> None:
        """Read the bytes of all images; when it is done again, of those only that were not what they should be."""
        from iaas.cmd.manage import blobs
        from iaas.db.doctor import look_at_images
        from iaas.doctor import counted
        from iaas.doctor.images import WITH_BYTES

        database = self.images()
        if database is None:
            return
        known = self._digests or {}
        every = look_at_images(database, self.world.ctx, WITH_BYTES).images
        rows = [row for row in every if row.status in WITH_BYTES and known.get(row.id) != row.os_hash_value]
        if not rows and self._digests is not None:
            return
        label = f"Reading {counted(len(rows), 'image')}"
        with click.progressbar(length=sum(row.size or 0 for row in rows), label=label, file=sys.stderr) as bar:
            read = blobs.digests(self._store, rows, bar.update)
        self._digests = None if read is None else known | read

    @property
    def _store(self) -> Path:
        return Path(self.world.settings.image.store_dir)

    # -- what is said ----------------------------------------------------------------------------------------

    def show(self, title: str = "") -> None:
        """Print what was found, what was not checked, and who did not answer."""
        from iaas.doctor import counted

        checks = counted(self.diagnosis.checked, "check")
        out, found = self.world.out, [_shown(finding) for finding in self.findings]
        unchecked = [vars(row) for row in self.diagnosis.unchecked]
        if out.as_json:
            words = {"findings": found, "unchecked": unchecked, "silent": self.silent + self._aside}
            out.one({**words, "repairs": self.repairs.done} if self._fix else words)
            return
        if found:
            click.echo(f"{title}{counted(len(found), 'finding')} in {checks}.")
            out.rows(found, COLUMNS, none="")
        elif self.diagnosis.checked:
            click.echo(f"{title}All {checks} are clean.")
        else:
            click.echo(f"{title}Nothing could be checked.")
        out.table("Not checked", unchecked, UNCHECKED)
        for sentence in self.silent + self._aside:
            click.echo(f"Could not be asked: {printable(sentence)}", err=True)
        if self._mute:
            click.echo("What only they can tell was not judged.", err=True)
        left = self.repairs.left(self.findings)
        if self.findings and not left and (self.repairs.done or not self._fix):
            out.note("\nNo repair is left that rows prove; each finding says what an administrator can do.")
        elif left and not self._fix:
            click.echo("\niaas-manage doctor --fix repairs what rows prove, and shows its plan first.")


def _shown(finding: Finding) -> dict[str, Any]:
    try:
        moment = time(finding.not_before)
    except (ArithmeticError, OSError, TypeError, ValueError):  # of a row that cannot be read
        moment = None
    return {**finding.to_dict(), "not_before": moment}
