"""What a guest is told about itself: pure functions from its row to the documents of every metadata source.

The metadata API serves them and the config drive carries them, so that a guest reads the same wherever it looks.
Sources: https://docs.openstack.org/nova/latest/user/metadata.html and
https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-instance-metadata.html
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
from collections.abc import Mapping, Sequence
from typing import Any

from iaas.common import names
from iaas.db import codec

DOMAIN = "novalocal"
Words = dict[str, Any]


def meta_data(row: Any, *, domain: str = DOMAIN, random_seed: bytes | None = None) -> Words:
    """Return ``meta_data.json`` of OpenStack.

    :param random_seed: bytes for the guest's entropy pool; left out where there is none
    """
    key = codec.load(row.key)
    words: Words = {
        "uuid": row.id,
        "name": row.name,
        "hostname": full_name(row, domain),
        "launch_index": row.launch_index,
        "availability_zone": row.zone or row.zone_wanted or "nova",
        "project_id": row.project_id,
        "devices": [],
        "meta": codec.load(row.metadata, {}),
    }
    if key:
        words["public_keys"] = {key["name"]: key["public_key"]}
        words["keys"] = [{"name": key["name"], "type": key["type"], "data": key["public_key"]}]
    if random_seed:
        words["random_seed"] = base64.b64encode(random_seed).decode()
    return words


def full_name(row: Any, domain: str) -> str:
    """Return the guest's host name with its domain."""
    return f"{row.hostname}.{domain}" if domain else row.hostname


def user_data(row: Any) -> bytes | None:
    """Return the user's bytes, or None. The row keeps them in base64, checked when the server was accepted."""
    if not row.user_data:
        return None
    try:
        return base64.b64decode(row.user_data)
    except (binascii.Error, ValueError):
        return row.user_data.encode()


def network_data(network_info: Sequence[Mapping[str, Any]], subnets: Mapping[str, Any] | None = None) -> Words:
    """Return ``network_data.json`` of OpenStack.

    :param network_info: what the instance's row keeps
    :param subnets: rows by id; a subnet without DHCP is told in full, all others are told to ask DHCP
    """
    links, networks, services = [], [], []
    for nic in network_info:
        tap = names.tap(nic["port_id"])
        link = {"id": tap, "vif_id": nic["port_id"], "type": "bridge", "mtu": nic["mtu"]}
        links.append({**link, "ethernet_mac_address": nic["mac"]})
        for address in nic["addresses"]:
            subnet = (subnets or {}).get(address["subnet_id"])
            kind = f"ipv{address['version']}"
            place: Words = {"id": f"network{len(networks)}", "link": tap, "network_id": nic["network_id"]}
            if subnet is None or subnet.enable_dhcp:
                networks.append({**place, "type": f"{kind}_dhcp"})
            else:
                networks.append({**place, "type": kind, **_static(address["address"], subnet)})
                services += [{"type": "dns", "address": dns} for dns in codec.load(subnet.dns_nameservers, [])]
    return {"links": links, "networks": networks, "services": services}


def _static(address: str, subnet: Any) -> Words:
    net = ipaddress.ip_network(subnet.cidr)
    routes = [
        _route(route["destination"], route["nexthop"], net.version) for route in codec.load(subnet.host_routes, [])
    ]
    if subnet.gateway_ip:
        routes.insert(0, _route("0.0.0.0/0" if net.version == 4 else "::/0", subnet.gateway_ip, net.version))
    return {"ip_address": address, "netmask": str(net.netmask), "routes": routes}


def _route(destination: str, gateway: str, version: int) -> Words:
    net = ipaddress.ip_network(destination, strict=False)
    return {"network": str(net.network_address), "netmask": str(net.netmask), "gateway": gateway}


def ec2_meta_data(row: Any, *, domain: str = DOMAIN) -> Words:
    """Return the EC2 tree under ``meta-data``: text leaves, lists of lines, and folders."""
    nics = codec.load(row.network_info, [])
    addresses = [address for nic in nics for address in nic["addresses"]]
    ipv4 = next((address["address"] for address in addresses if address["version"] == 4), "")
    name = full_name(row, domain)
    tree: Words = {
        "ami-launch-index": str(row.launch_index),
        "hostname": name,
        "instance-action": "none",
        "instance-id": row.ec2_id,
        "instance-type": codec.load(row.flavor, {}).get("original_name", row.flavor_id),
        "local-hostname": name,
        "local-ipv4": ipv4,
        "placement": {"availability-zone": row.zone or row.zone_wanted or "nova"},
        "public-hostname": name,
        "public-ipv4": "",
        "reservation-id": row.reservation_id,
        "security-groups": _group_names(row),
        "block-device-mapping": {"ami": "vda", "root": "/dev/vda"},
    }
    if row.image_id:
        tree["ami-id"] = "ami-" + row.image_id.replace("-", "")[:17]
    if nics:
        tree["mac"] = nics[0]["mac"]
    key = codec.load(row.key)
    if key:
        tree["public-keys"] = {"0": {"_name": key["name"], "openssh-key": key["public_key"].strip()}}
    return tree


def _group_names(row: Any) -> list[str]:
    groups = codec.load(row.security_groups, [])
    return [group["name"] if isinstance(group, dict) else group for group in groups]


def config_drive(row: Any, *, domain: str = DOMAIN, subnets: Mapping[str, Any] | None = None) -> Words:
    """Return the keyword arguments of ``configdrive.build`` for an instance."""
    ec2: Words = {**ec2_meta_data(row, domain=domain)}
    for number, key in ec2.get("public-keys", {}).items():
        ec2["public-keys"] = {number: {"openssh-key": key["openssh-key"]}}
    return {
        "metadata": meta_data(row, domain=domain),
        "user_data": user_data(row),
        "network_data": network_data(codec.load(row.network_info, []), subnets),
        "ec2_metadata": ec2,
    }
