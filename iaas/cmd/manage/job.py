"""`iaas-manage job`: the work in progress, its steps, and what failed."""

from __future__ import annotations

from typing import Any

import click

from iaas.cmd.manage.base import Noun, Unknown, World, pass_world
from iaas.cmd.manage.output import time

COLUMNS = {
    "id": "Job", "kind": "Kind", "resource_id": "Resource", "state": "State", "step": "Step", "topic": "Waits at",
    "attempt": "Tries", "age_seconds": "Age (s)", "claimed": "Worked on", "error": "Error",
}  # fmt: skip
ENDED = ("done", "failed", "superseded")


@click.group("job", cls=Noun)
def command() -> None:
    """See the work in progress, its steps and what failed."""


def shown(row: Any) -> dict[str, Any]:
    """Return a job as it is shown; ``row`` has the database's ``now``."""
    from iaas.db import codec

    claimed = row.owner is not None and row.lease_until > row.now
    return {
        "id": row.id, "kind": row.kind, "action": row.action, "resource_type": row.resource_type,
        "resource_id": row.resource_id, "project_id": row.project_id, "request_id": row.request_id,
        "state": row.state, "step": row.step, "topic": row.topic, "host": row.host, "chain": row.chain,
        "attempt": row.attempt, "claimed": claimed, "owner": row.owner,
        "lease_seconds": round(row.lease_until - row.now, 1) if claimed else None,
        "due_in_seconds": round(max(0.0, row.not_before - row.now), 1),
        "age_seconds": round(row.now - row.created_at, 1), "error": (codec.load(row.error) or {}).get("message"),
        "created_at": time(row.created_at), "updated_at": time(row.updated_at),
    }  # fmt: skip


@command.command("list", example="job list\njob list --state failed --limit 20")
@click.option(
    "--state", "states", multiple=True, type=click.Choice(["pending", "running", *ENDED]),
    help="Jobs in this state; may be repeated. By default those that are live: pending and running.",
)  # fmt: skip
@click.option("--resource", help="Only those of this server or volume, by id; live or not.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=200, show_default=True, help="Jobs, at most.")
@pass_world
def index(world: World, states: tuple[str, ...], resource: str | None, limit: int) -> None:
    """List jobs: live ones, the oldest first, or ended ones, the newest first."""
    from iaas.db import jobs

    equal = {"resource_id": resource} if resource is not None else {}
    wanted = states or ((*jobs.LIVE, *ENDED) if resource is not None else jobs.LIVE)
    newest_first = bool(set(wanted) & set(ENDED))
    with world.db.read(world.ctx) as tx:
        rows = jobs.listed(tx, wanted, limit, newest_first=newest_first, **equal)
    world.out.rows([shown(row) for row in rows], COLUMNS, none="There are none.")


@command.command(example="job show 2f6e3c1a-6a86-4a53-9d4e-3f7f0f2f8f10")
@click.argument("job_id")
@pass_world
def show(world: World, job_id: str) -> None:
    """Show one job: where it is, who works on it, what each step did and why it failed."""
    from iaas.db import codec, jobs

    with world.db.read(world.ctx) as tx:
        row = jobs.find(tx, job_id)
    if row is None:
        raise Unknown(what="job", name=job_id, see="job list")
    facts = shown(row)
    events = [
        {**event, "start": time(event["start"]), "finish": time(event["finish"]),
         "seconds": round(event["finish"] - event["start"], 2)}
        for event in jobs.events_of(row)
    ]  # fmt: skip
    headings = {key: key.replace("_", " ") for key in facts}
    world.out.one({**facts, "fault": codec.load(row.error), "events": events}, headings)
    columns = {"event": "Step", "start": "Started", "seconds": "Took (s)", "result": "Result", "host": "Host"}
    world.out.table("Steps", events, {**columns, "details": "Details"})
