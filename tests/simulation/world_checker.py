"""What must hold in a simulated cloud: the doctor's invariants, told what the hosts really hold, and every promise."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

from iaas import doctor
from iaas.doctor import Finding, HostTruth, Truth

if TYPE_CHECKING:
    from tests.simulation.world import World


def examine(world: World, *, quiet: bool) -> list[Finding]:
    """Return what is wrong; ``quiet`` says that nothing is under way and everything must be settled."""
    return doctor.examine(world.database.unspoilt, truth(world), quiet=quiet)


#: what may be true at no moment, in one cheap question each: asked whenever a job moved
TORN = {
    "It is busy and has no job, or has one and is not busy.": """
        SELECT 'server ' || i.id FROM instances i LEFT JOIN jobs j ON j.live_key = 'instance:' || i.id
        WHERE (i.task_state IS NULL) != (j.id IS NULL)
        UNION ALL SELECT 'volume ' || v.id FROM volumes v LEFT JOIN jobs j ON j.live_key = 'volume:' || v.id
        WHERE (v.status NOT IN ('creating', 'deleting')) != (j.id IS NULL)""",
    "Its job is live and it is gone.": """
        SELECT resource_type || ' ' || resource_id FROM jobs WHERE live_key IS NOT NULL
        AND resource_id NOT IN (SELECT id FROM instances UNION ALL SELECT id FROM volumes)""",
}


def torn(world: World) -> list[Finding]:
    """Return what transactions tore apart: cheaper than :func:`examine`, and asked a hundred times as often."""
    raw = world.database.line.raw
    return [Finding("I2", subject, what) for what, query in TORN.items() for (subject,) in raw.execute(query)]


def truth(world: World) -> Truth:
    """Return what the drivers' worlds and the broker really hold."""
    hosts: dict[str, HostTruth] = {}
    for name, machine in world.machines.items():
        guests = {guest.id: guest.power.name for guest in machine.all.values() if guest.power is not None}
        plan = world.bridges[name].plan
        hosts[name] = HostTruth(
            guests=guests,
            disks=frozenset(machine.all),
            ports=frozenset(wire.port.id for wire in plan.wires if wire.port.admin_up),
            networks=frozenset(network.id for network in plan.networks),
        )
    for name, store in world.stores.items():
        hosts[name] = HostTruth(volumes=dict(store.all))
    queues = {queue: world.broker.depth(queue) for queue in sorted(world.broker._waiting)}
    return Truth(hosts=hosts, queues=queues, ratios=world.settings.scheduler, limits_kept=True)


def _rows(world: World, query: str) -> list[dict[str, Any]]:
    cursor = world.database.line.raw.execute(query)
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor]


def kept(world: World) -> list[Finding]:
    """Return the promises that were not kept (I12): for each 2xx, what the cloud is in the end."""
    found = []
    history = world.history
    servers = {row["id"]: row for row in _rows(world, "SELECT * FROM instances")}
    volumes = {row["id"]: row for row in _rows(world, "SELECT * FROM volumes")}
    jobs = {(row["resource_id"], row["request_id"]): row for row in _rows(world, "SELECT * FROM jobs")}
    gone = history.unwanted
    for promise in history.promises:
        there = promise.id in (servers if promise.noun == "server" else volumes)
        subject = f"{promise.noun} {promise.id}"
        if promise.verb == "delete" and there:
            found.append(Finding("I12", subject, "Its deletion was accepted and it is there."))
        elif promise.verb == "create" and not there and promise.id not in gone:
            found.append(Finding("I12", subject, "It was accepted, nobody deleted it, and it is gone."))
        elif promise.verb in ("stop", "start") and promise.id not in gone:
            found += _power_kept(promise, servers.get(promise.id), jobs, history)
    found += _strangers(history, [*servers.values(), *volumes.values()])
    for (_, token), answers in history.tokens.items():
        if len(answers) > 1:
            found.append(Finding("I12", f"token {token}", f"It made {len(answers)} different sets of servers."))
    return found


def _strangers(history: Any, rows: list[dict[str, Any]]) -> list[Finding]:
    """Return what is there and nobody was told of; one may be for each request that had no sure answer."""
    known = {promise.id for promise in history.promises}
    strangers = Counter(row["name"] for row in rows if row["id"] not in known and not row["name"].startswith("token"))
    return [
        Finding("I12", f"name {name}", f"{count} of it are there that nobody asked for.")
        for name, count in strangers.items()
        if count > history.unknown[name]
    ]


def _power_kept(promise: Any, row: Any, jobs: dict[Any, Any], history: Any) -> list[Finding]:
    """A stop or start that was accepted is done, or its job says why not."""
    job = jobs.get((promise.id, promise.request_id))
    if job is None:
        return [Finding("I12", f"server {promise.id}", f"Its {promise.verb} was accepted and left no action.")]
    if job["state"] == "done":
        return []
    error = json.loads(job["error"] or "null")
    if job["state"] in ("failed", "superseded") and error:
        return []
    return [Finding("I12", f"server {promise.id}", f"Its {promise.verb} ended as {job['state']} and nothing says why.")]
