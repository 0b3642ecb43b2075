"""Extra specs of flavors: https://docs.openstack.org/api-ref/compute/#flavors-extra-specs-flavors-os-flavor-extra-specs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from iaas.api.compute.schemas import flavor_extra_specs as schemas
from iaas.common import errors
from iaas.common.rest.operations import Call, Resource
from iaas.compute.api import flavors as core

resource = Resource()


@resource.operation("GET", "/flavors/{flavor_id}/os-extra_specs", policy="compute:flavors:read")
def index(call: Call) -> dict[str, Any]:
    """List a flavor's extra specs."""
    return {"extra_specs": _specs(call)}


@resource.operation("GET", "/flavors/{flavor_id}/os-extra_specs/{key}", policy="compute:flavors:read")
def show(call: Call) -> dict[str, Any]:
    """Show one extra spec of a flavor."""
    key = call.path["key"]
    specs = _specs(call)
    if key not in specs:
        raise core.SpecNotFound(flavor_id=call.path["flavor_id"], key=key)
    return {key: specs[key]}


@resource.operation(
    "POST", "/flavors/{flavor_id}/os-extra_specs", policy="compute:flavors:manage", body={"2.1": schemas.CREATE}
)
def create(call: Call) -> dict[str, Any]:
    """Add extra specs to a flavor."""
    return {"extra_specs": _set(call, call.body["extra_specs"])}


@resource.operation(
    "PUT", "/flavors/{flavor_id}/os-extra_specs/{key}", policy="compute:flavors:manage", body={"2.1": schemas.UPDATE}
)
def update(call: Call) -> dict[str, Any]:
    """Set one extra spec of a flavor."""
    if call.path["key"] not in call.body:
        raise errors.Invalid(reason="The body must have the key of the path, and no other.")
    return _set(call, call.body)


@resource.operation("DELETE", "/flavors/{flavor_id}/os-extra_specs/{key}", policy="compute:flavors:manage")
def delete(call: Call) -> None:
    """Remove one extra spec of a flavor."""
    core.unset_spec(call.clients, call.ctx, call.path["flavor_id"], call.path["key"])


def _specs(call: Call) -> dict[str, str]:
    return core.specs_of(core.show(call.clients, call.ctx, call.path["flavor_id"]))


def _set(call: Call, wanted: Mapping[str, Any]) -> dict[str, str]:
    specs = {key: str(value) for key, value in wanted.items()}
    if call.at_least("2.86"):
        schemas.check_known(specs)
    core.set_specs(call.clients, call.ctx, call.path["flavor_id"], specs)
    return specs
