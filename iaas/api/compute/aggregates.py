"""Host aggregates: https://docs.openstack.org/api-ref/compute/#host-aggregates-os-aggregates

There are none: a host's zone is in its own configuration.  They can be listed, because clients that show a hypervisor
ask for the aggregates it is in; none can be made.
"""

from __future__ import annotations

from typing import Any

from iaas.api.compute.schemas import aggregates as schemas
from iaas.common import errors
from iaas.common.rest.operations import Call, Resource

resource = Resource()


@resource.operation("GET", "/os-aggregates", policy="compute:aggregates:read")
def index(call: Call) -> dict[str, Any]:
    """List host aggregates: there are none."""
    return {"aggregates": []}


@resource.operation("GET", "/os-aggregates/{aggregate_id}", policy="compute:aggregates:read", served=False)
def show(call: Call) -> None:
    """Show a host aggregate.

    :raises NotFound: always: there are none.
    """
    raise errors.NotFound(what="Aggregate", id=call.path["aggregate_id"][:64])


@resource.operation(
    "POST", "/os-aggregates", policy="compute:aggregates:write", body={"2.1": schemas.CREATE}, served=False
)
def create(call: Call) -> None:
    """Refuse to make a host aggregate.

    :raises NotImplementedHere: always.
    """
    raise errors.NotImplementedHere(what="Grouping hosts in aggregates")
