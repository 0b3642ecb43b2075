"""`iaas-manage server`: the servers of all projects, for who looks after them."""

from __future__ import annotations

from typing import Any

import click

from iaas.cmd.manage import find, job
from iaas.cmd.manage.base import Noun, World, pass_world
from iaas.cmd.manage.output import time
from iaas.common import errors

NEWEST = 100
COLUMNS = {
    "id": "ID", "name": "Name", "project_id": "Project", "status": "Status", "task_state": "Task", "host": "Host",
    "job_step": "Job", "fault_message": "Fault",
}  # fmt: skip


@click.group("server", cls=Noun)
def command() -> None:
    """See servers: their state, host, job and fault."""


def _shown(row: Any, live: Any) -> dict[str, Any]:
    from iaas.compute.states import INSTANCE
    from iaas.db import codec

    flavor, fault = codec.load(row.flavor, {}), codec.load(row.fault)
    addresses = [address["address"] for nic in codec.load(row.network_info, []) for address in nic["addresses"]]
    return {
        "id": row.id, "name": row.name, "project_id": row.project_id, "user_id": row.user_id,
        "status": INSTANCE.state_of(row).openstack, "vm_state": row.vm_state, "task_state": row.task_state,
        "host": row.host, "zone": row.zone, "flavor": flavor.get("original_name"), "image_id": row.image_id,
        "addresses": addresses, "job": job.shown(live) if live is not None else None, "fault": fault,
        "created_at": time(row.created_at), "updated_at": time(row.updated_at), "launched_at": time(row.launched_at),
    }  # fmt: skip


def _line(item: dict[str, Any]) -> dict[str, Any]:
    live, fault = item["job"], item["fault"]
    return {
        **item,
        "job_step": f"{live['kind']}: {live['step']}" if live else None,
        "fault_message": fault["message"] if fault else None,
    }


@command.command("list", example="server list --status ERROR\nserver list --all --host node1 --json")
@click.option("--all", "everything", is_flag=True, help=f"All of them, not only the newest {NEWEST}.")
@click.option("--project", help="Only those of this project, by id or name.")
@click.option("--host", help="Only those on this host.")
@click.option("--status", help="Only those with this status, such as ACTIVE or ERROR.")
@pass_world
def index(world: World, everything: bool, project: str | None, host: str | None, status: str | None) -> None:
    """List the servers of all projects, newest first, with the job each waits for and its fault."""
    from iaas.db import instances, jobs

    conditions = _conditions(world, project, host, status)
    sort, rows = [("created_at", "desc")], []
    with world.db.read(world.ctx) as tx:
        while everything or not rows:
            page = instances.page(tx, conditions, sort, find.PAGE if everything else NEWEST + 1, _last(rows))
            rows += page
            if len(page) < find.PAGE:
                break
        more = not everything and len(rows) > NEWEST
        live = {row.resource_id: row for row in jobs.listed(tx, jobs.LIVE, 100_000, newest_first=False)}
    items = [_shown(row, live.get(row.id)) for row in (rows[:NEWEST] if more else rows)]
    world.out.rows(items if world.out.as_json else [_line(item) for item in items], COLUMNS, none="There are none.")
    if more:
        click.echo(f"These are the newest {NEWEST}; --all lists all.", err=True)


def _last(rows: list[Any]) -> str | None:
    return rows[-1].id if rows else None


def _conditions(world: World, project: str | None, host: str | None, status: str | None) -> list[Any]:
    from iaas.compute.states import INSTANCE
    from iaas.db.instances import Condition

    found = [Condition("host", "in", [host])] if host is not None else []
    if project is not None:
        with world.identity_db.read(world.ctx) as tx:
            found.append(Condition("project_id", "in", [find.project(tx, project).id]))
    if status is not None:
        states = [state.columns for state in INSTANCE.states if state.openstack == status.upper()]
        if not states:
            known = sorted({state.openstack for state in INSTANCE.states})
            raise errors.Invalid(reason=f"There is no status {status!r}; there are {', '.join(known)}.")
        found.append(Condition("state", "in", states))
    return found


@command.command(example="server show web-1")
@click.argument("server")
@pass_world
def show(world: World, server: str) -> None:
    """Show one server, by id or unique name, with every job it ever had."""
    from iaas.db import codec, jobs

    with world.db.read(world.ctx) as tx:
        row = find.server(tx, server)
        live = jobs.find_live(tx, "instance", row.id)
        every = jobs.of_resource(tx, row.id)
    facts = _shown(row, jobs_now(world, live))
    facts["metadata"] = codec.load(row.metadata, {})
    history = [
        {"id": one.id, "kind": one.kind, "state": one.state, "step": one.step, "created_at": time(one.created_at),
         "error": (codec.load(one.error) or {}).get("message")}
        for one in every
    ]  # fmt: skip
    headings = {key: key.replace("_", " ") for key in facts if key not in ("job", "fault")}
    line = {**_line(facts), "jobs": history}
    world.out.one(
        {**facts, "jobs": history} if world.out.as_json else line,
        {**headings, "job_step": "job", "fault_message": "fault"},
    )
    columns = {"id": "Job", "kind": "Kind", "state": "State", "step": "Step", "created_at": "Accepted"}
    world.out.table("Jobs, newest first", history, {**columns, "error": "Error"})


def jobs_now(world: World, live: Any) -> Any:
    """Return a live job's row with the database's ``now``, or None."""
    from iaas.db import jobs

    if live is None:
        return None
    with world.db.read(world.ctx) as tx:
        return jobs.find(tx, live.id)
