"""What ``iaas-manage doctor --fix`` can do: only what rows prove, each in one transaction that looks again.

Nothing is destroyed by guess: a guest or volume that no finished deletion of ours names is an administrator's.
"""

from __future__ import annotations

import enum
import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from iaas.common import context, errors
from iaas.db import instances, ports, volumes
from iaas.db import jobs as job_rows
from iaas.db.tx import Tx
from iaas.doctor import mend_rows, mend_work
from iaas.doctor.findings import Finding
from iaas.doctor.hands import Hands
from iaas.doctor.proof import Impossible
from iaas.jobs import submit
from iaas.jobs.kinds import DELETES


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
    FAILED = "failed"
    NOT_TRIED = "not tried"


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

    A repair that fails has changed nothing, and hinders no other one.

    :raises Unavailable: the database cannot be reached; whether it was done is not known.
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
    except errors.Unavailable:
        raise
    except Exception as error:  # rows that broke an invariant may break a repair
        return Result.FAILED, f"{type(error).__name__}: {error}"
    return (Result.DONE if needed else Result.NOT_NEEDED), repair.says


def _do(repair: Repair, hands: Hands, id_: str, host: str | None, tx: Tx) -> bool:
    return repair.do(hands, tx, id_, host)


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
    "end_job": Repair("end a job whose resource is gone", mend_work.end_job),
    "end_task": Repair("end the lost task with a fault, or delete again", mend_work.end_task),
    "end_volume_task": Repair("end the lost task with a fault, or delete again", mend_work.end_volume_task),
    "revive_job": Repair("have its worker do its step again", mend_work.revive_job),
    "settle_state": Repair("say that it is what its last job and its guest say", mend_work.settle_state),
    "settle_volume_state": Repair("say that it is there", mend_work.settle_volume_state),
    "settle_host": Repair("name the host that has its guest and sold it room", mend_work.settle_host),
    "release_ports": Repair("let go of the ports of a server that is gone", mend_rows.release_ports),
    "free_address": Repair("free the address of a port that is gone", mend_rows.free_address),
    "sell": Repair("give it the room it takes on its host, of its flavor's size", mend_rows.sell),
    "release_allocations": Repair("give back what it holds of hosts where it is not", mend_rows.release_allocations),
    "recount_host": Repair("count anew what is sold", mend_rows.recount_host),
    "recount_quota": Repair("count anew what is used", mend_rows.recount_quota),
    "recount_images": Repair("count anew what is stored", mend_rows.recount_images, on_images=True),
    "bind_port": Repair("bind it where its server is", mend_rows.bind_port),
    "refresh_addresses": Repair("show the addresses its ports have", mend_rows.refresh_addresses),
    "load_anew": Repair("load the filters and leases of the host again", _load_anew),
    "ring_job": Repair("ring its worker again", mend_work.ring_job),
    "remove_guest": Repair("delete it again on that host", functools.partial(_remove, "instance")),
    "remove_volume": Repair("delete it again on that host", functools.partial(_remove, "volume")),
}
