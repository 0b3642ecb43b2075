"""What ``iaas-manage doctor --fix`` can do: only what rows prove, each in one transaction that looks again.

Nothing is destroyed by guess: a guest or volume that no finished deletion of ours names is an administrator's.
"""

from __future__ import annotations

import enum
import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from iaas.common import context, errors, runtime
from iaas.compute.driver import Power
from iaas.compute.states import ACTIVE, BUILDING, DELETING, INSTANCE, STOPPED
from iaas.db import codec, instances, ports, repairs, volumes
from iaas.db import jobs as job_rows
from iaas.db.models.instances import instances as instance_rows
from iaas.db.models.jobs import jobs as job_table
from iaas.db.models.networks import ports as port_rows
from iaas.db.models.volumes import volumes as volume_rows
from iaas.db.transitions import correct, move
from iaas.db.tx import Database, Tx
from iaas.doctor import proof
from iaas.doctor.case import is_servers
from iaas.doctor.findings import Finding, HostTruth, Truth
from iaas.doctor.images import WITH_BYTES
from iaas.doctor.networks import by_port
from iaas.doctor.proof import Impossible
from iaas.doctor.states import JOBS as JOB_STATES
from iaas.jobs import outcomes, submit
from iaas.jobs.kinds import DELETES
from iaas.volume.states import AVAILABLE, VOLUME
from iaas.volume.states import DELETING as VOLUME_DELETING

LOST = "The work on it was lost; what was asked for may not have been done."


@dataclass
class Hands:
    """What repairs are done with.

    :param images: the image service's database, if there is one here
    :param bell: rings workers; what it cannot reach, their sweep finds
    :param heard: whether anybody hears the bell from here
    :param quota: the ``quota`` settings
    :param refresh: has the network worker of a host load its filters and leases again; None where it cannot be told
    :param truth: what the hosts said; a repair that could take away what runs asks them, and who was silent is no proof
    """

    db: Database
    bell: submit.Ringer
    quota: Any
    images: Database | None = None
    refresh: Callable[[str], None] | None = None
    heard: bool = True
    truth: Truth = field(default_factory=Truth)


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


def _fault() -> str:
    return outcomes.public_fault({"code": 500, "message": LOST, "at": runtime.time()})


# -- jobs and tasks --------------------------------------------------------------------------------------------


def _end_job(hands: Hands, tx: Tx, job_id: str, host: str | None) -> bool:
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


def _revive_job(hands: Hands, tx: Tx, job_id: str, host: str | None) -> bool:
    """A job that holds its resource's place has not ended: whatever its state says, its step is done again."""
    job = job_rows.find(tx, job_id)
    if job is None or job.state in JOB_STATES:
        return False
    if job.live_key != job_rows.live_key(job.resource_type, job.resource_id):
        raise Impossible(reason="It holds no resource's place: whether it was done or failed, no row says.")
    tx.on_commit(lambda: hands.bell.ring(job.topic, job.id, job.resource_id))
    return repairs.revive(tx, job, job_rows.PENDING, runtime.time())


def _ring_job(hands: Hands, tx: Tx, job_id: str, host: str | None) -> bool:
    job = job_rows.find(tx, job_id)
    if job is None or job.state not in job_rows.LIVE or job.lease_until > job.now or job.not_before > job.now:
        return False
    if not hands.heard:
        raise Impossible(reason="No worker can be rung from here: their broker is inside iaas-all, whose sweep looks.")
    tx.on_commit(lambda: hands.bell.ring(job.topic, job.id, job.resource_id))
    return True


def _end_task(hands: Hands, tx: Tx, instance_id: str, host: str | None) -> bool:
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


def _end_volume_task(hands: Hands, tx: Tx, volume_id: str, host: str | None) -> bool:
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


def _settle_state(hands: Hands, tx: Tx, instance_id: str, host: str | None) -> bool:
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


def _settle_volume_state(hands: Hands, tx: Tx, volume_id: str, host: str | None) -> bool:
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


def _settle_host(hands: Hands, tx: Tx, instance_id: str, host: str | None) -> bool:
    """Have a server's host and its host's id name the host that was sold to it and that has its guest."""
    row = _resting(tx, instance_id)
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


# -- what rows count and hold ----------------------------------------------------------------------------------


def _release_allocations(hands: Hands, tx: Tx, instance_id: str, host: str | None) -> bool:
    row = instances.find(tx, instance_id)
    if row is not None:
        proof.agreed_host(tx, row, hands.truth)
        if row.host_id is not None and row.host_id not in [one.host_id for one in repairs.allocations_of(tx, row.id)]:
            raise Impossible(reason=f"What is sold to it elsewhere is all it has: it has no room on {row.host} yet.")
    else:
        sold = repairs.allocations_of(tx, instance_id)
        proof.no_guest_is_left(tx, hands.truth, instance_id, [one.name for one in sold if one.name])
    return repairs.release_allocations(tx, instance_id)


