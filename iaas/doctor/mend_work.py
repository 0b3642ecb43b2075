"""Repairs of jobs and tasks that were lost, of states no table knows, and of servers with two hosts."""

from __future__ import annotations

from typing import Any

from iaas.common import runtime
from iaas.compute.driver import Power
from iaas.compute.states import ACTIVE, BUILDING, DELETING, INSTANCE, STOPPED
from iaas.db import instances, repairs, volumes
from iaas.db import jobs as job_rows
from iaas.db.models.instances import instances as instance_rows
from iaas.db.models.jobs import jobs as job_table
from iaas.db.models.volumes import volumes as volume_rows
from iaas.db.transitions import correct, move
from iaas.db.tx import Tx
from iaas.doctor import proof
from iaas.doctor.findings import HostTruth
from iaas.doctor.hands import Hands
from iaas.doctor.proof import Impossible
from iaas.doctor.states import JOBS as JOB_STATES
from iaas.jobs import outcomes, submit
from iaas.volume.states import AVAILABLE, VOLUME
from iaas.volume.states import DELETING as VOLUME_DELETING

LOST = "The work on it was lost; what was asked for may not have been done."


def _fault() -> str:
    return outcomes.public_fault({"code": 500, "message": LOST, "at": runtime.time()})


# -- jobs and tasks --------------------------------------------------------------------------------------------


def end_job(hands: Hands, tx: Tx, job_id: str, host: str | None) -> bool:
    job = job_rows.find(tx, job_id)
    if job is None or job.state not in job_rows.LIVE:
        return False
    if job.live_key != job_rows.live_key(job.resource_type, job.resource_id):
        raise Impossible(reason=f"It is of {job.resource_type} {job.resource_id}, its key is {job.live_key}: which?")
    find = instances.find if job.resource_type == "instance" else volumes.find
    if find(tx, job.resource_id) is not None:
        raise Impossible(reason="Its resource is there; it is not the doctor's to end.")
    ended = job_rows.supersede(tx, job)
    repairs.touch(tx, job_table, job_id, runtime.time())
    return ended


def revive_job(hands: Hands, tx: Tx, job_id: str, host: str | None) -> bool:
    """A job that holds its resource's place has not ended: whatever its state says, its step is done again."""
    job = job_rows.find(tx, job_id)
    if job is None or job.state in JOB_STATES:
        return False
    if job.live_key != job_rows.live_key(job.resource_type, job.resource_id):
        raise Impossible(reason="It holds no resource's place: whether it was done or failed, no row says.")
    tx.on_commit(lambda: hands.bell.ring(job.topic, job.id, job.resource_id))
    return repairs.revive(tx, job, job_rows.PENDING, runtime.time())


def ring_job(hands: Hands, tx: Tx, job_id: str, host: str | None) -> bool:
    job = job_rows.find(tx, job_id)
    if job is None or job.state not in job_rows.LIVE or job.lease_until > job.now or job.not_before > job.now:
        return False
    if not hands.heard:
        raise Impossible(reason="No worker can be rung from here: their broker is inside iaas-all, whose sweep looks.")
    tx.on_commit(lambda: hands.bell.ring(job.topic, job.id, job.resource_id))
    return True


def end_task(hands: Hands, tx: Tx, instance_id: str, host: str | None) -> bool:
    """End a task nobody works on as its failed job would; what was on its way out goes on its way out."""
    row = instances.find(tx, instance_id)
    if row is None or row.task_state is None or job_rows.find_live(tx, "instance", instance_id) is not None:
        return False
    state = INSTANCE.state_of(row)
    if state in DELETING:
        proof.asked_to_delete(tx, "instance", instance_id)
        proof.agreed_host(tx, row, hands.truth)
        submit.submit_delete(tx, hands.bell, "instance", instance_id, row.host)
        return True
    # a build keeps its host: what it left there goes with the deletion of the server
    event = "fail" if state in BUILDING else "give_up"
    move(tx, INSTANCE, instance_rows, row, event, fault=_fault(), updated_at=runtime.time())
    return True


