"""Instances as EC2 shows them: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_Instance.html"""

from __future__ import annotations

import datetime
import functools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from iaas.api.ec2 import ids
from iaas.compute.api import ec2 as core
from iaas.db import codec

CODES = {"pending": 0, "running": 16, "shutting-down": 32, "terminated": 48, "stopping": 64, "stopped": 80}
ROOT_DEVICE = "/dev/vda"
STORE = "instance-store"
VIRTUALIZATION = "hvm"
#: what EC2 calls the architectures that images name in their own words
ARCHITECTURES = {"aarch64": "arm64", "x86_64": "x86_64", "i686": "i386", "i386": "i386"}

Row = Any


def state(row: Row) -> dict[str, Any]:
    """The state of an instance, as a code and a word."""
    name = core.word(row)
    return {"code": CODES[name], "name": name}


def moment(seconds: float) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC)


def change(before: Row, after: Row) -> dict[str, Any]:
    """What an action on the state of an instance answers."""
    return {"instanceId": after.ec2_id, "currentState": state(after), "previousState": state(before)}


def tag_set(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in sorted(tags.items())]


def tags(row: Row) -> dict[str, str]:
    """An instance's tags: its metadata."""
    return codec.load(row.metadata, {})


def reservations(rows: Sequence[Row], group_ids: Mapping[str, str]) -> list[dict[str, Any]]:
    """Instances under the requests that made them."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row.reservation_id, []).append(row)
    return [reservation(reservation_id, members, group_ids) for reservation_id, members in found.items()]


def reservation(reservation_id: str, rows: Sequence[Row], group_ids: Mapping[str, str]) -> dict[str, Any]:
    ordered = sorted(rows, key=lambda row: row.launch_index)
    return {
        "reservationId": reservation_id,
        "ownerId": rows[0].project_id if rows else None,
        "groupSet": [],  # of EC2-Classic; the groups are the instances'
        "instancesSet": [instance(row, group_ids) for row in ordered],
    }


def instance(row: Row, group_ids: Mapping[str, str]) -> dict[str, Any]:
    """One instance; ``group_ids`` are the ids of the project's security groups by name."""
    interfaces = nics(row)
    groups = group_set(codec.load(row.security_groups, []), group_ids)
    ipv4, ipv6 = first_address(row, 4), first_address(row, 6)
    shown: dict[str, Any] = {
        "instanceId": row.ec2_id,
        "imageId": image_id(row),
        "instanceState": state(row),
        "privateDnsName": row.hostname if ipv4 else "",
        "dnsName": "",
        "reason": "",
        "keyName": row.key_name,
        "amiLaunchIndex": row.launch_index,
        "productCodes": [],
        "instanceType": instance_type(row),
        "launchTime": moment(row.created_at),
        "placement": {"availabilityZone": zone(row), "groupName": "", "tenancy": "default"},
        "monitoring": {"state": "disabled"},
        "privateIpAddress": ipv4,
        "ipv6Address": ipv6,
        "architecture": architecture(row),
        "rootDeviceType": STORE,
        "rootDeviceName": ROOT_DEVICE,
        "blockDeviceMapping": [],
        "virtualizationType": VIRTUALIZATION,
        "ebsOptimized": False,
        "groupSet": groups,
        "tagSet": tag_set(tags(row)),
        "networkInterfaceSet": [_interface(row, index, nic, groups) for index, nic in enumerate(interfaces)],
    }
    if interfaces:
        shown["vpcId"] = ids.to_ec2("network", interfaces[0]["network_id"])
        shown["subnetId"] = subnet_id(interfaces[0])
    return {**shown, **_reason(row)}


def _reason(row: Row) -> dict[str, Any]:
    """Why an instance is terminated, where it was not the user who wanted it."""
    if row.fault is None or core.word(row) != core.TERMINATED:
        return {}
    sentence = codec.load(row.fault)["message"]
    return {
        "reason": f"Server.InternalError: {sentence}",
        "stateReason": {"code": "Server.InternalError", "message": sentence},
    }


def _interface(row: Row, index: int, nic: Mapping[str, Any], groups: list[dict[str, str]]) -> dict[str, Any]:
    ipv4 = [each["address"] for each in nic["addresses"] if each["version"] == 4]
    ipv6 = [each["address"] for each in nic["addresses"] if each["version"] == 6]
    return {
        "networkInterfaceId": ids.to_ec2("port", nic["port_id"]),
        "subnetId": subnet_id(nic),
        "vpcId": ids.to_ec2("network", nic["network_id"]),
        "ownerId": row.project_id,
        "status": "in-use",
        "macAddress": nic["mac"],
        "privateIpAddress": ipv4[0] if ipv4 else None,
        "privateIpAddressesSet": [
            {"privateIpAddress": address, "primary": number == 0} for number, address in enumerate(ipv4)
        ],
        "ipv6AddressesSet": [{"ipv6Address": address} for address in ipv6],
        "groupSet": groups,
        "attachment": {"deviceIndex": index, "status": "attached"},
    }


# -- one value at a time: the answer's and the filters' ----------------------------------------------------


def nics(row: Row) -> list[dict[str, Any]]:
    return codec.load(row.network_info, [])


def addresses(row: Row, version: int) -> list[str]:
    return [each["address"] for nic in nics(row) for each in nic["addresses"] if each["version"] == version]


def first_address(row: Row, version: int) -> str | None:
    return next(iter(addresses(row, version)), None)


def subnet_id(nic: Mapping[str, Any]) -> str | None:
    found = [each["subnet_id"] for each in nic["addresses"] if each.get("subnet_id")]
    return ids.to_ec2("subnet", found[0]) if found else None


def group_set(names: Iterable[str], group_ids: Mapping[str, str]) -> list[dict[str, str]]:
    """Security groups; one that is gone, or another project's, has only its name."""
    found = []
    for name in names:
        known = group_ids.get(name)
        with_id = {"groupId": ids.to_ec2("security_group", known)} if known else {}
        found.append({**with_id, "groupName": name})
    return found


def zone(row: Row) -> str:
    return row.zone or row.zone_wanted or ""


def image_id(row: Row) -> str | None:
    return ids.to_ec2("image", row.image_id) if row.image_id else None


def instance_type(row: Row) -> str:
    return _type_of(row.flavor)


@functools.lru_cache(maxsize=256)
def _type_of(flavor: str) -> str:
    return codec.load(flavor).get("original_name") or ""


def architecture(row: Row) -> str:
    return architecture_of(codec.load(row.image, {}).get("properties", {}))


def architecture_of(properties: Mapping[str, Any]) -> str:
    named = str(properties.get("architecture") or properties.get("hw_architecture") or "x86_64")
    return ARCHITECTURES.get(named, named)
