"""Fill a controller's database with hosts and servers, as they would be had they come one by one.

Core inserts of thousands of rows a statement: 10,000 servers take a few seconds.  The rows are honest, so that all
else goes on as if they were real: a server has its allocation, its finished job (its action), the verdict of its
placement and its share of the quota; a host has sold what its servers hold, and a service that reported just now.
"""

from __future__ import annotations

import itertools
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from iaas.common import context
from iaas.compute.states import ACTIVE
from iaas.db import codec
from iaas.db.models.hosts import allocations, hosts, placements, services
from iaas.db.models.instances import instances
from iaas.db.models.jobs import jobs
from iaas.db.models.quotas import quota_usages
from iaas.db.tx import Database, Tx

BATCH = 1000
PREFIX = "bench-fill"
STEPS = ("scheduler_place", "compute_prepare", "compute_start")
UNLIMITED = -1


@dataclass(frozen=True)
class Size:
    """What a host has, or what a server takes: MiB of memory, GiB of disk."""

    vcpus: int
    memory_mb: int
    disk_gb: int


HOST = Size(64, 262_144, 8_000)
SERVER = Size(1, 64, 1)
CPU_INFO = codec.dump({"arch": "x86_64", "model": "EPYC", "vendor": "AMD", "topology": {"cores": 32, "threads": 2}})


def add_hosts(
    database: Database, count: int, size: Size = HOST, *, zones: Sequence[str] = ("nova",), disabled: bool = False
) -> list[str]:
    """Add compute hosts that are up and empty, spread over ``zones``, and return their names.

    :param disabled: as an administrator would: they keep what they have and get nothing new
    """
    first = _count(database, hosts)
    names = [f"{PREFIX}-{first + number:05d}" for number in range(count)]
    now = time.time()
    zone_of = dict(zip(names, itertools.cycle(zones), strict=False))
    rows = [
        {
            "id": str(uuid.uuid4()), "name": name, "zone": zone_of[name], "hypervisor_hostname": f"{name}.example.org",
            "hypervisor_type": "fake", "hypervisor_version": 1, "host_ip": "127.0.0.1", "cpu_info": CPU_INFO,
            "vcpus": size.vcpus, "memory_mb": size.memory_mb, "disk_gb": size.disk_gb, "reserved_memory_mb": 0,
            "created_at": now, "updated_at": now,
        }
        for name in names
    ]  # fmt: skip
    beats = [
        {
            "id": str(uuid.uuid4()), "binary": "iaas-compute", "host": name, "zone": zone_of[name],
            "disabled": disabled, "incarnation": 1, "started_at": now, "seen_at": now,
        }
        for name in names
    ]  # fmt: skip
    for table, values in ((hosts, rows), (services, beats)):
        _insert(database, table, values)
    return names


def report_hosts(database: Database) -> None:
    """Let every host that was added report now, as its worker would every ten seconds."""
    beat = sa.update(services).where(services.c.host.startswith(PREFIX)).values(seen_at=time.time())
    database.write(context.admin(), lambda tx: tx.count(beat))


def add_servers(
    database: Database, count: int, project_id: str, user_id: str, image_id: str,
    flavor: tuple[str, dict[str, Any]],
    on: Sequence[str], size: Size = SERVER,
) -> None:  # fmt: skip
    """Add ACTIVE servers without ports, in turn on the hosts ``on``.

    :param flavor: its id, and what a server keeps of it
    """
    begin, where = time.time() - count, _ids(database, on)
    made = [
        _server(number, begin + number, name, where[name], project_id, user_id, image_id, flavor, size)
        for number, name in zip(range(count), itertools.cycle(on), strict=False)
    ]
    for table in (instances, jobs, allocations, placements):
        _insert(database, table, [row[table.name] for row in made])
    sold = {name: len(range(index, count, len(on))) for index, name in enumerate(on)}
    database.write(context.admin(), _account, sold, project_id, count, size)


