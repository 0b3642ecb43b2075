"""Hypervisors: https://docs.openstack.org/api-ref/compute/#hypervisors-os-hypervisors.

Until 2.52 a hypervisor had a number, and ways of its own to be searched; from 2.53 on it has a UUID.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from iaas.api.compute import legacy, paging
from iaas.api.compute.schemas import hypervisors as schemas
from iaas.api.compute.views import hypervisors as views
from iaas.common import errors
from iaas.common.rest.operations import Call, Resource
from iaas.common.rest.schemas import is_uuid, to_bool
from iaas.compute.api import hosts as core

resource = Resource()
_READ = "compute:hypervisors:read"
_LIST = {"2.1": schemas.LIST, "2.33": schemas.LIST_2_33, "2.53": schemas.LIST_2_53, "2.75": schemas.LIST_2_75}
View = Callable[..., dict[str, Any]]


@resource.operation("GET", "/os-hypervisors", policy=_READ, query=_LIST)
def index(call: Call) -> dict[str, Any]:
    """List hypervisors."""
    return _list(call, "/os-hypervisors", views.short)


@resource.operation("GET", "/os-hypervisors/detail", policy=_READ, query=_LIST)
def detail(call: Call) -> dict[str, Any]:
    """List hypervisors with all they have."""
    return _list(call, "/os-hypervisors/detail", views.full)


@resource.operation("GET", "/os-hypervisors/statistics", policy=_READ, last="2.87")
def statistics(call: Call) -> dict[str, Any]:
    """Show the sums over all hypervisors."""
    return {"hypervisor_statistics": views.statistics(_all(call))}


@resource.operation(
    "GET",
    "/os-hypervisors/{hypervisor_id}",
    policy=_READ,
    query={"2.1": schemas.SHOW, "2.53": schemas.SHOW_2_53, "2.75": schemas.SHOW_2_75},
)
def show(call: Call) -> dict[str, Any]:
    """Show a hypervisor."""
    return {"hypervisor": views.full(call, _one(call), with_servers=_with_servers(call))}


@resource.operation("GET", "/os-hypervisors/{hypervisor_id}/uptime", policy=_READ, last="2.87", served=False)
def uptime(call: Call) -> None:
    """Refuse to tell a hypervisor's uptime: no host reports it.

    :raises NotImplementedHere: always, once the hypervisor is found.
    """
    _one(call)
    raise errors.NotImplementedHere(what="The uptime of a hypervisor")


@resource.operation("GET", "/os-hypervisors/{pattern}/search", policy=_READ, last="2.52")
def search(call: Call) -> dict[str, Any]:
    """List the hypervisors whose name contains a text."""
    return {"hypervisors": [views.short(call, found) for found in _like(call, call.path["pattern"])]}


@resource.operation("GET", "/os-hypervisors/{pattern}/servers", policy=_READ, last="2.52")
def servers(call: Call) -> dict[str, Any]:
    """List the hypervisors whose name contains a text, with their servers."""
    found = _like(call, call.path["pattern"])
    return {"hypervisors": [views.short(call, one, with_servers=True) for one in found]}


def _list(call: Call, path: str, view: View) -> dict[str, Any]:
    with_servers = _with_servers(call)
    pattern = call.param("hypervisor_hostname_pattern") if call.at_least("2.53") else None
    if pattern is not None:
        if "limit" in call.query or "marker" in call.query:
            raise errors.Invalid(reason="hypervisor_hostname_pattern cannot be paged; leave limit and marker out.")
        return {"hypervisors": [view(call, one, with_servers=with_servers) for one in _like(call, pattern)]}
    if not call.at_least("2.33"):
        return {"hypervisors": [view(call, one) for one in _all(call)]}
    limit = paging.limit(call)
    found = core.hypervisors(call.clients, call.ctx, limit=limit, marker=_marker(call))
    answer: dict[str, Any] = {"hypervisors": [view(call, one, with_servers=with_servers) for one in found]}
    if found and len(found) == limit:
        last = found[-1].row.id
        marker = last if call.at_least("2.53") else str(legacy.number(last))
        answer["hypervisors_links"] = paging.next_links(call, path, marker)
    return answer


def _marker(call: Call) -> str | None:
    """The id of the host a page starts after; a number until 2.52."""
    text = call.param("marker")
    if text is None or call.at_least("2.53"):
        return text
    return next((one.row.id for one in _all(call) if str(legacy.number(one.row.id)) == text), text)


def _all(call: Call) -> list[core.Hypervisor]:
    return core.hypervisors(call.clients, call.ctx, limit=call.clients.settings.api.max_page)


def _like(call: Call, pattern: str) -> list[core.Hypervisor]:
    found = core.hypervisors(call.clients, call.ctx, limit=call.clients.settings.api.max_page, pattern=pattern)
    if not found:
        raise errors.NotFound(what="A hypervisor matching", id=f"{pattern[:64]!r}")
    return found


def _one(call: Call) -> core.Hypervisor:
    text = call.path["hypervisor_id"]
    if call.at_least("2.53"):
        if not is_uuid(text):
            raise errors.Invalid(reason=f"Invalid uuid {text[:64]}")
        return core.hypervisor(call.clients, call.ctx, text)
    for found in _all(call):
        if str(legacy.number(found.row.id)) == text:
            return found
    raise core.HypervisorNotFound(id=text[:64])


def _with_servers(call: Call) -> bool:
    return call.at_least("2.53") and to_bool(call.param("with_servers", "false"))
