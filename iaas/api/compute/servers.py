"""The servers resource: https://docs.openstack.org/api-ref/compute/#servers-servers"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from iaas.api.compute.schemas import servers as schemas
from iaas.api.compute.views import servers as views
from iaas.common import errors
from iaas.common.rest import wire
from iaas.common.rest.operations import Call, Reply, Resource
from iaas.common.rest.schemas import is_uuid, to_bool, to_int
from iaas.compute.api import listing
from iaas.compute.api import servers as core
from iaas.network.api.servers import Wanted

resource = Resource()

SORT_KEYS = {
    "created_at": "created_at", "updated_at": "updated_at", "display_name": "name", "name": "name", "uuid": "id",
    "id": "id", "vm_state": "vm_state", "task_state": "task_state", "power_state": "power_state", "host": "host",
    "project_id": "project_id", "tenant_id": "project_id", "user_id": "user_id", "image_ref": "image_id",
    "instance_type_id": "flavor_id", "launched_at": "launched_at", "terminated_at": "terminated_at",
    "availability_zone": "zone", "config_drive": "config_drive", "display_description": "description",
    "key_name": "key_name", "launch_index": "launch_index", "locked": "locked", "reservation_id": "reservation_id",
    "hostname": "hostname", "node": "host",
}  # fmt: skip
EQUAL = {
    "flavor": "flavor_id", "image": "image_id", "image_ref": "image_id", "reservation_id": "reservation_id",
    "user_id": "user_id", "uuid": "id", "availability_zone": "zone", "key_name": "key_name",
    "vm_state": "vm_state", "task_state": "task_state", "hostname": "hostname", "description": "description",
}  # fmt: skip
POWER_STATES = frozenset("013467")
ADMIN_EQUAL = {"host": "host", "node": "host"}


@resource.operation(
    "POST", "/servers", policy="compute:servers:create", body=schemas.CREATE_BY_VERSION, status=202, max_body=180_000
)
def create(call: Call) -> Any:
    """Create one or more servers."""
    wanted = call.body["server"]
    low = to_int(wanted.get("min_count", 1), 1, 1000, name="min_count")
    high = to_int(wanted.get("max_count", low), 1, 1000, name="max_count")
    if low > high:
        raise errors.Invalid(reason="min_count must be <= max_count")
    zone, host = _place(call, wanted)
    new = core.NewServers(
        name=wanted["name"].strip(),
        flavor_id=str(wanted["flavorRef"]).rstrip("/").rsplit("/", 1)[-1],
        image_id=_image(wanted),
        min_count=low,
        max_count=high,
        key_name=wanted.get("key_name"),
        metadata=wanted.get("metadata"),
        user_data=wanted.get("user_data"),
        zone=zone,
        host=host,
        networks=_networks(wanted.get("networks")),
        security_groups=tuple(group["name"] for group in wanted.get("security_groups", ()) if "name" in group),
        config_drive=to_bool(wanted.get("config_drive")),
        description=wanted.get("description", None if call.at_least("2.19") else wanted["name"]),
        hostname=wanted.get("hostname"),
        tags=tuple(wanted.get("tags", ())),
        client_token=call.header("X-Client-Token"),
    )
    _refuse_unbuilt(call, wanted)
    core.check_metadata(call.clients, new.metadata or {})
    made = core.create(call.clients, call.ctx, new)
    if to_bool(wanted.get("return_reservation_id")):
        return {"reservation_id": made.reservation_id}
    shown = views.created(call, made.rows[0])
    if wanted.get("adminPass"):
        shown["adminPass"] = wanted["adminPass"]
    return Reply({"server": shown}, headers={"Location": shown["links"][0]["href"]})


def _image(wanted: Mapping[str, Any]) -> str:
    image_id = wanted.get("imageRef") or ""
    if not image_id:
        raise errors.NotImplementedHere(what="Booting from a volume (a request without imageRef)")
    return image_id.lower()


def _refuse_unbuilt(call: Call, wanted: Mapping[str, Any]) -> None:
    """What the published schema takes and this cloud does not do yet is refused, never ignored."""
    if wanted.get("personality"):
        raise errors.Invalid(reason="File injection (personality) is not served; use user_data or config_drive.")
    if wanted.get("block_device_mapping"):
        raise errors.Invalid(reason="block_device_mapping is not served; use imageRef.")
    for device in wanted.get("block_device_mapping_v2", ()):
        plain = device.get("source_type") == "image" and device.get("destination_type", "local") == "local"
        if not plain or device.get("uuid") != wanted.get("imageRef") or str(device.get("boot_index", 0)) != "0":
            raise errors.Invalid(reason="Block devices other than the image's own local disk are not served yet.")
    if wanted.get("trusted_image_certificates"):
        raise errors.Invalid(reason="Image certificates are not served yet.")
    for hints in (call.body.get("os:scheduler_hints"), call.body.get("OS-SCH-HNT:scheduler_hints")):
        if hints:
            raise errors.Invalid(reason=f"Scheduler hints are not served yet: {', '.join(sorted(hints))[:100]}.")


def _place(call: Call, wanted: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """Return the zone and the host asked for; ``zone:host`` and ``host`` are an administrator's."""
    zone, _, host = (wanted.get("availability_zone") or "").partition(":")
    host = host.partition(":")[0] or wanted.get("host") or wanted.get("hypervisor_hostname")
    if host:
        call.clients.policy.check(call.ctx, "compute:servers:create:on_host")
    return zone or None, host or None


