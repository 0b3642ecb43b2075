"""What this image service can do: import methods, stores, usage, cache.

Source: https://docs.openstack.org/api-ref/image/v2/index.html#stores
"""

from __future__ import annotations

from typing import Any

from iaas.common import errors
from iaas.common.rest.operations import Call, Resource
from iaas.image import quota
from iaas.image.api.base import image_id

resource = Resource()


class NoSuchMethod(errors.IaasError):
    kind = errors.Kind.CONFLICT
    template = "No import method is enabled in this cloud; upload the data with PUT /v2/images/{image_id}/file."


class NoCache(errors.IaasError):
    kind = errors.Kind.NOT_FOUND
    template = "The image service of this cloud keeps no cache; the hypervisors' hosts do."


@resource.operation("GET", "/info/import", policy="image:info:read")
def imports(call: Call) -> dict[str, Any]:
    """List the import methods: none."""
    return {"import-methods": {"description": "Import methods available.", "type": "array", "value": []}}


@resource.operation("GET", "/info/stores", policy="image:info:read")
def stores(call: Call) -> dict[str, Any]:
    """List the stores."""
    return {"stores": [_store(call)]}


@resource.operation("GET", "/info/stores/detail", policy="image:stores:detail")
def stores_detail(call: Call) -> dict[str, Any]:
    """List the stores with their kind."""
    return {"stores": [{**_store(call), "type": call.clients.store.scheme, "weight": 100, "properties": {}}]}


def _store(call: Call) -> dict[str, Any]:
    return {"id": call.clients.store.scheme, "description": "Where image data is kept.", "default": True}


@resource.operation("GET", "/info/usage", policy="image:info:read")
def usage(call: Call) -> dict[str, Any]:
    """Show the caller's quota of images and what is used of it."""
    with call.clients.db.read(call.ctx) as tx:
        return {"usage": quota.usage(tx, call.clients.settings, call.ctx.project_id)}


@resource.operation(
    "PUT", "/images/{image_id}/stage", policy="image:images:upload", status=204, streamed=True, served=False
)
def stage(call: Call) -> None:
    """Refuse staged data: no import method would use it."""
    raise NoSuchMethod(image_id=image_id(call))


@resource.operation("POST", "/images/{image_id}/import", policy="image:images:upload", status=202, served=False)
def import_(call: Call) -> None:
    """Refuse an import: no method is enabled."""
    raise NoSuchMethod(image_id=image_id(call))


@resource.operation("GET", "/cache", policy="image:stores:detail", served=False)
def cache(call: Call) -> None:
    """Say that there is no cache."""
    raise NoCache()
