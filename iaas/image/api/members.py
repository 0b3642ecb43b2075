"""Members: the projects an image is shared with.

Source: https://docs.openstack.org/api-ref/image/v2/index.html#sharing
"""

from __future__ import annotations

from typing import Any

from iaas.common.rest.operations import Call, Resource
from iaas.image import service
from iaas.image.api import views
from iaas.image.api.base import image_id, who
from iaas.image.api.schemas import members as schemas

resource = Resource()


@resource.operation("GET", "/images/{image_id}/members", policy="image:members:read")
def index(call: Call) -> dict[str, Any]:
    """List the members of an image."""
    rows = service.members(call.clients, who(call), image_id(call))
    return {"members": [views.member(row) for row in rows], "schema": "/v2/schemas/members"}


@resource.operation("POST", "/images/{image_id}/members", policy="image:members:write", body=schemas.ADD)
def create(call: Call) -> dict[str, Any]:
    """Offer an image to a project."""
    return views.member(service.add_member(call.clients, who(call), image_id(call), call.body["member"]))


@resource.operation("GET", "/images/{image_id}/members/{member_id}", policy="image:members:read")
def show(call: Call) -> dict[str, Any]:
    """Show a member of an image."""
    return views.member(service.member(call.clients, who(call), image_id(call), call.path["member_id"]))


@resource.operation("PUT", "/images/{image_id}/members/{member_id}", policy="image:members:write", body=schemas.ANSWER)
def update(call: Call) -> dict[str, Any]:
    """Accept or reject an image."""
    ids = (image_id(call), call.path["member_id"])
    return views.member(service.answer_offer(call.clients, who(call), *ids, call.body["status"]))


@resource.operation("DELETE", "/images/{image_id}/members/{member_id}", policy="image:members:write", status=204)
def delete(call: Call) -> None:
    """Withdraw an image from a project."""
    service.remove_member(call.clients, who(call), image_id(call), call.path["member_id"])