def _networks(asked: Any) -> Any:
    if asked is None:
        return "default"
    if isinstance(asked, str):
        return asked
    if not asked:
        return "default"
    for nic in asked:
        if not nic.get("uuid") and not nic.get("port"):
            raise errors.Invalid(reason="Each network needs a uuid or a port.")
    return tuple(Wanted(nic.get("uuid"), nic.get("port"), nic.get("fixed_ip"), nic.get("tag")) for nic in asked)


@resource.operation("GET", "/servers", policy="compute:servers:index", query=schemas.LIST_BY_VERSION)
def index(call: Call) -> Any:
    """List servers."""
    rows, wanted = _page(call)
    return _listed(call, rows, wanted, [views.summary(call, row) for row in rows], "servers")


@resource.operation("GET", "/servers/detail", policy="compute:servers:index", query=schemas.LIST_BY_VERSION)
def detail(call: Call) -> Any:
    """List servers with their details."""
    rows, wanted = _page(call)
    return _listed(call, rows, wanted, views.details(call, rows), "servers/detail")


def _listed(call: Call, rows: Any, wanted: listing.ListServers, shown: list[Any], path: str) -> dict[str, Any]:
    body: dict[str, Any] = {"servers": shown}
    if rows and len(rows) == wanted.limit:
        url = f"{call.base_url}/v2.1/{path}"
        body["servers_links"] = [wire.next_link(url, call.query, rows[-1].id)]
    return body


def _page(call: Call) -> tuple[Any, listing.ListServers]:
    wanted = _list_of(call)
    return listing.page(call.clients, call.ctx, wanted), wanted


def _list_of(call: Call) -> listing.ListServers:
    """The query string as a list of servers to ask for. What only administrators may filter by is left out for
    others, as clients expect."""
    admin = call.clients.policy.allows(call.ctx, "compute:servers:index:all_projects")
    wanted = listing.ListServers(limit=_limit(call), marker=call.param("marker"), sort=_sort(call))
    everything = call.param("all_tenants")
    if everything is not None and to_bool(everything or "1"):
        if not admin:
            raise errors.Forbidden(action="compute:servers:index:all_projects")
        wanted.all_projects = True
    projects = call.query.get("project_id") or call.query.get("tenant_id")
    if projects and admin and wanted.all_projects:
        wanted.equal["project_id"] = list(projects)
    for name, column in {**EQUAL, **(ADMIN_EQUAL if admin else {})}.items():
        if name in call.query:
            wanted.equal[column] = [None if value in ("None", "null") else value for value in call.query[name]]
    if "status" in call.query:
        wanted.statuses = [status.upper() for status in call.query["status"]]
    _more_filters(call, wanted, admin)
    return wanted