def _server(
    number: int, at: float, host: str, host_id: str, project_id: str, user_id: str, image_id: str,
    flavor: tuple[str, dict[str, Any]], size: Size,
) -> dict[str, dict[str, Any]]:  # fmt: skip
    server_id, request_id = str(uuid.uuid4()), f"req-{uuid.uuid4()}"
    held = {"vcpus": size.vcpus, "memory_mb": size.memory_mb, "disk_gb": size.disk_gb}
    who = {"project_id": project_id, "user_id": user_id, "created_at": at, "updated_at": at}
    state = dict(zip(("vm_state", "task_state"), ACTIVE.columns, strict=True))
    image = {"disk_format": "raw", "size": 1 << 20, "virtual_size": 1 << 20, "min_disk": 0, "properties": {}}
    verdict = {"hosts": 1, "fits": 1, "chosen": host, "fitting": [host], "lost": [], "refused": {}}
    events = [
        {"event": step, "start": at, "finish": at, "result": "Success", "host": host, "details": None}
        for step in STEPS
    ]  # fmt: skip
    return {
        "instances": {
            "id": server_id, "ec2_id": "i-" + server_id.replace("-", "")[:17], "reservation_id": "r-bench",
            "name": f"{PREFIX}-{number}", "hostname": f"{PREFIX}-{number}", **state, "power_state": 1, "host": host,
            "host_id": host_id, "zone": "nova", "image_id": image_id, "image": codec.dump(image),
            "flavor_id": flavor[0], "flavor": codec.dump(flavor[1]), **held, "metadata": "{}", "tags": "[]",
            "security_groups": "[]", "launched_at": at, **who,
        },
        "jobs": {
            "id": str(uuid.uuid4()), "kind": "build", "action": "create", "resource_type": "instance",
            "resource_id": server_id, "request_id": request_id, "topic": f"compute.{host}", "host": host,
            "step": "start", "state": "done", "fence": 2, "args": "{}", "events": codec.dump(events), **who,
        },
        "allocations": {"instance_id": server_id, "host_id": host_id, **held},
        "placements": {"instance_id": server_id, "at": at, "policy": "filter", "verdict": codec.dump(verdict)},
    }  # fmt: skip


def _account(tx: Tx, sold: dict[str, int], project_id: str, count: int, size: Size) -> None:
    for name, number in sold.items():
        used = {
            f"used_{what}": hosts.c[f"used_{what}"] + getattr(size, what) * number
            for what in ("vcpus", "memory_mb", "disk_gb")
        }
        tx.execute(sa.update(hosts).where(hosts.c.name == name).values(running=hosts.c.running + number, **used))
    for resource, each in (("instances", 1), ("cores", size.vcpus), ("ram", size.memory_mb)):
        tx.insert_new(quota_usages, project_id=project_id, resource=resource, used=0, hard_limit=UNLIMITED)
        usage = (quota_usages.c.project_id == project_id, quota_usages.c.resource == resource)
        tx.execute(sa.update(quota_usages).where(*usage).values(used=quota_usages.c.used + each * count))


def _insert(database: Database, table: sa.Table, rows: Sequence[dict[str, Any]]) -> None:
    for batch in _batches(rows):
        database.write(context.admin(), lambda tx, batch=batch: tx.execute(sa.insert(table), batch))


def _batches(rows: Sequence[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    for begin in range(0, len(rows), BATCH):
        yield list(rows[begin : begin + BATCH])


def _count(database: Database, table: sa.Table) -> int:
    with database.read(context.admin()) as tx:
        return tx.scalar(sa.select(sa.func.count()).select_from(table))


def _ids(database: Database, names: Sequence[str]) -> dict[str, str]:
    with database.read(context.admin()) as tx:
        rows = tx.all(sa.select(hosts.c.name, hosts.c.id).where(hosts.c.name.startswith(PREFIX)))
    found = {row.name: row.id for row in rows}
    return {name: found[name] for name in names}
