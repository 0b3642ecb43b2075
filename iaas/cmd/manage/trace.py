"""`iaas-manage trace`: what became of a request, step by step, on a time line."""

from __future__ import annotations

from typing import Any

import click

from iaas.cmd.manage import find
from iaas.cmd.manage.base import Command, World, pass_world
from iaas.cmd.manage.output import printable, time
from iaas.common import errors

COLUMNS = {"what": "What", "host": "Host", "after": "After", "took": "Took", "bar": "Time line", "result": "Result"}
WIDTH = 40  # characters of the time line
EXACT = 0.01  # seconds between the end of the last step and that of the job, which the same transaction wrote
#: how each kind of span is drawn
MARKS = {"step": "█", "wait": "░", "live": "▒", "begin": "├", "end": "┤"}


class Untraced(errors.IaasError):
    kind = errors.Kind.NOT_FOUND
    template = (
        "No job belongs to {name!r}. Give the request id an API answered with (the header x-openstack-request-id, "
        "or the [req-…] of a log line) of a request that started work, or a server's id or name; see: "
        "iaas-manage job list. A request that only read or was refused leaves nothing but its line in the API's log; a "
        "deletion that had to wait for other work is shown with the request of that work."
    )


class Unreadable(errors.IaasError):
    kind = errors.Kind.CONFLICT
    template = "What job {id} did cannot be read: its row was changed by hand; see: iaas-manage doctor"


@click.command("trace", cls=Command, example="trace req-7d0b1c9e-44a3-4c6e-8a51-0f3c2b1e9d77\ntrace web-1 --json")
@click.argument("request")
@pass_world
def command(world: World, request: str) -> None:
    """Draw what became of a request, from its acceptance to its end: each step with its host and how long it took.

    REQUEST is the id an API answered with, or a server (by id or name) or volume (by id), whose latest request is
    shown then. Waits are the time a job spent between two steps, in a queue. A step under way is shown with what is
    left of its lease. A request for several servers has a job for each, all on one time line.
    """
    from iaas.db import traces

    with world.db.read(world.ctx) as tx:
        request_id = _request_of(tx, request)
        rows = traces.of_request(tx, request_id)
        if not rows:
            raise Untraced(name=request)
        things = {row.resource_id: _thing(tx, row) for row in rows}
    jobs = _jobs(rows, things)
    begin = min(job["accepted"] for job in jobs)
    end = max(line["finish"] for job in jobs for line in job["spans"])
    world.out.one(_facts(request_id, rows, jobs, begin, end), {
        "request": "request", "asked": "asked for", "by": "by", "accepted_at": "accepted at", "total": "total",
        "state": "state",
    })  # fmt: skip
    for number, job in enumerate(jobs, 1):
        which = f"{number} of {len(jobs)}: " if len(jobs) > 1 else ""
        world.out.table(which + _title(job), [_line(span, begin, end) for span in job["spans"]], COLUMNS)
        if job["fault"] is not None:
            world.out.note(f"fault in {job['fault']['step']}: {job['fault']['message']}")


def _thing(tx: Any, row: Any) -> tuple[str, str] | None:
    """Return what a job's resource is called and the state it is in; None if it is gone."""
    from iaas.compute.states import INSTANCE
    from iaas.db import instances, volumes
    from iaas.volume.states import VOLUME

    queries, machine = {"instance": (instances, INSTANCE), "volume": (volumes, VOLUME)}[row.resource_type]
    found = queries.find(tx, row.resource_id)
    return (found.name or "", str(machine.state_of(found))) if found is not None else None


def _request_of(tx: Any, name: str) -> str:
    """Return the request id somebody named, or the latest one of what was named."""
    from iaas.cmd.manage.base import Unknown
    from iaas.db import traces

    if name.startswith("req-"):
        return name
    found = traces.latest_request(tx, name)
    if found is None:
        try:
            found = traces.latest_request(tx, find.server(tx, name).id)
        except Unknown:
            raise Untraced(name=name) from None
    if found is None:
        raise Untraced(name=name)
    return found


def _facts(request_id: str, rows: Any, jobs: list[dict[str, Any]], begin: float, end: float) -> dict[str, Any]:
    first, things = rows[0], len({row.resource_id for row in rows})
    what = f"{first.resource_type} {first.resource_id}" if things == 1 else f"{things} {first.resource_type}s"
    states = ", ".join(dict.fromkeys(job["state"] for job in jobs))
    return {
        "request": request_id, "asked": f"{first.action} of {what}", "by": _who(first), "user_id": first.user_id,
        "project_id": first.project_id, "accepted_at": time(begin), "seconds": round(end - begin, 3),
        "total": length(end - begin), "state": states,
        "jobs": [{**job, "accepted": time(job["accepted"])} for job in jobs],
    }  # fmt: skip


def _who(row: Any) -> str:
    if row.user_id is None:
        return "an administrator on a controller"
    return f"user {row.user_id}" + (f" of project {row.project_id}" if row.project_id else "")