def end_volume_task(hands: Hands, tx: Tx, volume_id: str, host: str | None) -> bool:
    row = volumes.find(tx, volume_id)
    if row is None or VOLUME.state_of(row).stable or job_rows.find_live(tx, "volume", volume_id) is not None:
        return False
    if VOLUME.state_of(row) is VOLUME_DELETING:
        proof.asked_to_delete(tx, "volume", volume_id)
        submit.submit_delete(tx, hands.bell, "volume", volume_id, row.host)
    elif _is_made(hands, tx, row):  # somebody changed its state: it is none the worse for it
        move(tx, VOLUME, volume_rows, row, "created", updated_at=runtime.time())
    else:
        move(tx, VOLUME, volume_rows, row, "fail", fault=_fault(), updated_at=runtime.time())
    return True


# -- states no table knows, and hosts of two names -------------------------------------------------------------


def settle_state(hands: Hands, tx: Tx, instance_id: str, host: str | None) -> bool:
    """Say of a server what its last job left it as, and its guest is."""
    row = instances.find(tx, instance_id)
    if row is None or INSTANCE.state_of(row).known:
        return False
    last = _last_job(tx, "instance", instance_id)
    left = STOPPED if last == "stop" else ACTIVE if last in ("build", "start", "reboot") else None
    where = proof.agreed_host(tx, row, hands.truth)
    if left is None or where is None:
        raise Impossible(
            reason="No row says what it was: its last job did not end well, or is none that leaves a guest."
        )
    changes: dict[str, Any] = {"updated_at": runtime.time()}
    guests = hands.truth.hosts.get(where, HostTruth()).guests
    if guests is not None:
        power = guests.get(instance_id)
        left = {"RUNNING": ACTIVE, "SHUTDOWN": STOPPED, "CRASHED": STOPPED}.get(power or "")
        if left is None:
            raise Impossible(reason=f"Its last job was to {last} it, its guest on {where} is {power or 'not there'}.")
        changes["power_state"] = Power[power or ""].value
    correct(tx, INSTANCE, instance_rows, row, left, **changes)
    return True


def settle_volume_state(hands: Hands, tx: Tx, volume_id: str, host: str | None) -> bool:
    """Say of a volume that was made, and that is on its back-end in its size, that it is there."""
    row = volumes.find(tx, volume_id)
    if row is None or VOLUME.state_of(row).known:
        return False
    if not _is_made(hands, tx, row):
        raise Impossible(reason=f"No job says that it was made last, or {row.host} does not say that it has all of it.")
    correct(tx, VOLUME, volume_rows, row, AVAILABLE, updated_at=runtime.time())
    return True


def _is_made(hands: Hands, tx: Tx, row: Any) -> bool:
    """Whether the last that was done to a volume was to make it, and its back-end has all of it."""
    size = (hands.truth.hosts.get(row.host or "", HostTruth()).volumes or {}).get(row.id)
    return _last_job(tx, "volume", row.id) == "create_volume" and size == row.size_gb


def _last_job(tx: Tx, resource_type: str, resource_id: str) -> str | None:
    """Return the kind of the newest job of a resource, if it is done.

    :raises Impossible: a job works on it.
    """
    if job_rows.find_live(tx, resource_type, resource_id) is not None:
        raise Impossible(reason="A job works on it; see what comes of that.")
    history = job_rows.of_resource(tx, resource_id)
    return history[0].kind if history and history[0].state == job_rows.DONE else None


def settle_host(hands: Hands, tx: Tx, instance_id: str, host: str | None) -> bool:
    """Have a server's host and its host's id name the host that was sold to it and that has its guest."""
    row = proof.resting(tx, instance_id)
    if row is None:
        return False
    named = proof.host_name(tx, row.host_id)
    if named == row.host:
        return False
    there, sold = proof.with_guest(hands.truth, instance_id), repairs.allocations_of(tx, instance_id)
    if len(there) != 1 or there[0] not in (row.host, named) or [one.name for one in sold] != there:
        said = f"its guest is on {', '.join(there) or 'no host that was asked'}"
        why = f"{said}, it is sold on {', '.join(one.name or one.host_id for one in sold) or 'no host'}."
        raise Impossible(reason=f"Its host is {row.host}, by its id {named}, {why}")
    values = {"host": there[0], "host_id": sold[0].host_id, "updated_at": runtime.time()}
    instances.update(tx, instance_id, **values)
    return True
