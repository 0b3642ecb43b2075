"""Work: every job moves on, a busy resource has one, and what it did is a path of its kind."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from iaas.compute.states import INSTANCE
from iaas.db import codec
from iaas.db import jobs as db
from iaas.doctor import states
from iaas.doctor.case import Case
from iaas.doctor.findings import Finding
from iaas.jobs.kinds import DELETES, KINDS, Kind

BUSY_VOLUME = ("creating", "deleting")
ONE = "Set all but the one that holds its place (`live_key`) to superseded by hand: `iaas-manage job list --resource"
KEY = "That of a live job names its resource, that of an ended one is empty: set state or key right; it would be {}."
IDLE = (
    "Its state was changed under the job: the job ends by itself, done or failed; if not, see `iaas-manage job show`."
)
RING = "The sweep of the worker takes it within seconds; if that worker does not run, start it."


def _name(job: Any) -> str:
    return f"job {job.id}"


def _of(job: Any) -> str:
    return f"{job.kind}.{job.step} of {job.resource_type} {job.resource_id}"


def move_on(case: Case) -> Iterator[Finding]:
    """I1: a live job is held, waits for its time, or is taken at once."""
    for job in case.live:
        due = max(job.lease_until, job.not_before, job.updated_at if case.grace else 0.0)
        if not case.grace:
            yield Finding("I1", _name(job), f"{_of(job)} is {job.state} for ever.", job.created_at, RING, "ring_job")
        elif due <= case.now - case.grace:
            what = f"{_of(job)} is {job.state} on {job.topic}, is due, and nobody takes it."
            yield Finding("I1", _name(job), what, due, RING, "ring_job")


def on_their_way(case: Case) -> Iterator[Finding]:
    """I1: a live job stands at a step of its kind, on that step's topic."""
    remedy = "No worker of this release can take it: look at it with `iaas-manage job show`."
    for job in case.live:
        kind = KINDS.get(job.kind)
        names = [step.name for step in (*kind.steps, *kind.undos)] if kind else []
        if kind is None or job.step not in names:
            yield Finding("I1", _name(job), f"{_of(job)}: there is no such step.", job.updated_at, remedy)
        elif job.topic != kind.step(job.step).topic(job.host):
            yield Finding("I1", _name(job), f"{_of(job)} is on the topic {job.topic}.", job.updated_at, remedy)


def one_per_resource(case: Case) -> Iterator[Finding]:
    """I2: a resource has at most one live job, and only a live job holds its place."""
    for (kind, resource_id), jobs in case.live_by_resource.items():
        if len(jobs) > 1:
            said = ", ".join(f"{job.kind} ({job.state})" for job in jobs)
            what = f"It has {len(jobs)} live jobs: {said}."
            yield Finding("I2", f"{_noun(kind)} {resource_id}", what, None, f"{ONE} {resource_id}`.")
    for job in case.rows.jobs:
        if job.state not in states.JOBS:
            continue
        wanted = db.live_key(job.resource_type, job.resource_id) if job.state in db.LIVE else None
        if job.live_key != wanted:
            what = f"It is {job.state} and its key is {job.live_key}."
            yield Finding("I2", _name(job), what, job.updated_at, KEY.format(wanted or "empty"))


def busy_has_a_job(case: Case) -> Iterator[Finding]:
    """I2: what is busy has a live job."""
    ends = "Its task ends as a failed one, with a fault; a deletion is done again if a job was to do it before."
    odd = (
        (job.resource_type, job.resource_id) for job in case.rows.jobs if job.live_key and job.state not in states.JOBS
    )
    held = {*case.live_by_resource, *odd}
    for row in case.rows.instances:
        busy = row.task_state is not None and INSTANCE.state_of(row).known
        if busy and ("instance", row.id) not in held:
            what = f"It is {row.vm_state}/{row.task_state} and no job works on it."
            yield Finding("I2", f"server {row.id}", what, row.updated_at, ends, "end_task")
    for row in case.rows.volumes:
        if row.status in BUSY_VOLUME and ("volume", row.id) not in held:
            what = f"It is {row.status} and no job works on it."
            yield Finding("I2", f"volume {row.id}", what, row.updated_at, ends, "end_volume_task")


