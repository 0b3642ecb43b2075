"""Servers as the API shows them. Source: https://docs.openstack.org/api-ref/compute/#show-server-details"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson

from iaas.common.rest import wire
from iaas.common.rest.microversions import Version
from iaas.common.rest.operations import Call
from iaas.compute.api import hosts
from iaas.compute.states import INSTANCE

Row = Any
V2_3, V2_9, V2_16, V2_19, V2_26, V2_47 = (Version(2, minor) for minor in (3, 9, 16, 19, 26, 47))
V2_63, V2_71, V2_73, V2_75, V2_90, V2_96 = (Version(2, minor) for minor in (63, 71, 73, 75, 90, 96))


def created(call: Call, row: Any) -> dict[str, Any]:
    """What the answer to a create shows."""
    return {
        "id": row["id"],
        "links": wire.links(call.base_url, "v2.1", "servers", row["id"]),
        "OS-DCF:diskConfig": "MANUAL",
        "security_groups": [{"name": name} for name in orjson.loads(row["security_groups"])],
    }


def summary(call: Call, row: Row) -> dict[str, Any]:
    """One line of a list."""
    return {"id": row.id, "name": row.name, "links": wire.links(call.base_url, "v2.1", "servers", row.id)}


def details(call: Call, rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Every field of many servers; what depends on the caller and the version is decided once."""
    admin = call.clients.policy.allows(call.ctx, "compute:servers:show:host")
    placed = sorted({row.host for row in rows if row.host}) if admin else []
    show = Details(call, admin, hosts.named(call.clients, call.ctx, placed))
    return [show(row) for row in rows]


def detail(call: Call, row: Row) -> dict[str, Any]:
    """Every field of one server."""
    return details(call, [row])[0]


#: what an answer to a change has only from 2.75 on
_NOT_OF_A_CHANGE = frozenset({"config_drive", "key_name", "security_groups", "host_status"})
_NOT_OF_A_CHANGE_PREFIXES = ("OS-EXT-", "OS-SRV-USG:", "os-extended-volumes:")


def changed(call: Call, row: Row) -> dict[str, Any]:
    """What the answer to a change shows: all of it from 2.75 on, what was no extension before."""
    shown = detail(call, row)
    if call.version >= V2_75:
        return shown
    return {
        name: value
        for name, value in shown.items()
        if name not in _NOT_OF_A_CHANGE and not name.startswith(_NOT_OF_A_CHANGE_PREFIXES)
    }


class _Made(dict[Any, Any]):
    """What is made of a key, once in an answer: most servers of a page share image, flavor and host."""

    def __init__(self, make: Callable[[Any], Any]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, key: Any) -> Any:
        made = self[key] = self._make(key)
        return made


class Details:
    """The detail view for one caller at one version."""

    def __init__(self, call: Call, admin: bool, known: Mapping[str, hosts.Hypervisor]) -> None:
        self.base = call.base_url
        self.version = call.version
        self.admin = admin
        self.hosts = known
        self.extra = [add for start, add in EXTRA if call.version >= start]
        self.host_id = _Made(host_id)
        self.host_status = _Made(lambda name: _host_status(name, known.get(name)))
        self.bookmark = _Made(self._bookmark)
        self.groups = _Made(lambda text: [{"name": name} for name in orjson.loads(text)])

    def __call__(self, row: Row) -> dict[str, Any]:
        status = INSTANCE.state_of(row).openstack
        base, server_id = self.base, row.id
        shown: dict[str, Any] = {
            "id": server_id,
            "name": row.name,
            "status": status,
            "tenant_id": row.project_id,
            "user_id": row.user_id,
            "metadata": orjson.Fragment(row.metadata),
            "hostId": self.host_id[row.project_id, row.host],
            "image": self.bookmark["images", row.image_id] if row.image_id else "",
            "flavor": orjson.Fragment(row.flavor) if self.version >= V2_47 else self.bookmark["flavors", row.flavor_id],
            "created": wire.timestamp(row.created_at),
            "updated": wire.timestamp(row.updated_at),
            "addresses": addresses(row),
            "accessIPv4": row.access_ip_v4 or "",
            "accessIPv6": row.access_ip_v6 or "",
            "links": [
                {"rel": "self", "href": f"{base}/v2.1/servers/{server_id}"},
                {"rel": "bookmark", "href": f"{base}/servers/{server_id}"},
            ],
            "OS-DCF:diskConfig": "MANUAL",
            "OS-EXT-AZ:availability_zone": row.zone or "",
            "config_drive": "True" if row.config_drive else "",
            "key_name": row.key_name,
            "OS-SRV-USG:launched_at": wire.micros(row.launched_at),
            "OS-SRV-USG:terminated_at": wire.micros(row.terminated_at),
            "OS-EXT-STS:task_state": row.task_state,
            "OS-EXT-STS:vm_state": row.vm_state,
            "OS-EXT-STS:power_state": row.power_state,
            "os-extended-volumes:volumes_attached": [],
        }
        if groups := self.groups[row.security_groups]:
            shown["security_groups"] = groups
        if status in ("ACTIVE", "BUILD", "REBOOT", "HARD_REBOOT"):
            shown["progress"] = 100 if status == "ACTIVE" else 0
        if row.fault is not None and status == "ERROR":
            shown["fault"] = fault(row)
        if self.admin:
            shown["OS-EXT-SRV-ATTR:host"] = row.host
            host = self.hosts.get(row.host)
            shown["OS-EXT-SRV-ATTR:hypervisor_hostname"] = host.row.hypervisor_hostname if host else row.host
            shown["OS-EXT-SRV-ATTR:instance_name"] = "iaas-" + server_id
        for add in self.extra:
            add(self, row, shown)
        return shown

    def _bookmark(self, item: tuple[str, str]) -> dict[str, Any]:
        collection, item_id = item
        return {"id": item_id, "links": [{"rel": "bookmark", "href": f"{self.base}/{collection}/{item_id}"}]}


