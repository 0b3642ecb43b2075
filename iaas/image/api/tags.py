"""Tags of an image, one at a time.

Source: https://docs.openstack.org/api-ref/image/v2/index.html#image-tags
"""

from __future__ import annotations

from iaas.common import errors
from iaas.common.rest.operations import Call, Resource
from iaas.common.rest.schemas import Compiled
from iaas.image import service
from iaas.image.api.base import image_id, who
from iaas.image.api.schemas import images as schemas

resource = Resource()
_TAG = Compiled(schemas.TEXT)


@resource.operation("PUT", "/images/{image_id}/tags/{tag_value}", policy="image:tags:write", status=204)
def add(call: Call) -> None:
    """Add a tag to an image; one it has is no error."""
    value = call.path["tag_value"]
    _TAG.check(value)

    def edit(document: service.Document) -> service.Document:
        return {**document, "tags": [*document["tags"], value]}

    service.update(call.clients, who(call), image_id(call), edit)


@resource.operation("DELETE", "/images/{image_id}/tags/{tag_value}", policy="image:tags:write", status=204)
def delete(call: Call) -> None:
    """Take a tag from an image."""
    value = call.path["tag_value"]

    def edit(document: service.Document) -> service.Document:
        if value not in document["tags"]:
            raise errors.NotFound(what="Tag", id=value[:64])
        return {**document, "tags": [tag for tag in document["tags"] if tag != value]}

    service.update(call.clients, who(call), image_id(call), edit)
