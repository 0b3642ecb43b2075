"""Access to private flavors: https://docs.openstack.org/api-ref/compute/#flavors-access."""

from __future__ import annotations

from typing import Any

from iaas.api.compute.schemas import flavor_access as schemas
from iaas.api.compute.views import flavor_access as views
from iaas.common.rest.operations import Call, Resource
from iaas.compute.api import flavors as core

resource = Resource()


@resource.operation("GET", "/flavors/{flavor_id}/os-flavor-access", policy="compute:flavors:access")
def index(call: Call) -> dict[str, Any]:
    """List the projects that may use a private flavor."""
    flavor_id = call.path["flavor_id"]
    return views.access(flavor_id, core.projects_of(call.clients, call.ctx, flavor_id))


@resource.operation(
    "POST",
    "/flavors/{flavor_id}/action",
    action="addTenantAccess",
    policy="compute:flavors:access",
    body={"2.1": schemas.ADD},
)
def add(call: Call) -> dict[str, Any]:
    """Let a project use a private flavor. Until 2.6 a public one was taken, too."""
    flavor_id = call.path["flavor_id"]
    project_id = call.body["addTenantAccess"]["tenant"]
    projects = core.grant(call.clients, call.ctx, flavor_id, project_id, private_only=call.at_least("2.7"))
    return views.access(flavor_id, projects)


@resource.operation(
    "POST",
    "/flavors/{flavor_id}/action",
    action="removeTenantAccess",
    policy="compute:flavors:access",
    body={"2.1": schemas.REMOVE},
)
def remove(call: Call) -> dict[str, Any]:
    """Take a project's access to a private flavor away."""
    flavor_id = call.path["flavor_id"]
    project_id = call.body["removeTenantAccess"]["tenant"]
    return views.access(flavor_id, core.revoke(call.clients, call.ctx, flavor_id, project_id))
