"""The images resource.

Source: https://docs.openstack.org/api-ref/image/v2/index.html#images
"""

from __future__ import annotations

import dataclasses
from typing import Any
from urllib.parse import urlencode

from iaas.common.rest.operations import Call, Reply, Resource
from iaas.image import service
from iaas.image.api import filters, patches, views
from iaas.image.api.base import image_id, who
from iaas.image.api.schemas import images as schemas

resource = Resource()


@resource.operation("POST", "/images", policy="image:images:create", body=schemas.CREATE, status=201)
def create(call: Call) -> Reply:
    """Record an image; its data is uploaded next."""
    wanted = dict(call.body)
    given = wanted.pop("id", None)
    for name in wanted:
        patches.check_settable(name)
    image = service.create(call.clients, who(call), wanted, given.lower() if given else None)
    link = f"{call.base_url}/v2/images/{image.id}"
    methods = {"OpenStack-image-import-methods": ""}
    return Reply(views.image(image), headers={"Location": link, **methods})


@resource.operation("GET", "/images", policy="image:images:read")
def index(call: Call) -> dict[str, Any]:
    """List images."""
    wanted = filters.listing(call.query, call.clients.settings.api.max_page)
    link = {name: values for name, values in call.query.items() if name != "marker"}
    answer: dict[str, Any] = {"images": [], "first": _link(link), "schema": "/v2/schemas/images"}
    if wanted.limit == 0:
        return answer
    found = service.page(call.clients, who(call), dataclasses.replace(wanted, limit=wanted.limit + 1))
    answer["images"] = [views.image(image) for image in found[: wanted.limit]]
    if len(found) > wanted.limit:
        answer["next"] = _link({**link, "marker": [found[wanted.limit - 1].id]})
    return answer


def _link(query: dict[str, list[str]]) -> str:
    text = urlencode(query, doseq=True)
    return f"/v2/images?{text}" if text else "/v2/images"


@resource.operation("GET", "/images/{image_id}", policy="image:images:read")
def show(call: Call) -> dict[str, Any]:
    """Show an image."""
    return views.image(service.show(call.clients, who(call), image_id(call)))


@resource.operation(
    "PATCH", "/images/{image_id}", policy="image:images:update", body=schemas.PATCH, media=patches.MEDIA
)
def update(call: Call) -> dict[str, Any]:
    """Change an image by a JSON patch."""
    changes = patches.parse(call.body)
    image = service.update(call.clients, who(call), image_id(call), lambda document: patches.apply(changes, document))
    return views.image(image)


@resource.operation("DELETE", "/images/{image_id}", policy="image:images:delete", status=204)
def delete(call: Call) -> None:
    """Delete an image and its data."""
    service.delete(call.clients, who(call), image_id(call))


@resource.operation("POST", "/images/{image_id}/actions/deactivate", policy="image:images:deactivate", status=204)
def deactivate(call: Call) -> None:
    """Forbid downloads of an image."""
    service.deactivate(call.clients, who(call), image_id(call))


@resource.operation("POST", "/images/{image_id}/actions/reactivate", policy="image:images:deactivate", status=204)
def reactivate(call: Call) -> None:
    """Allow downloads of an image again."""
    service.reactivate(call.clients, who(call), image_id(call))


@resource.operation("GET", "/images/{image_id}/tasks", policy="image:images:read")
def tasks(call: Call) -> dict[str, Any]:
    """List the import tasks of an image: none, because no import method is enabled."""
    service.show(call.clients, who(call), image_id(call))
    return {"tasks": []}
