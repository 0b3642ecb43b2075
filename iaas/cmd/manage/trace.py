"""`iaas-manage trace`: what became of a request, step by step, on a time line."""

from __future__ import annotations

from typing import Any

import click

from iaas.cmd.manage import find
from iaas.cmd.manage.base import Command, World, pass_world
from iaas.cmd.manage.output import time
from iaas.common import errors

COLUMNS = {"what": "What", "host": "Host", "after": "After", "took": "Took", "bar": "Time line", "result": "Result"}
WIDTH = 40  # characters of the time line
WORK, WAIT, LIVE = "█", "░", "▒"


class Untraced(errors.IaasError):
    kind = errors.Kind.NOT_FOUND
    template = (
        "No job belongs to {name!r}. Give the request id an API answered with (the header x-openstack-request-id, "
        "or the [req-…] of a log line) of a request that started work, or a server's id or name; see: "
        "iaas-manage job list. A request that only read or was refused leaves nothing but its line in the API's log."
    )


@click.command("trace", cls=Command, example="trace req-7d0b1c9e-44a3-4c6e-8a51-0f3c2b1e9d77\ntrace web-1 --json")
@click.argument("request")
@pass_world
def command(world: World, request: str) -> None:
    """Draw what became of a request: each step with its host, how long it took and what it waited for.

    REQUEST is the id an API answered with, or a server (by id or name) or volume (by id), whose latest request is
    shown then. Waits are the time a job spent between two steps, in a queue. A step under way is shown with what is
    left of its lease.
    """
    from iaas.db import instances, traces

    with world.db.read(world.ctx) as tx:
        request_id = _request_of(tx, request)
        rows = traces.of_request(tx, request_id)
        if not rows:
            raise Untraced(name=request)
        servers = {row.resource_id: instances.find(tx, row.resource_id) for row in rows}
    jobs = [_job(row, servers[row.resource_id]) for row in rows]
    begin = min(job["accepted"] for job in jobs)
    end = max(line["finish"] for job in jobs for line in job["spans"])
    world.out.one(_facts(request_id, jobs, begin, end), {
        "request": "request", "accepted_at": "accepted at", "total": "total", "state": "state",
    })  # fmt: skip
    for job in jobs:
        title = f"{job['kind']} of {job['resource_type']} {job['resource_id']}: {_outcome(job)}"
        world.out.table(title, [_line(span, begin, end) for span in job["spans"]], COLUMNS)
        if job["fault"] is not None:
            world.out.note(f"fault in {job['fault']['step']}: {job['fault']['message']}")


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


def _facts(request_id: str, jobs: list[dict[str, Any]], begin: float, end: float) -> dict[str, Any]:
    waited = sum(span["seconds"] for job in jobs for span in job["spans"] if span["kind"] == "wait")
    states = ", ".join(dict.fromkeys(job["state"] for job in jobs))
    return {
        "request": request_id, "accepted_at": time(begin), "seconds": round(end - begin, 3),
        "total": f"{length(end - begin)}, of it {length(waited)} waiting", "state": states,
        "jobs": [{**job, "accepted": time(job["accepted"])} for job in jobs],
    }  # fmt: skip


def _job(row: Any, server: Any) -> dict[str, Any]:
    """Return a job with its spans: waits and steps in order, each with start, finish and result."""
    from iaas.db import codec, jobs

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
    spans += _under_way(row, at)
    if not spans:  # ended before any step, as what a delete overtakes
        spans.append(_span("wait", "(waits)", at, max(at, row.updated_at)))
    fault = codec.load(row.error)
    state = "/".join(word for word in (server.vm_state, server.task_state) if word) if server is not None else None
    return {
        "id": row.id, "kind": row.kind, "action": row.action, "resource_type": row.resource_type,
        "resource_id": row.resource_id, "resource_state": state, "state": row.state, "attempt": row.attempt,
        "accepted": row.created_at, "spans": spans,
        "fault": {"step": fault.get("step"), "message": fault.get("message")} if fault else None,
    }  # fmt: skip


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
    mark = {"step": WORK, "wait": WAIT, "live": LIVE}[span["kind"]]
    return "·" * first + mark * (last - first) + "·" * (WIDTH - last)


def length(seconds: float) -> str:
    """Return a duration as a person reads it: ``7 ms``, ``1.42 s``, ``3 min 5 s``."""
    if seconds < 1:
        return f"{max(0.0, seconds) * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.2f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def _outcome(job: dict[str, Any]) -> str:
    now = f"; it is {job['resource_state']} now" if job["resource_state"] else ""
    return f"{job['state']}{now}"
