"""Flavors in the words of Compute."""

from __future__ import annotations

from typing import Any

from iaas.common.rest import wire
from iaas.common.rest.operations import Call
from iaas.compute.api import flavors as core


def short(call: Call, flavor: Any) -> dict[str, Any]:
    """A flavor as a list shows it."""
    view = {"id": flavor.id, "name": flavor.name, "links": wire.links(call.base_url, "v2.1", "flavors", flavor.id)}
    if call.at_least("2.55"):
        view["description"] = flavor.description
    return view


def full(call: Call, flavor: Any) -> dict[str, Any]:
    """A flavor with all it has. ``swap`` was "" for none before 2.75."""
    view = {
        **short(call, flavor),
        "ram": flavor.memory_mb,
        "vcpus": flavor.vcpus,
        "disk": flavor.disk_gb,
        "swap": flavor.swap_mb or (0 if call.at_least("2.75") else ""),
        "rxtx_factor": flavor.rxtx_factor,
        "OS-FLV-EXT-DATA:ephemeral": flavor.ephemeral_gb,
        "OS-FLV-DISABLED:disabled": flavor.disabled,
        "os-flavor-access:is_public": flavor.is_public,
    }
    if call.at_least("2.61"):
        view["extra_specs"] = core.specs_of(flavor)
    return view
