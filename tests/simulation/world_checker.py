"""What must hold in a simulated cloud: the database against what the hosts really hold, and every promise kept."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.simulation.world import World


@dataclass(frozen=True)
class Finding:
    """One breach: which invariant, of what, and what is wrong."""

    invariant: str
    subject: str
    what: str

    def __str__(self) -> str:
        return f"{self.invariant} {self.subject}: {self.what}"


def _rows(world: World, query: str) -> list[dict[str, Any]]:
    cursor = world.database.line.raw.execute(query)
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor]


def examine(world: World, *, quiet: bool) -> list[Finding]:
    """Return what is wrong; ``quiet`` says that nothing is under way and everything must be settled."""
    found = [*_capacity(world), *_quotas(world), *_one_copy(world)]
    if quiet:
        found += [*_settled(world), *_guests(world), *_networks(world), *_volumes(world), *_queues(world)]
    return found


def _capacity(world: World) -> list[Finding]:
    found = []
    sold: Counter[tuple[str, str]] = Counter()
    for row in _rows(world, "SELECT * FROM allocations"):
        for name in ("vcpus", "memory_mb", "disk_gb"):
            sold[row["host_id"], name] += row[name]
    ratios = world.settings.scheduler
    limits = {"vcpus": ratios.cpu_ratio, "memory_mb": ratios.ram_ratio, "disk_gb": ratios.disk_ratio}
    for host in _rows(world, "SELECT * FROM hosts"):
        for name, ratio in limits.items():
            used = host[f"used_{name}"]
            if used != sold[host["id"], name]:
                found.append(
                    Finding("I3", f"host {host['name']}", f"{name}: {used} used, {sold[host['id'], name]} sold.")
                )
            if used > host[name] * ratio:
                found.append(Finding("I3", f"host {host['name']}", f"{name}: {used} used of {host[name]}."))
    return found


def _quotas(world: World) -> list[Finding]:
    held: Counter[tuple[str, str]] = Counter()
    for row in _rows(world, "SELECT project_id, vcpus, memory_mb FROM instances WHERE quota_held"):
        held[row["project_id"], "instances"] += 1
        held[row["project_id"], "cores"] += row["vcpus"]
        held[row["project_id"], "ram"] += row["memory_mb"]
    for row in _rows(world, "SELECT project_id, size_gb FROM volumes"):
        held[row["project_id"], "volumes"] += 1
        held[row["project_id"], "gigabytes"] += row["size_gb"]
    for row in _rows(world, "SELECT project_id FROM ports"):
        held[row["project_id"], "ports"] += 1
    found = []
    for row in _rows(world, "SELECT * FROM quota_usages WHERE project_id != 'admin'"):
        name, project = row["resource"], row["project_id"]
        if name not in ("instances", "cores", "ram", "volumes", "gigabytes", "ports"):
            continue
        if row["used"] != held[project, name]:
            found.append(
                Finding("I8", f"project {project[:4]}", f"{name}: {row['used']} used, {held[project, name]} held.")
            )
        if 0 <= row["hard_limit"] < row["used"]:
            found.append(Finding("I8", f"project {project[:4]}", f"{name}: {row['used']} used of {row['hard_limit']}."))
    return found


def _one_copy(world: World) -> list[Finding]:
    where = Counter(guest for machine in world.machines.values() for guest in machine.running())
    return [Finding("I6", f"server {guest}", f"It runs {count} times.") for guest, count in where.items() if count > 1]


def _settled(world: World) -> list[Finding]:
    found = [
        Finding("I1", f"job {row['kind']}.{row['step']} of {row['resource_id']}", f"It is {row['state']} for ever.")
        for row in _rows(world, "SELECT * FROM jobs WHERE live_key IS NOT NULL")
    ]
    found += [
        Finding("I2", f"server {row['id']}", f"It stays {row['vm_state']}/{row['task_state']}.")
        for row in _rows(world, "SELECT * FROM instances WHERE task_state IS NOT NULL")
    ]
    found += [
        Finding("I2", f"volume {row['id']}", f"It stays {row['status']}.")
        for row in _rows(world, "SELECT * FROM volumes WHERE status IN ('creating', 'deleting')")
    ]
    sold = {row["instance_id"]: row["host_id"] for row in _rows(world, "SELECT * FROM allocations")}
    placed = {row["id"]: row["host_id"] for row in _rows(world, "SELECT * FROM instances") if row["host_id"]}
    if sold != placed:
        wrong = sorted(set(sold.items()) ^ set(placed.items()))
        found.append(Finding("I4", f"server {wrong[0][0]}", "What is sold is not where it is placed."))
    for row in world.database.line.raw.execute("PRAGMA foreign_key_check"):
        found.append(Finding("I17", f"table {row[0]}", f"A row refers to nothing in {row[2]}."))
    return found


def _guests(world: World) -> list[Finding]:
    found = []
    rows = {row["id"]: row for row in _rows(world, "SELECT * FROM instances")}
    for host, machine in world.machines.items():
        for guest_id, guest in machine.all.items():
            row = rows.get(guest_id)
            if row is None:
                found.append(Finding("I7", f"server {guest_id}", f"{host} has it ({guest.power}), no row does."))
            elif row["host"] != host:
                found.append(Finding("I7", f"server {guest_id}", f"{host} has it, its row says {row['host']}."))
    wanted = {"active": "RUNNING", "stopped": "SHUTDOWN"}
    for row in rows.values():
        machine = world.machines.get(row["host"] or "")
        guest = machine.all.get(row["id"]) if machine is not None else None
        power = guest.power.name if guest is not None and guest.power is not None else None
        if row["vm_state"] in wanted and power != wanted[row["vm_state"]]:
            found.append(Finding("I5", f"server {row['id']}", f"It is {row['vm_state']}, its guest is {power}."))
        if row["vm_state"] == "error" and not row["fault"]:
            found.append(Finding("I5", f"server {row['id']}", "It is in error and nothing says why."))
    return found


def _networks(world: World) -> list[Finding]:
    found = []
    ports = _rows(world, "SELECT * FROM ports")
    addresses = {row["port_id"] for row in _rows(world, "SELECT port_id FROM fixed_ips")}
    servers = {row["id"] for row in _rows(world, "SELECT id FROM instances")}
    for port in ports:
        if port["id"] not in addresses:
            found.append(Finding("I9", f"port {port['id']}", "It has no address."))
        if port["device_id"] and port["device_id"] not in servers:
            found.append(Finding("I9", f"port {port['id']}", "It belongs to a server that is gone."))
    for host, bridges in world.bridges.items():
        bound = {port["id"] for port in ports if port["host"] == host}
        wired = {wire.port.id for wire in bridges.plan.wires}
        if bound != wired:
            found.append(
                Finding("I9", f"host {host}", f"{len(bound - wired)} ports missing, {len(wired - bound)} left over.")
            )
    return found


def _volumes(world: World) -> list[Finding]:
    found = []
    there = {(store.host, volume): size for store in world.stores.values() for volume, size in store.all.items()}
    rows = {(row["host"], row["id"]): row for row in _rows(world, "SELECT * FROM volumes")}
    for key, row in rows.items():
        if row["status"] == "available" and there.get(key) != row["size_gb"]:
            found.append(Finding("I10", f"volume {key[1]}", f"Its back-end has {there.get(key)} GiB of it."))
        if row["status"] == "error" and not row["fault"]:
            found.append(Finding("I10", f"volume {key[1]}", "It is in error and nothing says why."))
    for key in there.keys() - rows.keys():
        found.append(Finding("I7", f"volume {key[1]}", f"{key[0]} has it, no row does."))
    return found


def _queues(world: World) -> list[Finding]:
    depths = {queue: world.broker.depth(queue) for queue in sorted(world.broker._waiting)}
    return [Finding("I15", f"queue {queue}", f"{depth} messages wait.") for queue, depth in depths.items() if depth]


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