def host_id(of: tuple[str, str | None]) -> str:
    """The host's name, hashed with the project's id: the same host looks different to each project.

    :param of: the project's id, and the host's name
    """
    project_id, host = of
    return hashlib.sha224(f"{project_id}{host}".encode()).hexdigest() if host is not None else ""


def addresses(row: Row) -> dict[str, Any]:
    """Addresses by the network's name."""
    if row.network_info is None:
        return {}
    found: dict[str, Any] = {}
    for nic in orjson.loads(row.network_info):
        shown = found.setdefault(nic["network_name"], [])
        for address in nic["addresses"]:
            shown.append(
                {
                    "addr": address["address"],
                    "version": address["version"],
                    "OS-EXT-IPS:type": "fixed",
                    "OS-EXT-IPS-MAC:mac_addr": nic["mac"],
                }
            )
    return found


def fault(row: Row) -> dict[str, Any]:
    kept = orjson.loads(row.fault)
    return {"code": kept["code"], "message": kept["message"], "created": wire.timestamp(kept["created"])}


# -- fields by the version they came with ----------------------------------------------------------------


def _from_2_3(show: Details, row: Row, shown: dict[str, Any]) -> None:
    if show.admin:
        shown["OS-EXT-SRV-ATTR:reservation_id"] = row.reservation_id
        shown["OS-EXT-SRV-ATTR:launch_index"] = row.launch_index
        shown["OS-EXT-SRV-ATTR:hostname"] = row.hostname
        shown["OS-EXT-SRV-ATTR:kernel_id"] = ""
        shown["OS-EXT-SRV-ATTR:ramdisk_id"] = ""
        shown["OS-EXT-SRV-ATTR:root_device_name"] = "/dev/vda"
        shown["OS-EXT-SRV-ATTR:user_data"] = row.user_data


def _from_2_9(show: Details, row: Row, shown: dict[str, Any]) -> None:
    shown["locked"] = bool(row.locked)


def _from_2_16(show: Details, row: Row, shown: dict[str, Any]) -> None:
    if show.admin:
        shown["host_status"] = show.host_status[row.host]


def _host_status(name: str | None, host: hosts.Hypervisor | None) -> str:
    if name is None:
        return ""
    if host is None:
        return "UNKNOWN"
    if host.row.disabled:
        return "MAINTENANCE"
    if host.row.forced_down:
        return "DOWN"
    return "UP" if host.up else "UNKNOWN"


def _from_2_19(show: Details, row: Row, shown: dict[str, Any]) -> None:
    shown["description"] = row.description


def _from_2_26(show: Details, row: Row, shown: dict[str, Any]) -> None:
    shown["tags"] = orjson.Fragment(row.tags)


def _from_2_63(show: Details, row: Row, shown: dict[str, Any]) -> None:
    shown["trusted_image_certificates"] = None


def _from_2_71(show: Details, row: Row, shown: dict[str, Any]) -> None:
    shown["server_groups"] = []


def _from_2_73(show: Details, row: Row, shown: dict[str, Any]) -> None:
    shown["locked_reason"] = row.locked_reason


def _from_2_90(show: Details, row: Row, shown: dict[str, Any]) -> None:
    shown["OS-EXT-SRV-ATTR:hostname"] = row.hostname


def _from_2_96(show: Details, row: Row, shown: dict[str, Any]) -> None:
    shown["pinned_availability_zone"] = row.zone_wanted


EXTRA: list[tuple[Version, Callable[[Details, Row, dict[str, Any]], None]]] = [
    (V2_3, _from_2_3),
    (V2_9, _from_2_9),
    (V2_16, _from_2_16),
    (V2_19, _from_2_19),
    (V2_26, _from_2_26),
    (V2_63, _from_2_63),
    (V2_71, _from_2_71),
    (V2_73, _from_2_73),
    (V2_90, _from_2_90),
    (V2_96, _from_2_96),
]
