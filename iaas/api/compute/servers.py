"""The servers resource: https://docs.openstack.org/api-ref/compute/#servers-servers"""

from __future__ import annotations

import base64
import ipaddress
from collections.abc import Mapping
from typing import Any

from iaas.api.compute import paging
from iaas.api.compute.schemas import servers as schemas
from iaas.api.compute.views import servers as views
from iaas.common import errors, runtime
from iaas.common.rest import wire
from iaas.common.rest.operations import Call, Reply, Resource
from iaas.common.rest.schemas import BOOLEAN, is_uuid, to_bool, to_int
from iaas.compute.api import hosts, listing
from iaas.compute.api import servers as core
from iaas.db.flavors import FlavorNotFound
from iaas.db.instances import InstanceNotFound
from iaas.image.client import ImageNotFound
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
#: keys of what is the same for every server here: they sort nothing
EVEN_SORT_KEYS = frozenset(
    ("access_ip_v4", "access_ip_v6", "auto_disk_config", "kernel_id", "locked_by", "progress", "ramdisk_id",
     "root_device_name")
)  # fmt: skip
STATUSES = frozenset(
    ("ACTIVE", "BUILD", "DELETED", "ERROR", "HARD_REBOOT", "MIGRATING", "PASSWORD", "PAUSED", "REBOOT", "REBUILD",
     "RESCUE", "RESIZE", "REVERT_RESIZE", "SHELVED", "SHELVED_OFFLOADED", "SHUTOFF", "SOFT_DELETED", "SUSPENDED",
     "UNKNOWN", "VERIFY_RESIZE")
)  # fmt: skip
MAX_TOKEN = 64
EQUAL = {
    "flavor": "flavor_id", "image": "image_id", "image_ref": "image_id", "reservation_id": "reservation_id",
    "user_id": "user_id", "uuid": "id", "availability_zone": "zone", "key_name": "key_name",
    "vm_state": "vm_state", "task_state": "task_state", "hostname": "hostname", "description": "description",
}  # fmt: skip
POWER_STATES = frozenset("013467")
#: what PUT may change → column
CHANGED = {
    "name": "name", "description": "description", "hostname": "hostname", "accessIPv4": "access_ip_v4",
    "accessIPv6": "access_ip_v6",
}  # fmt: skip
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
        access_ip_v4=wanted.get("accessIPv4"),
        access_ip_v6=_canonical(wanted.get("accessIPv6")),
        client_token=_client_token(call),
    )
    _refuse_unbuilt(call, wanted)
    core.check_metadata(call.clients, new.metadata or {})
    try:
        made = core.create(call.clients, call.ctx, new)
    except (FlavorNotFound, ImageNotFound) as error:  # what the path names is there: the fault is the body's
        raise errors.Invalid(reason=error.message) from None
    if to_bool(wanted.get("return_reservation_id")):
        return {"reservation_id": made.reservation_id}
    shown = views.created(call, made.rows[0])
    shown["adminPass"] = wanted.get("adminPass") or _password()
    return Reply({"server": shown}, headers={"Location": shown["links"][0]["href"]})


def _password() -> str:
    """A new password, as clients expect one; a guest takes its key instead, and is told of no password."""
    return base64.b32encode(runtime.secret_bytes(10)).decode().lower()


def _canonical(address: str | None) -> str | None:
    """An IPv6 address in its one spelling."""
    return str(ipaddress.ip_address(address)) if address else address


def _client_token(call: Call) -> str | None:
    token = call.header("X-Client-Token")
    if token and (len(token) > MAX_TOKEN or not token.isascii() or not token.isprintable()):
        raise errors.Invalid(reason=f"X-Client-Token must be at most {MAX_TOKEN} printable characters of ASCII.")
    return token or None


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
    """Return the zone and the host asked for; ``zone:host:node`` and ``host`` are an administrator's.

    :raises Invalid: there is no such zone or host.
    """
    zone, _, pinned = (wanted.get("availability_zone") or "").partition(":")
    host, _, node = pinned.partition(":")
    if pinned and (wanted.get("host") or wanted.get("hypervisor_hostname")):
        raise errors.Invalid(
            reason="A host is named in availability_zone or by host and hypervisor_hostname, not both."
        )
    host, node = host or wanted.get("host", ""), node or wanted.get("hypervisor_hostname", "")
    if host or node:
        call.clients.policy.check(call.ctx, "compute:servers:create:on_host")
        host = _host(call, host, node)
    if zone and zone not in {known.name for known in hosts.zones(call.clients, call.ctx)} - {hosts.INTERNAL}:
        raise errors.Invalid(reason=f"The requested availability zone {zone[:64]} is not available.")
    return zone or None, host or None


