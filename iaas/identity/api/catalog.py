"""Regions, services and endpoints.

Source: https://docs.openstack.org/api-ref/identity/v3/#service-catalog-and-endpoints and #regions
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from iaas.common import errors
from iaas.common.rest.operations import Call
from iaas.db.identity import catalog, clock
from iaas.db.tx import DuplicateKey, Tx
from iaas.identity import ids
from iaas.identity.access import SUBSTITUTIONS
from iaas.identity.api.base import Resource, link, listed, listing
from iaas.identity.api.schemas import catalog as schemas
from iaas.identity.shapes import ENDPOINT, REGION, SERVICE, Shape

resource = Resource()
_SHAPES = {"Region": REGION, "Service": SERVICE, "Endpoint": ENDPOINT}
_ALLOWED = re.compile("|".join(re.escape(f"$({name})s") for name in SUBSTITUTIONS))
_FORBIDDEN = re.compile(r"[$%{}()\s\x00-\x1f]")


def _view(what: str) -> Callable[[Call, Any], dict[str, Any]]:
    shape: Shape = _SHAPES[what]
    return lambda call, row: {**shape.view(row), "links": {"self": link(call, shape.plural, row.id)}}


def _show(call: Call, what: str, key: str) -> dict[str, Any]:
    with call.clients.db.read(call.ctx) as tx:
        return {_SHAPES[what].noun: _view(what)(call, catalog.get(tx, what, key))}


def _index(call: Call, what: str, wanted: Any) -> dict[str, Any]:
    with call.clients.db.read(call.ctx) as tx:
        rows = catalog.page(tx, what, wanted)
    return listed(call, _SHAPES[what].plural, rows, wanted.limit, _view(what))


def _write(call: Call, what: str, key: str, values: Callable[[Tx, Any], dict[str, Any]], *, new: bool) -> Any:
    """Write one row and return it as the API shows it.

    :param values: gets the transaction and the row there is, and returns the columns to write
    """

    def write(tx: Tx) -> Any:
        clock.advance(tx)
        if new:
            catalog.add(tx, what, id=key, **values(tx, None))
        else:
            catalog.update(tx, what, key, values(tx, catalog.get(tx, what, key)))
        return catalog.get(tx, what, key)

    try:
        row = call.clients.db.write(call.ctx, write)
    except DuplicateKey:
        raise errors.Conflict(reason=f"A {_SHAPES[what].noun} {key} exists.") from None
    return {_SHAPES[what].noun: _view(what)(call, row)}


def _delete(call: Call, what: str, key: str) -> None:
    def write(tx: Tx) -> None:
        clock.advance(tx)
        if not catalog.delete(tx, what, key):
            raise errors.NotFound(what=what, id=key)

    call.clients.db.write(call.ctx, write)


# -- regions -----------------------------------------------------------------------------------------------


def _region_values(wanted: dict[str, Any], own_id: str) -> Callable[[Tx, Any], dict[str, Any]]:
    def values(tx: Tx, row: Any) -> dict[str, Any]:
        found = REGION.values({name: value for name, value in wanted.items() if name != "id"}, row)
        if "parent_region_id" in found:
            found["parent_id"] = found.pop("parent_region_id")
            _check_parent(tx, found["parent_id"], own_id)
        return found

    return values


def _check_parent(tx: Tx, parent_id: str | None, own_id: str) -> None:
    for _ in range(100):
        if parent_id is None:
            return
        if parent_id == own_id:
            break
        parent_id = catalog.get(tx, "Region", parent_id).parent_id
    raise errors.Invalid(reason="A region cannot be inside of itself.")


@resource.operation("GET", "/regions", policy="identity:list_regions", delegated=True)
def list_regions(call: Call) -> dict[str, Any]:
    """List regions."""
    return _index(call, "Region", listing(call, names={"parent_region_id": "parent_id"}))


@resource.operation("GET", "/regions/{region_id}", policy="identity:get_region", delegated=True)
def show_region(call: Call) -> dict[str, Any]:
    """Show a region."""
    return _show(call, "Region", call.path["region_id"])


@resource.operation("POST", "/regions", policy="identity:create_region", body=schemas.CREATE_REGION, status=201)
def create_region(call: Call) -> dict[str, Any]:
    """Create a region, with an id of the caller's choice or a new one."""
    wanted = call.body["region"]
    region_id = wanted.get("id") or ids.new()
    return _write(call, "Region", region_id, _region_values(wanted, region_id), new=True)


@resource.operation(
    "PUT", "/regions/{region_id}", policy="identity:create_region", body=schemas.CREATE_REGION, status=201
)
def create_named_region(call: Call) -> dict[str, Any]:
    """Create a region with the id in the path."""
    wanted, region_id = call.body["region"], call.path["region_id"]
    if wanted.get("id") not in (None, region_id):
        raise errors.Invalid(reason="The id in the body is another one than that in the path.")
    return _write(call, "Region", region_id, _region_values(wanted, region_id), new=True)


