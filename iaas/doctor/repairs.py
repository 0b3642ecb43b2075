"""What ``iaas-manage doctor --fix`` can do: only what rows prove, each in one transaction that looks again.

Nothing is destroyed by guess: a guest or volume that no finished deletion of ours names is an administrator's.
"""

from __future__ import annotations

import enum
import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from iaas.common import context, errors, runtime
from iaas.compute.states import BUILDING, DELETING, INSTANCE
from iaas.db import codec, instances, ports, repairs, volumes
from iaas.db import jobs as job_rows
from iaas.db.models.instances import instances as instance_rows
from iaas.db.models.volumes import volumes as volume_rows
from iaas.db.transitions import move
from iaas.db.tx import Database, Tx
from iaas.doctor.findings import Finding
from iaas.doctor.images import WITH_BYTES
from iaas.doctor.networks import by_port
from iaas.jobs import outcomes, submit
from iaas.jobs.kinds import DELETES
from iaas.volume.states import DELETING as VOLUME_DELETING
from iaas.volume.states import VOLUME

LOST = "The work on it was lost; what was asked for may not have been done."


class Impossible(errors.IaasError):
    """The rows do not prove what would have to be true."""

    kind = errors.Kind.CONFLICT
    template = "{reason}"


@dataclass
class Hands:
    """What repairs are done with.

    :param images: the image service's database, if there is one here
    :param bell: rings workers; what it cannot reach, their sweep finds
    :param quota: the ``quota`` settings
    :param refresh: has the network worker of a host load its filters and leases again; None where it cannot be told
    """

    db: Database
    bell: submit.Ringer
    quota: Any
    images: Database | None = None
    refresh: Callable[[str], None] | None = None


@dataclass(frozen=True)
class Repair:
    """One thing the doctor can do.

    :param says: what it does, for the plan
    :param do: ``do(hands, tx, id, host)`` → whether it was still needed
    """

    says: str
    do: Callable[[Hands, Tx, str, str | None], bool]
    on_images: bool = False


class Result(enum.Enum):
    DONE = "done"
    NOT_NEEDED = "not needed any more"
    IMPOSSIBLE = "impossible"


@dataclass(frozen=True)
class Action:
    """One step of a plan: a repair of one thing."""

    fix: str
    subject: str
    host: str | None

    @property
    def says(self) -> str:
        where = f" on {self.host}" if self.host else ""
        return f"{self.subject}{where}: {REPAIRS[self.fix].says}"


def plan(findings: Iterable[Finding]) -> list[Action]:
    """Return what would be done about these findings, each thing once, in the order of the table."""
    actions = {Action(found.fix, found.subject, found.host) for found in findings if found.fix}
    order = list(REPAIRS)
    return sorted(actions, key=lambda action: (order.index(action.fix), action.subject, action.host or ""))


def run(hands: Hands, action: Action) -> tuple[Result, str]:
    """Do one thing in a transaction of its own; return what came of it, and why.

    :raises Unavailable: the database cannot be reached.
    """
    repair = REPAIRS[action.fix]
    database = hands.images if repair.on_images else hands.db
    if database is None:
        return Result.IMPOSSIBLE, "The image service's database is not here."
    id_ = action.subject.partition(" ")[2]
    try:
        needed = database.write(context.admin("doctor"), functools.partial(_do, repair, hands, id_, action.host))
    except (Impossible, errors.StateConflict, errors.InvalidTransition, submit.Busy) as error:
        return Result.IMPOSSIBLE, error.message
    return (Result.DONE if needed else Result.NOT_NEEDED), repair.says


def _do(repair: Repair, hands: Hands, id_: str, host: str | None, tx: Tx) -> bool:
    return repair.do(hands, tx, id_, host)


def _fault() -> str:
    return outcomes.public_fault({"code": 500, "message": LOST, "at": runtime.time()})


# -- jobs and tasks --------------------------------------------------------------------------------------------


def _end_job(hands: Hands, tx: Tx, job_id: str, host: str | None) -> bool:
    job = job_rows.find(tx, job_id)
    if job is None or job.state not in job_rows.LIVE:
        return False
    find = instances.find if job.resource_type == "instance" else volumes.find
    if find(tx, job.resource_id) is not None:
        raise Impossible(reason="Its resource is there; it is not the doctor's to end.")
    return job_rows.supersede(tx, job)


def _ring_job(hands: Hands, tx: Tx, job_id: str, host: str | None) -> bool:
    job = job_rows.find(tx, job_id)
    if job is None or job.state not in job_rows.LIVE or job.lease_until > job.now or job.not_before > job.now:
        return False
    tx.on_commit(lambda: hands.bell.ring(job.topic, job.id, job.resource_id))
    return True


def _end_task(hands: Hands, tx: Tx, instance_id: str, host: str | None) -> bool:
    """End a task nobody works on as its failed job would; what was on its way out goes on its way out."""
    row = instances.find(tx, instance_id)
    if row is None or row.task_state is None or job_rows.find_live(tx, "instance", instance_id) is not None:
        return False
    state = INSTANCE.state_of(row)
    if state in DELETING:
        submit.submit_delete(tx, hands.bell, "instance", instance_id, row.host)
        return True
    # a build keeps its host: what it left there goes with the deletion of the server
    event = "fail" if state in BUILDING else "give_up"
    move(tx, INSTANCE, instance_rows, row, event, fault=_fault(), updated_at=runtime.time())
    return True