def _jobs(rows: Any, things: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the jobs of a request, oldest first; a second one of a resource was asked for while the first was live."""
    found: dict[str, dict[str, Any]] = {}
    made = []
    for row in rows:
        before = found.get(row.resource_id)
        try:
            job = _job(row, things[row.resource_id], before)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise Unreadable(id=row.id) from error
        found[row.resource_id] = job
        made.append(job)
    return made


def _job(row: Any, thing: tuple[str, str] | None, before: dict[str, Any] | None) -> dict[str, Any]:
    """Return a job with its spans: its acceptance, waits and steps in order, its end; each with start and finish."""
    from iaas.db import codec
    from iaas.db.jobs import LIVE

    name, state = thing or (None, None)
    fault = codec.load(row.error)
    spans = [_accepted(row, before), *_steps(row)]
    if row.state not in LIVE:
        spans += _end(row, state, since=spans[-1]["finish"])
    return {
        "id": row.id, "kind": row.kind, "action": row.action, "resource_type": row.resource_type,
        "resource_id": row.resource_id, "resource_name": name, "resource_state": state, "state": row.state,
        "attempt": row.attempt, "accepted": row.created_at, "spans": spans,
        "fault": {"step": fault.get("step"), "message": fault.get("message")} if fault else None,
    }  # fmt: skip


def _accepted(row: Any, before: dict[str, Any] | None) -> dict[str, Any]:
    """The moment the job came to be: the API accepted it, or the one it was to follow ended."""
    at = row.created_at
    if before is not None:
        return _span("begin", f"after {before['kind']}", at, at, result=f"{row.action}, asked for meanwhile")
    where = "api" if row.user_id is not None else "controller"
    return _span("begin", f"{where}: accept", at, at, result=f"{row.action} accepted")


def _end(row: Any, state: str | None, since: float) -> list[dict[str, Any]]:
    """The moment a job ended, after a wait if nothing was done before it."""
    from iaas.db.jobs import SUPERSEDED

    at = max(since, row.updated_at)
    said = row.state
    if row.state == SUPERSEDED and not row.error:  # the deletion that ended it leaves no time in its row
        said += " by a deletion, then or later"
    end = _span("end", "end", at, at, host=row.host, result=f"{said}; the {row.resource_type} is {state or 'gone'} now")
    return [_span("wait", "(waits)", since, at), end] if at - since > EXACT else [end]


def _steps(row: Any) -> list[dict[str, Any]]:
    """The waits and steps of a job, and what it does now."""
    from iaas.db import jobs

    spans: list[dict[str, Any]] = []
    at = row.created_at
    for event in jobs.events_of(row):
        start = max(event["start"], row.created_at)
        if start > at:
            spans.append(_span("wait", "(waits)", at, start))
        name = event["event"].replace("_", ": ", 1)
        told = {"host": event["host"], "result": event["result"], "details": event.get("details")}
        spans.append(_span("step", name, start, event["finish"], **told))
        at = max(at, event["finish"])
    return spans + _under_way(row, at)


def _under_way(row: Any, since: float) -> list[dict[str, Any]]:
    """The span of what a live job does now: its step, with the lease, or its wait."""
    from iaas.db.jobs import LIVE

    if row.state not in LIVE:
        return []
    now = max(row.now, since)
    if row.owner is not None and row.lease_until > row.now:
        said = f"running, try {row.attempt}, lease {length(row.lease_until - row.now)} by {row.owner}"
        return [_span("live", row.step, since, now, host=row.host, result=said)]
    if row.not_before > row.now:
        said = f"tried {row.attempt} times, again in {length(row.not_before - row.now)}"
    else:
        said = f"waits at {row.topic}" + (", its lease has run out" if row.owner is not None else "")
    return [_span("live", f"({row.step})", since, now, host=row.host, result=said)]


def _span(kind: str, name: str, start: float, finish: float, **told: Any) -> dict[str, Any]:
    finish = max(start, finish)
    words = {"host": None, "result": None, "details": None, **told}
    return {"kind": kind, "name": name, "start": start, "finish": finish, "seconds": round(finish - start, 6), **words}


def _line(span: dict[str, Any], begin: float, end: float) -> dict[str, Any]:
    return {
        "what": span["name"], "host": span["host"], "after": length(span["start"] - begin),
        "took": length(span["seconds"]), "bar": bar(span, begin, end), "result": span["result"],
    }  # fmt: skip


def bar(span: dict[str, Any], begin: float, end: float) -> str:
    """Return a span drawn on the whole time line; the shortest is one character."""
    scale = WIDTH / (end - begin) if end > begin else 0.0
    first = min(WIDTH - 1, int((span["start"] - begin) * scale))
    last = min(WIDTH, max(first + 1, round((span["finish"] - begin) * scale)))
    return "·" * first + MARKS[span["kind"]] * (last - first) + "·" * (WIDTH - last)


def length(seconds: float) -> str:
    """Return a duration as a person reads it: ``7 ms``, ``1.42 s``, ``3 min 5 s``."""
    if seconds < 1:
        return f"{max(0.0, seconds) * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.2f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def _title(job: dict[str, Any]) -> str:
    """What a job is about, and how long it took."""
    spans = job["spans"]
    name = f" ({printable(job['resource_name'])})" if job["resource_name"] else ""
    waited = sum(span["seconds"] for span in spans if span["kind"] == "wait")
    took = f"{length(spans[-1]['finish'] - job['accepted'])}, of it {length(waited)} waiting"
    return f"{job['kind']} of {job['resource_type']} {job['resource_id']}{name}: {took}"
