"""Quota sets: https://docs.openstack.org/api-ref/block-storage/v3/#quota-sets-extension-os-quota-sets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from iaas.api.volume.schemas import quotas as schemas
from iaas.common.rest.operations import Call, Resource
from iaas.common.rest.schemas import to_bool, to_int
from iaas.volume.api import quotas as core

resource = Resource()
ONE = "/os-quota-sets/{project_id}"
#: what is not there has the limit nothing; one volume has no limit but the project's
FIXED = {"backups": 0, "backup_gigabytes": 0, "groups": 0, "per_volume_gigabytes": -1}


@resource.operation("GET", ONE, policy="volume:quotas:show")
def show(call: Call) -> dict[str, Any]:
    """Show a project's limits, with what it uses if ``usage`` is asked for."""
    usages = core.show(call.clients, call.ctx, _project(call))
    if not to_bool((call.param("usage") or "").lower()):
        return _body({name: usage.limit for name, usage in usages.items()} | FIXED, call.path["project_id"])
    usages |= {name: core.Usage(limit, 0) for name, limit in FIXED.items()}
    shown = {name: {"limit": usage.limit, "in_use": usage.used, "reserved": 0} for name, usage in usages.items()}
    return _body(shown, call.path["project_id"])


@resource.operation("GET", ONE + "/defaults", policy="volume:quotas:show")
def defaults(call: Call) -> dict[str, Any]:
    """Show the limits of a project that has none of its own."""
    return _body(core.defaults(call.clients) | FIXED, _project(call))


@resource.operation("PUT", ONE, policy="volume:quotas:update", body={"3.0": schemas.UPDATE})
def update(call: Call) -> dict[str, Any]:
    """Give a project limits of its own."""
    project, wanted = _project(call), call.body["quota_set"]
    limits = {name: to_int(wanted[name], -1, name=name) for name in core.RESOURCES if name in wanted}
    core.update(call.clients, call.ctx, project, limits)
    usages = core.show(call.clients, call.ctx, project)
    return _body({name: usage.limit for name, usage in usages.items()} | FIXED, None)


def _project(call: Call) -> str:
    """Return the project of the path, if it is the caller's own or the caller may see others'."""
    project = call.path["project_id"]
    call.clients.policy.check(call.ctx, call.operation.policy, {"project_id": project})
    return project


def _body(values: Mapping[str, Any], project: str | None) -> dict[str, Any]:
    return {"quota_set": {**values, "id": project} if project is not None else dict(values)}
