"""Hypervisors in the words of Compute. Memory in MiB, disks in GiB."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from iaas.api.compute.views import services
from iaas.common.rest.operations import Call
from iaas.compute.api.hosts import Hypervisor

#: what a sum over all hosts shows
SUMMED = (
    "current_workload", "disk_available_least", "free_disk_gb", "free_ram_mb", "local_gb", "local_gb_used",
    "memory_mb", "memory_mb_used", "running_vms", "vcpus", "vcpus_used",
)  # fmt: skip


def short(call: Call, hypervisor: Hypervisor, *, with_servers: bool = False) -> dict[str, Any]:
    """A hypervisor as a list shows it, with its servers if asked for; until 2.74 no word of them if there are none."""
    row = hypervisor.row
    view = {
        "id": services.identifier(call, row.id),
        "hypervisor_hostname": row.hypervisor_hostname,
        "state": services.state(hypervisor.up),
        "status": services.status(row.disabled),
    }
    if with_servers and (hypervisor.servers or call.at_least("2.75")):
        view["servers"] = [{"uuid": server.id, "name": server.name} for server in hypervisor.servers]
    return view


def full(call: Call, hypervisor: Hypervisor, *, with_servers: bool = False) -> dict[str, Any]:
    """A hypervisor with all it has. From 2.88 on what it has and sold is left to placement."""
    row = hypervisor.row
    view = {
        **short(call, hypervisor, with_servers=with_servers),
        "host_ip": row.host_ip,
        "hypervisor_type": row.hypervisor_type,
        "hypervisor_version": row.hypervisor_version,
        "service": {
            "id": services.identifier(call, row.service_id),
            "host": row.name,
            "disabled_reason": row.disabled_reason,
        },
    }
    if call.at_least("2.88"):
        return {**view, "uptime": None}  # no host tells its uptime
    view["cpu_info"] = orjson.loads(row.cpu_info or "{}") if call.at_least("2.28") else row.cpu_info or "{}"
    return {**view, **resources(hypervisor)}


def resources(hypervisor: Hypervisor) -> dict[str, int]:
    """What a host has and what of it is sold; what is kept for the host itself counts as sold."""
    row = hypervisor.row
    memory_used = row.used_memory_mb + row.reserved_memory_mb
    return {
        "vcpus": row.vcpus,
        "vcpus_used": row.used_vcpus,
        "memory_mb": row.memory_mb,
        "memory_mb_used": memory_used,
        "free_ram_mb": row.memory_mb - memory_used,
        "local_gb": row.disk_gb,
        "local_gb_used": row.used_disk_gb,
        "free_disk_gb": row.disk_gb - row.used_disk_gb,
        "disk_available_least": row.disk_gb - row.used_disk_gb,
        "running_vms": row.running,
        "current_workload": hypervisor.busy,
    }


def statistics(hypervisors: Sequence[Hypervisor]) -> dict[str, int]:
    """The sums over all hosts whose service is enabled."""
    counted = [resources(hypervisor) for hypervisor in hypervisors if not hypervisor.row.disabled]
    return {"count": len(counted), **{name: sum(one[name] for one in counted) for name in SUMMED}}