@resource.operation("PATCH", "/regions/{region_id}", policy="identity:update_region", body=schemas.UPDATE_REGION)
def update_region(call: Call) -> dict[str, Any]:
    """Change a region."""
    wanted, region_id = call.body["region"], call.path["region_id"]
    if wanted.get("id") not in (None, region_id):
        raise errors.Invalid(reason="The id of a region cannot be changed.")
    return _write(call, "Region", region_id, _region_values(wanted, region_id), new=False)


@resource.operation("DELETE", "/regions/{region_id}", policy="identity:delete_region", status=204)
def delete_region(call: Call) -> None:
    """Delete an empty region."""
    _delete(call, "Region", call.path["region_id"])


# -- services ----------------------------------------------------------------------------------------------


@resource.operation("GET", "/services", policy="identity:list_services")
def list_services(call: Call) -> dict[str, Any]:
    """List services."""
    return _index(call, "Service", listing(call, text=("type", "name"), flags=("enabled",)))


@resource.operation("GET", "/services/{service_id}", policy="identity:get_service")
def show_service(call: Call) -> dict[str, Any]:
    """Show a service."""
    return _show(call, "Service", call.path["service_id"])


@resource.operation("POST", "/services", policy="identity:create_service", body=schemas.CREATE_SERVICE, status=201)
def create_service(call: Call) -> dict[str, Any]:
    """Create a service."""
    wanted = call.body["service"]
    return _write(call, "Service", ids.new(), lambda _tx, row: SERVICE.values(wanted, row), new=True)


@resource.operation("PATCH", "/services/{service_id}", policy="identity:update_service", body=schemas.UPDATE_SERVICE)
def update_service(call: Call) -> dict[str, Any]:
    """Change a service."""
    wanted = call.body["service"]
    return _write(call, "Service", call.path["service_id"], lambda _tx, row: SERVICE.values(wanted, row), new=False)


@resource.operation("DELETE", "/services/{service_id}", policy="identity:delete_service", status=204)
def delete_service(call: Call) -> None:
    """Delete a service with its endpoints."""
    _delete(call, "Service", call.path["service_id"])


# -- endpoints ---------------------------------------------------------------------------------------------


def _check_url(url: str) -> None:
    """A URL may name three things, ``$(project_id)s``, ``$(tenant_id)s`` and ``$(user_id)s``, and nothing else."""
    if _FORBIDDEN.search(_ALLOWED.sub("", url)):
        allowed = ", ".join(f"$({name})s" for name in SUBSTITUTIONS)
        raise errors.Invalid(reason=f"The URL holds what is not understood; it may hold {allowed}.")


def _endpoint_values(call: Call) -> Callable[[Tx, Any], dict[str, Any]]:
    wanted = dict(call.body["endpoint"])
    legacy = wanted.pop("region", None)
    if "url" in wanted:
        _check_url(wanted["url"])

    def values(tx: Tx, row: Any) -> dict[str, Any]:
        found = ENDPOINT.values(wanted, row)
        if legacy is not None and found.get("region_id") is None:
            found["region_id"] = legacy
            if catalog.find(tx, "Region", legacy) is None:  # the older attribute makes the region it names
                catalog.add(tx, "Region", id=legacy, description="", extra="{}")
        for what, name in (("Service", "service_id"), ("Region", "region_id")):
            key = found.get(name)
            if key is not None and catalog.find(tx, what, key) is None:
                raise errors.Invalid(reason=f"There is no {what.lower()} {key}.")
        return found

    return values


@resource.operation("GET", "/endpoints", policy="identity:list_endpoints")
def list_endpoints(call: Call) -> dict[str, Any]:
    """List endpoints."""
    text = ("service_id", "region_id", "interface", "name")
    return _index(call, "Endpoint", listing(call, text=text, flags=("enabled",), names={"region": "region_id"}))


@resource.operation("GET", "/endpoints/{endpoint_id}", policy="identity:get_endpoint")
def show_endpoint(call: Call) -> dict[str, Any]:
    """Show an endpoint."""
    return _show(call, "Endpoint", call.path["endpoint_id"])


@resource.operation("POST", "/endpoints", policy="identity:create_endpoint", body=schemas.CREATE_ENDPOINT, status=201)
def create_endpoint(call: Call) -> dict[str, Any]:
    """Create an endpoint."""
    return _write(call, "Endpoint", ids.new(), _endpoint_values(call), new=True)


@resource.operation(
    "PATCH", "/endpoints/{endpoint_id}", policy="identity:update_endpoint", body=schemas.UPDATE_ENDPOINT
)
def update_endpoint(call: Call) -> dict[str, Any]:
    """Change an endpoint."""
    return _write(call, "Endpoint", call.path["endpoint_id"], _endpoint_values(call), new=False)


@resource.operation("DELETE", "/endpoints/{endpoint_id}", policy="identity:delete_endpoint", status=204)
def delete_endpoint(call: Call) -> None:
    """Delete an endpoint."""
    _delete(call, "Endpoint", call.path["endpoint_id"])
