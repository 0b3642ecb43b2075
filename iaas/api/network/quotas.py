"""The quotas resource: https://docs.openstack.org/api-ref/network/v2/#quotas-extension-quotas."""

from __future__ import annotations

from typing import Any

from iaas.api.network.schemas import update as schema_of_update
from iaas.common.rest.operations import Call, Resource
from iaas.common.rest.schemas import BOOLEAN, integer, obj, to_bool, to_int
from iaas.network.api import quotas as core

resource = Resource()
LIMITS = {word: integer(-1) for word in core.RESOURCES}
UPDATE = schema_of_update("quota", obj((), **LIMITS, check_limit=BOOLEAN, force=BOOLEAN))


def _checked(call: Call) -> str:
    project_id = call.path["project_id"]
    if project_id != call.ctx.project_id:
        call.clients.policy.check(call.ctx, "network:quotas:of_others")
    return project_id


def _limits(found: dict[str, tuple[int, int]]) -> dict[str, int]:
    return {word: limit for word, (limit, _) in found.items()}


@resource.operation("GET", "/quotas", policy="network:quotas:of_others")
def index(call: Call) -> dict[str, Any]:
    """List the quotas of the projects that have limits of their own."""
    found = core.own(call.clients, call.ctx)
    return {
        "quotas": [
            {**_limits(limits), "project_id": project_id, "tenant_id": project_id}
            for project_id, limits in found.items()
        ]
    }


@resource.operation("GET", "/quotas/{project_id}", policy="network:quotas:show")
def show(call: Call) -> dict[str, Any]:
    """Show a project's limits."""
    return {"quota": _limits(core.show(call.clients, call.ctx, _checked(call)))}


@resource.operation("GET", "/quotas/{project_id}/default", policy="network:quotas:show")
def default(call: Call) -> dict[str, Any]:
    """Show the limits of a project that has none of its own."""
    _checked(call)
    return {"quota": core.defaults(call.clients, call.ctx)}


@resource.operation("GET", "/quotas/{project_id}/details", policy="network:quotas:show")
def details(call: Call) -> dict[str, Any]:
    """Show a project's limits and what it uses."""
    found = core.show(call.clients, call.ctx, _checked(call))
    return {"quota": {word: {"limit": limit, "used": used, "reserved": 0} for word, (limit, used) in found.items()}}


resource.operation("GET", "/quotas/{project_id}/details.json", policy="network:quotas:show")(details)


@resource.operation("PUT", "/quotas/{project_id}", policy="network:quotas:update", body=UPDATE)
def update(call: Call) -> dict[str, Any]:
    """Give a project limits of its own; with ``check_limit`` not below what it uses."""
    wanted = call.body["quota"]
    limits = {word: to_int(value, -1, name=word) for word, value in wanted.items() if word in LIMITS}
    force = not to_bool(wanted.get("check_limit")) or to_bool(wanted.get("force"))
    return {"quota": _limits(core.update(call.clients, call.ctx, call.path["project_id"], limits, force=force))}


@resource.operation("DELETE", "/quotas/{project_id}", policy="network:quotas:update", status=204)
def delete(call: Call) -> None:
    """Let the configured limits hold for a project again."""
    core.reset(call.clients, call.ctx, call.path["project_id"])
