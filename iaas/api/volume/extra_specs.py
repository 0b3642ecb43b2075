"""Extra specs of volume types: https://docs.openstack.org/api-ref/block-storage/v3/#volume-types-types."""

from __future__ import annotations

from typing import Any

from iaas.api.volume.schemas import types as schemas
from iaas.common import errors
from iaas.common.rest.operations import Call, Resource
from iaas.volume.api import types as core

resource = Resource()
ALL, ONE = "/types/{type_id}/extra_specs", "/types/{type_id}/extra_specs/{key}"
MANAGE = "volume:types:manage"


@resource.operation("GET", ALL, policy=MANAGE)
def index(call: Call) -> dict[str, Any]:
    """List a type's extra specs."""
    return {"extra_specs": core.specs_of(_type(call))}


@resource.operation("POST", ALL, policy=MANAGE, body={"3.0": schemas.ADD_SPECS})
def create(call: Call) -> dict[str, Any]:
    """Add extra specs to a type, or change some."""
    core.merge_specs(call.clients, call.ctx, call.path["type_id"], call.body["extra_specs"])
    return {"extra_specs": call.body["extra_specs"]}


@resource.operation("GET", ONE, policy=MANAGE)
def show(call: Call) -> dict[str, Any]:
    """Show one of a type's extra specs."""
    key = call.path["key"]
    return {key: core.spec_of(_type(call), key)}


@resource.operation("PUT", ONE, policy=MANAGE, body={"3.0": schemas.ONE_SPEC})
def update(call: Call) -> dict[str, Any]:
    """Set one of a type's extra specs."""
    if call.path["key"] not in call.body:
        raise errors.Invalid(reason="Request body and URI mismatch: the body names another key.")
    core.merge_specs(call.clients, call.ctx, call.path["type_id"], call.body)
    return dict(call.body)


@resource.operation("DELETE", ONE, policy=MANAGE, status=202)
def delete(call: Call) -> None:
    """Remove one of a type's extra specs."""
    core.remove_spec(call.clients, call.ctx, call.path["type_id"], call.path["key"])


def _type(call: Call) -> Any:
    return core.show(call.clients, call.ctx, call.path["type_id"])
