"""Quotas of projects and of the default class: https://docs.openstack.org/api-ref/compute/#quota-sets-os-quota-sets."""

from __future__ import annotations

from typing import Any

from iaas.api.compute.schemas import quotas as schemas
from iaas.api.compute.views import quotas as views
from iaas.common import errors
from iaas.common.rest.operations import Call, Resource
from iaas.common.rest.schemas import to_bool, to_int
from iaas.compute.api import quotas as core

resource = Resource()
_QUERY = {"2.1": schemas.SHOW, "2.75": schemas.SHOW_2_75}
CLASS = "default"  # the only class there is


@resource.operation("GET", "/os-quota-sets/{project_id}", policy="compute:quotas:show", query=_QUERY)
def show(call: Call) -> dict[str, Any]:
    """Show a project's limits."""
    found = core.show(call.clients, call.ctx, _project(call))
    return {"quota_set": {"id": call.path["project_id"], **views.limits(call, found)}}


@resource.operation("GET", "/os-quota-sets/{project_id}/detail", policy="compute:quotas:show", query=_QUERY)
def detail(call: Call) -> dict[str, Any]:
    """Show a project's limits and what it uses."""
    found = core.show(call.clients, call.ctx, _project(call))
    return {"quota_set": {"id": call.path["project_id"], **views.detail(call, found)}}


@resource.operation("GET", "/os-quota-sets/{project_id}/defaults", policy="compute:quotas:show")
def defaults(call: Call) -> dict[str, Any]:
    """Show the limits of a project that has none of its own."""
    found = core.defaults(call.clients, call.ctx)
    return {"quota_set": {"id": call.path["project_id"], **views.default_limits(call, found)}}


@resource.operation(
    "PUT",
    "/os-quota-sets/{project_id}",
    policy="compute:quotas:update",
    query=_QUERY,
    body={"2.1": schemas.UPDATE, "2.36": schemas.UPDATE_2_36, "2.57": schemas.UPDATE_2_57},
)
def update(call: Call) -> dict[str, Any]:
    """Give a project limits of its own."""
    _refuse_user(call)
    wanted = dict(call.body["quota_set"])
    force = to_bool(wanted.pop("force", False))
    wanted.pop("tenant_id", None)
    found = core.update(call.clients, call.ctx, call.path["project_id"], _limits(wanted), force=force)
    return {"quota_set": views.limits(call, found)}


@resource.operation("DELETE", "/os-quota-sets/{project_id}", policy="compute:quotas:update", query=_QUERY, status=202)
def delete(call: Call) -> None:
    """Take a project's own limits away."""
    _refuse_user(call)
    core.reset(call.clients, call.ctx, call.path["project_id"])


@resource.operation("GET", "/os-quota-class-sets/{class_id}", policy="compute:quotas:update")
def show_class(call: Call) -> dict[str, Any]:
    """Show the default limits."""
    found = views.class_limits(call, core.defaults(call.clients, call.ctx))
    return {"quota_class_set": {"id": call.path["class_id"], **found}}


@resource.operation(
    "PUT",
    "/os-quota-class-sets/{class_id}",
    policy="compute:quotas:update",
    body={"2.1": schemas.UPDATE_CLASS, "2.50": schemas.UPDATE_CLASS_2_50, "2.57": schemas.UPDATE_CLASS_2_57},
)
def update_class(call: Call) -> dict[str, Any]:
    """Change the default limits."""
    if call.path["class_id"] != CLASS:
        raise errors.Invalid(reason=f"The only quota class is {CLASS!r}.")
    wanted = {name: value for name, value in call.body["quota_class_set"].items() if name != "id"}
    found = core.set_defaults(call.clients, call.ctx, _limits(wanted))
    return {"quota_class_set": views.class_limits(call, found)}


def _limits(wanted: dict[str, Any]) -> dict[str, int]:
    return {name: to_int(value, -1, name=name) for name, value in wanted.items()}


def _project(call: Call) -> str:
    """The project of the path; another project's quotas are for administrators."""
    project_id = call.path["project_id"]
    if project_id != call.ctx.project_id:
        call.clients.policy.check(call.ctx, "compute:quotas:of_others")
    return project_id


def _refuse_user(call: Call) -> None:
    if call.param("user_id") is not None:
        raise errors.Invalid(reason="This cloud keeps quotas of projects, not of single users in them.")
