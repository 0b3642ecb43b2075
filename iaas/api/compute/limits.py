"""Limits: https://docs.openstack.org/api-ref/compute/#limits-limits."""

from __future__ import annotations

from typing import Any

from iaas.api.compute.schemas import quotas as schemas
from iaas.api.compute.views import quotas as views
from iaas.common.rest.operations import Call, Resource
from iaas.compute.api import quotas as core

resource = Resource()


@resource.operation(
    "GET", "/limits", policy="compute:limits:show", query={"2.1": schemas.LIMITS, "2.75": schemas.LIMITS_2_75}
)
def index(call: Call) -> dict[str, Any]:
    """Show what a project may use and uses. There are no rate limits, and nothing is ever only reserved."""
    project_id = call.param("tenant_id") or str(call.ctx.project_id)
    if project_id != call.ctx.project_id:
        call.clients.policy.check(call.ctx, "compute:limits:of_others")
    found = core.show(call.clients, call.ctx, project_id)
    return {"limits": {"rate": [], "absolute": views.absolute(call, found)}}