def _more_filters(call: Call, wanted: listing.ListServers, admin: bool) -> None:
    name = call.param("name") or call.param("display_name")
    if name:
        wanted.patterns["name"] = name
    for word in ("ip", "ip6"):
        if call.param(word):
            wanted.patterns[word] = str(call.param(word))
    if "config_drive" in call.query:
        wanted.equal["config_drive"] = [to_bool(call.param("config_drive"))]
    if "locked" in call.query and call.at_least("2.73"):
        wanted.equal["locked"] = [to_bool(call.param("locked"))]
    if "power_state" in call.query:
        wanted.equal["power_state"] = [int(v) for v in call.query["power_state"] if v in POWER_STATES]
    if admin and to_bool(call.param("deleted")):
        wanted.equal["id"] = []  # deleted servers have left the table; their history is in their actions
    for word, target in (("changes-since", "changed_since"), ("changes-before", "changed_before")):
        if call.param(word):
            setattr(wanted, target, wire.parse_time(str(call.param(word)), word))
    if call.at_least("2.26"):
        for word in ("tags", "tags-any", "not-tags", "not-tags-any"):
            values = [tag for text in call.query.get(word, ()) for tag in text.split(",") if tag]
            attribute = {"tags": "tags_all", "not-tags": "not_tags_all"}.get(word, word.replace("-", "_"))
            setattr(wanted, attribute, values)


def _limit(call: Call) -> int:
    most = call.clients.settings.api.max_page
    text = call.param("limit")
    if text is None:
        return most
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise errors.Invalid(reason=f"Invalid input for query parameters limit. Value: {text[:20]}.")
    return min(int(text), most)


def _sort(call: Call) -> list[tuple[str, str]]:
    keys, ways = call.query.get("sort_key", []), call.query.get("sort_dir", [])
    if len(keys) > 8:
        raise errors.Invalid(reason="At most 8 sort keys are taken.")
    found = []
    for index, key in enumerate(keys):
        column = SORT_KEYS.get(key)
        way = ways[index] if index < len(ways) else (ways[-1] if ways else "desc")
        if column is None or way not in ("asc", "desc"):
            raise errors.Invalid(reason=f"Invalid input for query parameters sort_key. Value: {key[:64]}.")
        found.append((column, way))
    return found


@resource.operation("GET", "/servers/{server_id}", policy="compute:servers:show")
def show(call: Call) -> Any:
    """Show one server."""
    return {"server": views.detail(call, listing.show(call.clients, call.ctx, server_id(call)))}


@resource.operation("PUT", "/servers/{server_id}", policy="compute:servers:update", body=schemas.UPDATE_BY_VERSION)
def update(call: Call) -> Any:
    """Change a server's name, description or host name."""
    wanted = call.body["server"]
    changes = {name: wanted[name] for name in ("name", "description", "hostname") if name in wanted}
    if "name" in changes:
        changes["name"] = changes["name"].strip()
    row = core.update(call.clients, call.ctx, server_id(call), **changes)
    return {"server": views.detail(call, row)}


@resource.operation("DELETE", "/servers/{server_id}", policy="compute:servers:delete", status=204)
def delete(call: Call) -> None:
    """Delete a server."""
    core.delete(call.clients, call.ctx, server_id(call))


def server_id(call: Call) -> str:
    """Return the id in the path.

    :raises InstanceNotFound: it is not an id at all.
    """
    found = call.path["server_id"]
    if not is_uuid(found):
        from iaas.db.instances import InstanceNotFound  # the same answer as for an unknown id

        raise InstanceNotFound(instance_id=found[:64])
    return found.lower()
