"""Instance types, which are flavors: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeInstanceTypes.html"""

from __future__ import annotations

from typing import Any

from iaas.api.ec2 import errors, filters, pages
from iaas.api.ec2.action import Actions, Call
from iaas.api.ec2.views.instances import VIRTUALIZATION, architecture_of
from iaas.compute.api import ec2
from iaas.compute.api import flavors as core
from iaas.db.flavors import FlavorNotFound

actions = Actions()
errors.declare(FlavorNotFound, errors.InvalidInstanceType)

FILTERS: dict[str, filters.Read] = {
    "bare-metal": lambda row: [False],
    "current-generation": lambda row: [True],
    "instance-storage-info.total-size-in-gb": lambda row: [_disk_gb(row)],
    "instance-storage-supported": lambda row: [_disk_gb(row) > 0],
    "instance-type": lambda row: [row.name],
    "memory-info.size-in-mib": lambda row: [row.memory_mb],
    "processor-info.supported-architecture": lambda row: [_architecture(row)],
    "supported-virtualization-type": lambda row: [VIRTUALIZATION],
    "vcpu-info.default-vcpus": lambda row: [row.vcpus],
}


def _disk_gb(row: Any) -> int:
    return row.disk_gb + row.ephemeral_gb


def _architecture(row: Any) -> str:
    return architecture_of({"architecture": core.specs_of(row).get("hw:architecture")})


def flavor(call: Call, name: str) -> Any:
    """The flavor of an instance type: by its name, else by its id.

    :raises InvalidParameterValue: there is none, or it is not offered to the project.
    """
    try:
        return ec2.flavor_named(call.clients, call.ctx, name[:255])
    except FlavorNotFound:
        raise errors.InvalidParameterValue(name="InstanceType", reason=f"there is no {name[:80]!r}") from None


@actions.action("DescribeInstanceTypes", policy="compute:flavors:read")
def describe_instance_types(call: Call) -> dict[str, Any]:
    """Show the instance types offered to the project."""
    most = pages.size(call.params, "InstanceType")
    matches = filters.matcher(filters.wanted(call.params), FILTERS)
    rows = core.index(call.clients, call.ctx, sort=(("name", "asc"),))
    wanted = call.params.get("InstanceType", [])
    missing = sorted(set(wanted) - {row.name for row in rows})
    if missing:
        raise errors.InvalidInstanceType(id=", ".join(missing)[:500])
    chosen = [row for row in rows if (not wanted or row.name in wanted) and matches(row)]
    left, token = pages.cut(call.params, chosen, most)
    return {"instanceTypeSet": [_shown(row) for row in left], "nextToken": token}


def _shown(row: Any) -> dict[str, Any]:
    disk_gb = _disk_gb(row)
    shown: dict[str, Any] = {
        "instanceType": row.name,
        "currentGeneration": True,
        "freeTierEligible": False,
        "supportedUsageClasses": ["on-demand"],
        "supportedRootDeviceTypes": ["instance-store"],
        "supportedVirtualizationTypes": [VIRTUALIZATION],
        "bareMetal": False,
        "processorInfo": {"supportedArchitectures": [_architecture(row)]},
        "vCpuInfo": {"defaultVCpus": row.vcpus, "defaultCores": row.vcpus, "defaultThreadsPerCore": 1},
        "memoryInfo": {"sizeInMiB": row.memory_mb},
        "instanceStorageSupported": disk_gb > 0,
        "hibernationSupported": False,
        "burstablePerformanceSupported": False,
        "dedicatedHostsSupported": False,
        "autoRecoverySupported": False,
    }
    if disk_gb:
        sizes = [size for size in (row.disk_gb, row.ephemeral_gb) if size]
        disks = [{"sizeInGB": size, "count": 1, "type": "hdd"} for size in sizes]
        shown["instanceStorageInfo"] = {"totalSizeInGB": disk_gb, "disks": disks}
    return shown