def _sell(hands: Hands, tx: Tx, instance_id: str, host: str | None) -> bool:
    """Give a server the allocation it should have, and count its host anew."""
    row = instances.find(tx, instance_id)
    if row is None or row.host_id is None:
        return False
    if job_rows.find_live(tx, "instance", instance_id) is not None:
        raise Impossible(reason="A job works on it; see what comes of that.")
    where = proof.agreed_host(tx, row, hands.truth)
    proof.of_its_flavor(row)
    if not repairs.sell(tx, row):
        return False
    if where is not None:
        repairs.recount_host(tx, where)
    return True


def _recount_host(hands: Hands, tx: Tx, name: str, host: str | None) -> bool:
    if lost := [row.id for row in repairs.unsold(tx, name)]:
        why = "so that their room is not sold again"
        raise Impossible(reason=f"Settle first what is sold to server {', '.join(lost)} (I4), {why}.")
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
    all_of_it = [row for row in repairs.ports_of(tx, port.device_id) if is_servers(row)]
    bound = sorted({row.host for row in all_of_it if row.host})
    proof.no_guest_is_left(tx, hands.truth, port.device_id, bound)
    for row in all_of_it:
        proof.not_used(tx, hands.truth, row)
        repairs.touch(tx, port_rows, row.id, runtime.time())
    ports.release(tx, port.device_id)
    return True


def _free_address(hands: Hands, tx: Tx, address: str, host: str | None) -> bool:
    for row in repairs.lost_addresses(tx, address):
        shown = [*repairs.showing(tx, row.port_id), *_showing_address(tx, row.network_id, address)]
        if shown:
            raise Impossible(reason=f"Server {shown[0].id} shows it: its port {row.port_id} is lost, not let go.")
        for name, found in hands.truth.hosts.items():
            mac = (found.leases or {}).get(row.network_id, {}).get(address)
            if mac is not None and (guests := proof.with_mac(hands.truth, mac)):
                raise Impossible(reason=f"{name} gives it to {mac}, which the guest of server {guests[0]} has.")
    return repairs.free_address(tx, address)


def _showing_address(tx: Tx, network_id: str | None, address: str) -> list[Any]:
    return list(repairs.showing(tx, f'"{address}"', network_id or ""))


def _resting(tx: Tx, instance_id: str) -> Any:
    """Return an instance that has no job, or None."""
    row = instances.find(tx, instance_id)
    return row if row is not None and job_rows.find_live(tx, "instance", instance_id) is None else None


def _bind_port(hands: Hands, tx: Tx, port_id: str, host: str | None) -> bool:
    port = ports.by_ids(tx, [port_id]).get(port_id)
    row = _resting(tx, port.device_id) if port is not None and is_servers(port) else None
    if port is None or row is None or port.host == row.host:
        return False
    where = proof.agreed_host(tx, row, hands.truth)
    proof.not_used(tx, hands.truth, port)
    return ports.update(tx, port_id, host=where, status=ports.DOWN, error=None, updated_at=runtime.time())


def _refresh_addresses(hands: Hands, tx: Tx, instance_id: str, host: str | None) -> bool:
    row = _resting(tx, instance_id)
    if row is None:
        return False
    shown, now = codec.load(row.network_info, []), ports.network_info(tx, instance_id)
    if by_port(shown) == by_port(now):
        return False
    _nothing_is_forgotten(hands, tx, row, shown, now)
    ports.refresh_instance(tx, instance_id)
    return True


def _nothing_is_forgotten(hands: Hands, tx: Tx, row: Any, shown: list[Any], now: list[Any]) -> None:
    """What a server shows may be all that is left to tell of what it has.

    :raises Impossible: it shows a port that its guest has, or may have, or an address that is not free.
    """
    own, before, after = {nic["port_id"] for nic in now}, by_port(shown), by_port(now)
    for nic in shown:
        port_id = nic["port_id"]
        words = (hands.truth.hosts.get(row.host or "", HostTruth()).definitions or {}).get(row.id)
        in_doubt = row.host is not None or port_id in ports.by_ids(tx, [port_id])
        if port_id not in own and in_doubt and (words is None or nic["mac"] in words.get("macs", ())):
            raise Impossible(reason=f"It shows port {port_id}, which is no port of it by its row, and may be in use.")
    networks = {nic["port_id"]: nic.get("network_id") for nic in (*shown, *now)}
    for port_id, network_id in networks.items():
        for address in set(before.get(port_id, ())) ^ set(after.get(port_id, ())):
            holders = [one.port_id for one in repairs.having(tx, network_id or "", address) if one.port_id != port_id]
            others = [one.id for one in _showing_address(tx, network_id, address) if one.id != row.id]
            if holders or others:
                whose = f"port {holders[0]} has it" if holders else f"server {others[0]} shows it"
                raise Impossible(reason=f"Its address {address} is told of twice: {whose}. Look which is right.")


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
    "revive_job": Repair("have its worker do its step again", _revive_job),
    "settle_state": Repair("say that it is what its last job and its guest say", _settle_state),
    "settle_volume_state": Repair("say that it is there", _settle_volume_state),
    "settle_host": Repair("name the host that has its guest and sold it room", _settle_host),
    "release_ports": Repair("let go of the ports of a server that is gone", _release_ports),
    "free_address": Repair("free the address of a port that is gone", _free_address),
    "sell": Repair("give it the room it takes on its host, of its flavor's size", _sell),
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
