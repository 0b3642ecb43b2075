"""Quotas and limits in the words of Compute, which lost words over time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from iaas.common.rest.operations import Call
from iaas.compute.api.quotas import Quota

LATE_IN_CLASSES = ("server_groups", "server_group_members")
#: resource → the version it is gone from
GONE: Mapping[str, str] = {
    "floating_ips": "2.36",
    "fixed_ips": "2.36",
    "security_groups": "2.36",
    "security_group_rules": "2.36",
    "injected_files": "2.57",
    "injected_file_content_bytes": "2.57",
    "injected_file_path_bytes": "2.57",
}
#: limit's name → (resource, the version it is gone from)
ABSOLUTE: Mapping[str, tuple[str, str | None]] = {
    "maxTotalInstances": ("instances", None),
    "maxTotalCores": ("cores", None),
    "maxTotalRAMSize": ("ram", None),
    "maxTotalKeypairs": ("key_pairs", None),
    "maxServerMeta": ("metadata_items", None),
    "maxServerGroups": ("server_groups", None),
    "maxServerGroupMembers": ("server_group_members", None),
    "maxTotalFloatingIps": ("floating_ips", "2.36"),
    "maxSecurityGroups": ("security_groups", "2.36"),
    "maxSecurityGroupRules": ("security_group_rules", "2.36"),
    "maxImageMeta": ("metadata_items", "2.39"),
    "maxPersonality": ("injected_files", "2.57"),
    "maxPersonalitySize": ("injected_file_content_bytes", "2.57"),
}
USED: Mapping[str, tuple[str, str | None]] = {
    "totalInstancesUsed": ("instances", None),
    "totalCoresUsed": ("cores", None),
    "totalRAMUsed": ("ram", None),
    "totalServerGroupsUsed": ("server_groups", None),
    "totalFloatingIpsUsed": ("floating_ips", "2.36"),
    "totalSecurityGroupsUsed": ("security_groups", "2.36"),
}


def spoken(call: Call, name: str) -> bool:
    """Whether the request's version speaks of a resource."""
    return name not in GONE or not call.at_least(GONE[name])


def spoken_of_class(call: Call, name: str) -> bool:
    """Whether the request's version speaks of a resource in quota classes, which changed at other versions."""
    if name in LATE_IN_CLASSES:
        return call.at_least("2.50")
    gone = "2.50" if GONE.get(name) == "2.36" else GONE.get(name)
    return gone is None or not call.at_least(gone)


def limits(call: Call, quotas: Mapping[str, Quota]) -> dict[str, Any]:
    """Each resource's limit."""
    return {name: quota.limit for name, quota in quotas.items() if spoken(call, name)}


def detail(call: Call, quotas: Mapping[str, Quota]) -> dict[str, Any]:
    """Each resource's limit and use. Nothing is ever reserved: what is used is counted when it is accepted."""
    return {
        name: {"limit": quota.limit, "in_use": quota.used, "reserved": 0}
        for name, quota in quotas.items()
        if spoken(call, name)
    }


def default_limits(call: Call, found: Mapping[str, int]) -> dict[str, int]:
    """Each resource's default limit."""
    return {name: limit for name, limit in found.items() if spoken(call, name)}


def class_limits(call: Call, found: Mapping[str, int]) -> dict[str, int]:
    """Each resource's default limit, as quota classes show it."""
    return {name: limit for name, limit in found.items() if spoken_of_class(call, name)}


def absolute(call: Call, quotas: Mapping[str, Quota]) -> dict[str, int]:
    """The absolute limits, and what is used of some."""
    kept = {name: quotas[of].limit for name, (of, gone) in ABSOLUTE.items() if gone is None or not call.at_least(gone)}
    used = {name: quotas[of].used for name, (of, gone) in USED.items() if gone is None or not call.at_least(gone)}
    return {**kept, **used}