def job_has_a_busy(case: Case) -> Iterator[Finding]:
    """I2: a live job's resource is there and busy; only a deletion may go on about what is gone."""
    for job in case.live:
        rows = case.instances if job.resource_type == "instance" else case.volumes
        row = rows.get(job.resource_id)
        if row is None and KINDS.get(job.kind) in DELETES[job.resource_type]:
            continue
        if row is None:
            yield Finding("I2", _name(job), f"{_of(job)}: there is no such {_noun(job.resource_type)}.", job.updated_at,
                          "It is ended: there is nothing to work on.", "end_job")  # fmt: skip
        elif not (row.task_state if job.resource_type == "instance" else row.status in BUSY_VOLUME):
            what = f"{_of(job)}: the {_noun(job.resource_type)} is not busy."
            yield Finding("I2", _name(job), what, job.updated_at, IDLE)


def _noun(resource_type: str) -> str:
    return "server" if resource_type == "instance" else resource_type


def events_are_a_path(case: Case) -> Iterator[Finding]:
    """I13: what an ended job did, in its order, is a path of its kind, and its end is written down."""
    for job in case.rows.history:
        kind = KINDS.get(job.kind)
        events = case.read("jobs", job, "events", _events)
        if kind is None or not events:
            continue
        wrong = _first_wrong(kind, events) or _wrong_end(job, events)
        if wrong:
            remedy = "Nothing is repaired: it is a fault of the program; report it with `iaas-manage job show`."
            yield Finding("I13", _name(job), f"{_of(job)}: {wrong}", job.updated_at, remedy)


def _events(text: str | None) -> list[dict[str, Any]]:
    """:raises TypeError: it is not a list of events."""
    events = codec.load(text, [])
    for event in events:
        if not (isinstance(event["event"], str) and isinstance(event["result"], str | None)):
            raise TypeError("not an event")
    return events


def _first_wrong(kind: Kind, events: list[dict[str, Any]]) -> str | None:
    """Return what is not a step of the state machine: forward after success, back or again after an error."""
    forward, undos = [step.name for step in kind.steps], [step.name for step in kind.undos]
    before: dict[str, Any] | None = None
    for event in events:
        at, _, name = event["event"].partition("_")
        if name not in forward + undos or kind.step(name).at != at:
            return f"there is no step {event['event']}."
        if not event.get("finish"):
            return f"{event['event']} has no end."
        if before is not None and not _follows(kind, before, name):
            return f"{event['event']} follows {before['event']} ({before['result']})."
        before = event
    return None


def _follows(kind: Kind, before: dict[str, Any], name: str) -> bool:
    forward, undos = [step.name for step in kind.steps], [step.name for step in kind.undos]
    last = before["event"].partition("_")[2]
    if last in undos:  # undone: another undo step, or all anew on another host
        return name == forward[0] or (name in undos and name != last)
    if before["result"] == "Error":
        return name == forward[0] or name in undos
    return name in forward and forward.index(name) > forward.index(last)


def _wrong_end(job: Any, events: list[dict[str, Any]]) -> str | None:
    last = events[-1]["result"]
    if job.state == db.DONE and last != "Success":
        return f"it is done and its last event is {last}."
    if job.state == db.FAILED and (last != "Error" or not job.has_error):
        return "it failed and does not say why."
    return None


def owners_exist(case: Case) -> Iterator[Finding]:
    """I18: who holds a job is a service that reported."""
    known = {f"{row.binary.removeprefix('iaas-')}.{row.host}"[:40] for row in case.rows.services}
    for job in case.live:
        held = job.state == db.RUNNING and job.owner and job.lease_until > case.now
        if held and job.owner.rpartition(":")[0] not in known:
            what = f"{_of(job)} is held by {job.owner}, which never reported."
            yield Finding("I18", _name(job), what, job.updated_at, "Its lease ends by itself; look at the worker.")