def _end_volume_task(hands: Hands, tx: Tx, volume_id: str, host: str | None) -> bool:
    row = volumes.find(tx, volume_id)
    if row is None or VOLUME.state_of(row).stable or job_rows.find_live(tx, "volume", volume_id) is not None:
        return False
    if VOLUME.state_of(row) is VOLUME_DELETING:
        submit.submit_delete(tx, hands.bell, "volume", volume_id, row.host)
    else:
        move(tx, VOLUME, volume_rows, row, "fail", fault=_fault(), updated_at=runtime.time())
    return True


# -- what rows count and hold ----------------------------------------------------------------------------------


def _release_allocations(hands: Hands, tx: Tx, instance_id: str, host: str | None) -> bool:
    return repairs.release_allocations(tx, instance_id)


def _recount_host(hands: Hands, tx: Tx, name: str, host: str | None) -> bool:
    return repairs.recount_host(tx, name)


def _recount_quota(hands: Hands, tx: Tx, owner: str, host: str | None) -> bool:
    return repairs.recount_quota(tx, owner, hands.quota)


def _recount_images(hands: Hands, tx: Tx, owner: str, host: str | None) -> bool:
    return repairs.recount_images(tx, "" if owner == "(none)" else owner, WITH_BYTES)


def _release_ports(hands: Hands, tx: Tx, port_id: str, host: str | None) -> bool:
    port = ports.by_ids(tx, [port_id]).get(port_id)
    if port is None or not port.device_owner.startswith(ports.COMPUTE_OWNER) or not port.device_id:
        return False
    if instances.find(tx, port.device_id) is not None:
        return False
    ports.release(tx, port.device_id)
    return True


def _free_address(hands: Hands, tx: Tx, address: str, host: str | None) -> bool:
    return repairs.free_address(tx, address)


def _resting(tx: Tx, instance_id: str) -> Any:
    """Return an instance that has no job, or None."""
    row = instances.find(tx, instance_id)
    return row if row is not None and job_rows.find_live(tx, "instance", instance_id) is None else None


def _bind_port(hands: Hands, tx: Tx, port_id: str, host: str | None) -> bool:
    port = ports.by_ids(tx, [port_id]).get(port_id)
    row = _resting(tx, port.device_id) if port is not None else None
    if port is None or row is None or port.host == row.host:
        return False
    return ports.update(tx, port_id, host=row.host, status=ports.DOWN, error=None)


def _refresh_addresses(hands: Hands, tx: Tx, instance_id: str, host: str | None) -> bool:
    row = _resting(tx, instance_id)
    if row is None or by_port(codec.load(row.network_info, [])) == by_port(ports.network_info(tx, instance_id)):
        return False
    ports.refresh_instance(tx, instance_id)
    return True


# -- what hosts have loaded ------------------------------------------------------------------------------------


def _load_anew(hands: Hands, tx: Tx, id_: str, host: str | None) -> bool:
    """Have a host's network worker make its filters anew from the rows: nothing can be lost by it."""
    if host is None or not ports.on_host(tx, host):
        return False
    refresh = hands.refresh
    if refresh is None:
        raise Impossible(reason="The workers cannot be told from here: their broker is inside iaas-all.")
    tx.on_commit(lambda: refresh(host))
    return True


# -- what hosts have too much ----------------------------------------------------------------------------------


def _remove(resource_type: str, hands: Hands, tx: Tx, resource_id: str, host: str | None) -> bool:
    """Have a host run the deletion of what it still has again, if finished jobs prove that it is ours and gone."""
    find: Any = instances.find if resource_type == "instance" else volumes.find
    if find(tx, resource_id) is not None or host is None:
        return False
    history = job_rows.of_resource(tx, resource_id)
    if any(job.state in job_rows.LIVE for job in history):
        return False
    deletions = [kind.name for kind in DELETES[resource_type]]
    deleted = any(job.kind in deletions and job.state == job_rows.DONE for job in history)
    if not deleted or all(job.host != host for job in history):
        raise Impossible(reason=f"No finished deletion and no job on {host} prove that it is ours; decide yourself.")
    submit.submit(tx, hands.bell, submit.deletion(resource_type, host), resource_id, host=host)
    return True


#: by name, in the order in which they are done: causes before counts
REPAIRS = {
    "end_job": Repair("end a job whose resource is gone", _end_job),
    "end_task": Repair("end the lost task with a fault, or delete again", _end_task),
    "end_volume_task": Repair("end the lost task with a fault, or delete again", _end_volume_task),
    "release_ports": Repair("let go of the ports of a server that is gone", _release_ports),
    "free_address": Repair("free the address of a port that is gone", _free_address),
    "release_allocations": Repair("give back what it holds of hosts where it is not", _release_allocations),
    "recount_host": Repair("count anew what is sold", _recount_host),
    "recount_quota": Repair("count anew what is used", _recount_quota),
    "recount_images": Repair("count anew what is stored", _recount_images, on_images=True),
    "bind_port": Repair("bind it where its server is", _bind_port),
    "refresh_addresses": Repair("show the addresses its ports have", _refresh_addresses),
    "load_anew": Repair("load the filters and leases of the host again", _load_anew),
    "ring_job": Repair("ring its worker again", _ring_job),
    "remove_guest": Repair("delete it again on that host", functools.partial(_remove, "instance")),
    "remove_volume": Repair("delete it again on that host", functools.partial(_remove, "volume")),
}