def _host(call: Call, host: str, node: str) -> str:
    """Return the name of the compute host named by its name, its hypervisor's, or both; "" is not named."""
    if node:
        found = hosts.hypervisors(call.clients, call.ctx, limit=call.clients.settings.api.max_page, pattern=node)
        names = [each.row.name for each in found if each.row.hypervisor_hostname == node]
    else:
        names = [each.row.host for each in hosts.services(call.clients, call.ctx, host=host, binary=hosts.COMPUTE)]
    if not names or (host and host not in names):
        raise errors.Invalid(reason=f"Compute host {(host or node)[:64]} could not be found.")
    return host or names[0]


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
        if nic.get("port") and nic.get("fixed_ip"):
            raise errors.Invalid(reason="A fixed_ip goes with a network, not with a port: a port has its addresses.")
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
    if call.param("all_tenants") == "" or _flag(call, "all_tenants"):
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
        wanted.statuses = _statuses(call, admin)
    _more_filters(call, wanted, admin)
    return wanted


def _flag(call: Call, name: str) -> bool:
    """Return a parameter that is true or false; without it, False."""
    text = call.param(name)
    if text is not None and text not in BOOLEAN["enum"]:
        raise errors.Invalid(reason=f"Invalid input for query parameters {name}. Value: {text[:20]}.")
    return to_bool(text)


def _statuses(call: Call, admin: bool) -> list[str]:
    asked = [status.upper() for status in call.query["status"]]
    unknown = [status for status in asked if status not in STATUSES]
    if unknown and call.at_least("2.38"):
        raise errors.Invalid(reason=f"Invalid status value: {unknown[0][:64]}.")
    if "DELETED" in asked and not admin:
        raise errors.Forbidden(action="list deleted servers")
    return asked


def _more_filters(call: Call, wanted: listing.ListServers, admin: bool) -> None:
    name = call.param("name") or call.param("display_name")
    if name:
        wanted.patterns["name"] = name
    for word in ("ip", "ip6"):
        if call.param(word) and (word == "ip" or admin or call.at_least("2.5")):
            wanted.patterns[word] = str(call.param(word))
    if "config_drive" in call.query:
        wanted.equal["config_drive"] = [to_bool(call.param("config_drive"))]
    if "locked" in call.query and call.at_least("2.73"):
        wanted.equal["locked"] = [_flag(call, "locked")]
    if "power_state" in call.query:
        wanted.equal["power_state"] = [int(v) for v in call.query["power_state"] if v in POWER_STATES]
    if admin and _flag(call, "deleted"):
        wanted.equal["id"] = []  # deleted servers have left the table; their history is in their actions
    wanted.changed_since, wanted.changed_before = changes_between(call)
    if call.at_least("2.26"):
        for word in ("tags", "tags-any", "not-tags", "not-tags-any"):
            values = [tag for text in call.query.get(word, ()) for tag in text.split(",") if tag]
            attribute = {"tags": "tags_all", "not-tags": "not_tags_all"}.get(word, word.replace("-", "_"))
            setattr(wanted, attribute, values)


def changes_between(call: Call) -> tuple[float | None, float | None]:
    """Return what ``changes-since`` and, from 2.66, ``changes-before`` ask for."""
    since, before = call.param("changes-since"), call.param("changes-before") if call.at_least("2.66") else None
    first = wire.parse_time(since, "changes-since") if since else None
    last = wire.parse_time(before, "changes-before") if before else None
    if first is not None and last is not None and first > last:
        raise errors.Invalid(reason="The value of changes-since must be less than or equal to changes-before.")
    return first, last


def _limit(call: Call) -> int:
    most = call.clients.settings.api.max_page
    text = call.param("limit")
    if text is None:
        return most
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise errors.Invalid(reason=f"Invalid input for query parameters limit. Value: {text[:20]}.")
    return min(int(text), most)


def _sort(call: Call) -> list[tuple[str, str]]:
    keys = call.query.get("sort_key", [])
    if len(keys) > 8:
        raise errors.Invalid(reason="At most 8 sort keys are taken.")
    pairs = paging.sort(call, {**SORT_KEYS, **{key: key for key in EVEN_SORT_KEYS}}, ("created_at", "desc"))
    if any(column == "host" for column, _ in pairs):  # the order would say who is on the same host
        call.clients.policy.check(call.ctx, "compute:servers:show:host")
    return [(column, way) for column, way in pairs if column not in EVEN_SORT_KEYS]


@resource.operation("GET", "/servers/{server_id}", policy="compute:servers:show")
def show(call: Call) -> Any:
    """Show one server."""
    return {"server": views.detail(call, listing.show(call.clients, call.ctx, server_id(call)))}


@resource.operation("PUT", "/servers/{server_id}", policy="compute:servers:update", body=schemas.UPDATE_BY_VERSION)
def update(call: Call) -> Any:
    """Change a server's name, description, host name or access addresses."""
    wanted = call.body["server"]
    changes = {CHANGED[name]: wanted[name] for name in CHANGED if name in wanted}
    if "access_ip_v6" in changes:
        changes["access_ip_v6"] = _canonical(changes["access_ip_v6"])
    if "name" in changes:
        changes["name"] = changes["name"].strip()
    row = core.update(call.clients, call.ctx, server_id(call), **changes)
    return {"server": views.changed(call, row)}


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
        raise InstanceNotFound(instance_id=found[:64])
    return found.lower()
