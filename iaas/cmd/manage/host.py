"""`iaas-manage host`: the compute hosts, what they have and what they have sold."""

from __future__ import annotations

from typing import Any

import click

from iaas.cmd.manage import service
from iaas.cmd.manage.base import Noun, Unknown, World, pass_world
from iaas.cmd.manage.output import time

COLUMNS = {
    "name": "Host", "zone": "Zone", "state": "State", "status": "Status", "servers": "Servers",
    "used_vcpus": "vCPUs sold", "vcpus": "of", "used_memory_mb": "MiB sold", "memory_mb": "of",
    "used_disk_gb": "GiB sold", "disk_gb": "of",
}  # fmt: skip


@click.group("host", cls=Noun)
def command() -> None:
    """See what the compute hosts have and have sold."""


def _shown(world: World, row: Any, services: dict[str, Any]) -> dict[str, Any]:
    reporting = services.get(row.name)
    of_service = service.shown(world, reporting) if reporting is not None else {}
    networking = services.get(f"network of {row.name}")
    degraded = of_service.get("degraded") or (networking.degraded if networking is not None else None)
    return {
        "id": row.id, "name": row.name, "zone": row.zone, "state": _state(of_service, degraded),
        "status": of_service.get("status", "no service"), "disabled_reason": of_service.get("disabled_reason"),
        "degraded": degraded,
        "silent_seconds": of_service.get("silent_seconds"), "servers": row.running,
        "used_vcpus": row.used_vcpus, "vcpus": row.vcpus, "used_memory_mb": row.used_memory_mb,
        "memory_mb": row.memory_mb, "reserved_memory_mb": row.reserved_memory_mb, "used_disk_gb": row.used_disk_gb,
        "disk_gb": row.disk_gb, "hypervisor_type": row.hypervisor_type, "hypervisor_hostname": row.hypervisor_hostname,
        "host_ip": row.host_ip, "agent_url": row.agent_url, "updated_at": time(row.updated_at),
    }  # fmt: skip


def _state(of_service: dict[str, Any], degraded: str | None) -> str:
    state = of_service.get("state", "down")
    return "degraded" if state == "up" and degraded is not None else state


def _services(tx: Any, **equal: Any) -> dict[str, Any]:
    """The compute services by their hosts' names, and the network services of the same hosts."""
    from iaas.db import hosts

    computing = {row.host: row for row in hosts.all_services(tx, binary=hosts.COMPUTE, **equal)}
    networking = {f"network of {row.host}": row for row in hosts.all_services(tx, binary=hosts.NETWORK, **equal)}
    return {**networking, **computing}


@command.command("list", example="host list --json")
@pass_world
def index(world: World) -> None:
    """List the compute hosts with what is sold of each and what it has."""
    from iaas.db import hosts

    with world.db.read(world.ctx) as tx:
        services = _services(tx)
        rows = [_shown(world, row, services) for row in hosts.all_hosts(tx)]
    world.out.rows(rows, COLUMNS, none="There are no compute hosts; start iaas-compute on one.")


@command.command(example="host show node1")
@click.argument("name")
@pass_world
def show(world: World, name: str) -> None:
    """Show one compute host and the servers on it."""
    from iaas.compute.states import INSTANCE
    from iaas.db import hosts, instances

    with world.db.read(world.ctx) as tx:
        services = _services(tx, host=name)
        try:
            found = _shown(world, hosts.get(tx, name), services)
        except hosts.HostNotFound:
            raise Unknown(what="compute host", name=name, see="host list") from None
        here = [
            {
                "id": row.id, "name": row.name, "status": INSTANCE.state_of(row).openstack, "vcpus": row.vcpus,
                "memory_mb": row.memory_mb, "disk_gb": row.disk_gb,
            }
            for row in instances.on_host(tx, name)
        ]  # fmt: skip
    headings = {key: key.replace("_", " ") for key in found}
    world.out.one({**found, "instances": here}, headings)
    columns = {"id": "Server", "name": "Name", "status": "Status", "vcpus": "vCPUs", "memory_mb": "MiB"}
    world.out.table("Servers", here, {**columns, "disk_gb": "GiB"})
