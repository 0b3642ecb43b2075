"""Ports and addresses: each address once, each port where its server is, each tap a row's."""

from __future__ import annotations

import ipaddress
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from iaas.db import codec
from iaas.doctor import unreadable
from iaas.doctor.case import Case, is_servers
from iaas.doctor.findings import Finding, counted

FREE = "It is freed, if no server shows it and no guest has it."
ANOTHER = (
    "Its subnet's row was changed, or the port's: set right which of them it was, or give the port another address."
)
ONE = "Take it from all of them but one: `openstack port unset --fixed-ip`. The port list of its network names them."
BIND = "It is bound where its server is, if nothing says that another server has it."
COMPARE = "The network worker of the host compares by itself; see its log if this stays."
UNPROVEN = (
    "If nothing proves that it was given up, the network worker names it in its log and leaves it as it is. Bring its"
    " rows back; or, if nobody needs its guest, destroy that at the hypervisor and remove the tap: `ip link del`."
)


def port_name(row: Any) -> str:
    return f"port {row.id}"


def settled(case: Case, port: Any) -> bool:
    """Whether a port may be judged: neither it nor its network nor its server changes."""
    return case.settled(port.device_id or port.id, port.touched_at)


def addresses_once(case: Case) -> Iterator[Finding]:
    """I9: an address of a network belongs to one port, is of one of its subnets, and lies in that."""
    cidrs = {row.id: case.read("subnets", row, "cidr", unreadable.network) for row in case.rows.subnets}
    owners: dict[tuple[str, str], set[str]] = defaultdict(set)
    for row in case.rows.fixed_ips:
        port = case.ports.get(row.port_id)
        owners[row.network_id, row.address].add(row.port_id)
        if port is None:
            what = f"It belongs to the port {row.port_id}, which is not there."
            yield Finding("I9", f"address {row.address}", what, None, FREE, "free_address")
        elif row.network_id != port.network_id:
            what = f"Its address {row.address} is of another network."
            yield Finding("I9", port_name(port), what, port.updated_at, ANOTHER)
        else:
            cidr, address = cidrs.get(row.subnet_id), case.read("fixed_ips", row, "address", ipaddress.ip_address)
            if cidr is not None and address is not None and address not in cidr:
                yield Finding("I9", port_name(port), f"Its address {row.address} is not in {cidr}.", None, ANOTHER)
    for (network, address), ports in owners.items():
        if len(ports) > 1:
            what = f"{len(ports)} ports of network {network} have it."
            yield Finding("I9", f"address {address}", what, None, ONE)


def copies_agree(case: Case) -> Iterator[Finding]:
    """I9: what a server shows of its ports and addresses is what the rows of its ports say."""
    for row in case.rows.instances:
        if row.task_state or not case.server_settled(row):
            continue
        shown = case.read("instances", row, "network_info", lambda text: by_port(codec.load(text, [])))
        if shown is None:
            continue
        there = {port.id: sorted(ip.address for ip in case.addresses[port.id]) for port in case.ports_of[row.id]}
        if shown != there:
            what = f"It shows {_said(shown)}, its ports have {_said(there)}."
            remedy = "What it shows is written anew from its ports, if nothing says that it has what it shows."
            yield Finding("I9", f"server {row.id}", what, row.updated_at, remedy, "refresh_addresses")


def by_port(info: list[dict[str, Any]]) -> dict[str, list[str]]:
    """Return the addresses a server shows, by port."""
    return {nic["port_id"]: sorted(item["address"] for item in nic["addresses"]) for nic in info}


def _said(ports: dict[str, list[str]]) -> str:
    found = sorted(address for addresses in ports.values() for address in addresses)
    return f"{counted(len(ports), 'port')} with {', '.join(found) or 'no address'}"


def servers_are_there(case: Case) -> Iterator[Finding]:
    """I9: the server a port belongs to is there."""
    for port in case.rows.ports:
        if is_servers(port) and port.device_id not in case.instances:
            what = f"It belongs to the server {port.device_id}, which is gone."
            remedy = "If nothing uses it, it goes with its addresses and quota; one not made for the server is let go."
            yield Finding("I9", port_name(port), what, port.updated_at, remedy, "release_ports")


def bound_where_servers_are(case: Case) -> Iterator[Finding]:
    """I9: a server's port is bound where the server is."""
    for port in case.rows.ports:
        row = case.instances.get(port.device_id) if is_servers(port) else None
        if row is None or port.host == row.host or row.task_state is not None:
            continue
        if settled(case, port) and case.settled(row.id, row.updated_at):
            what = f"It is bound to {port.host}, its server {row.id} is on {row.host}."
            yield Finding("I9", port_name(port), what, port.updated_at, BIND, "bind_port")


def bound_is_wired(case: Case) -> Iterator[Finding]:
    """I9: a port bound to a host carries frames there, or says why not."""
    there = dict(case.told("ports"))
    for port in case.rows.ports:
        if port.host not in there or not settled(case, port) or port.error or not port.admin_up:
            continue
        if port.id not in there[port.host]:
            yield Finding("I9", port_name(port), f"It is not wired on {port.host}.", port.updated_at, COMPARE)


def wired_is_bound(case: Case) -> Iterator[Finding]:
    """I7: what carries frames on a host is a port that is bound there."""
    for name, wired in case.told("ports"):
        for port_id in sorted(wired):
            port = case.ports.get(port_id)
            if port is None:
                yield Finding("I7", f"port {port_id}", f"Host {name} carries it, no row does.", None, UNPROVEN)
            elif settled(case, port) and port.host != name:
                what = f"Host {name} carries it, its row says {port.host or 'no host'}."
                yield Finding("I7", port_name(port), what, port.updated_at, COMPARE)


def closed_is_closed(case: Case) -> Iterator[Finding]:
    """I14: a port that is unfinished or administratively down carries nothing."""
    for name, wired in case.told("ports"):
        for port in [case.ports[port_id] for port_id in sorted(wired) if port_id in case.ports]:
            if port.host == name and settled(case, port) and (port.error or not port.admin_up):
                why = port.error or "it is administratively down"
                yield Finding(
                    "I14", port_name(port), f"Host {name} carries it although {why}.", port.updated_at, COMPARE
                )


def taps_are_bound(case: Case) -> Iterator[Finding]:
    """I7: a host has taps of ports that are bound there only."""
    wired = {(name, port) for name, ports in case.told("ports") for port in ports}
    for name, taps in case.told("taps"):
        for port_id in sorted(taps):
            port = case.ports.get(port_id)
            bound = port is not None and (port.host == name or not settled(case, port))
            if not bound and (name, port_id) not in wired:
                what, do = f"Host {name} has a tap of it.", UNPROVEN if port is None else COMPARE
                yield Finding("I7", f"port {port_id}", what, None, do)


def networks_are_used(case: Case) -> Iterator[Finding]:
    """I7: a host has bridges and DHCP servers of networks only that ports bound there are of."""
    used = {(port.host, port.network_id) for port in case.rows.ports}
    for name, networks in case.told("networks"):
        for network in sorted(networks):
            if (name, network) not in used:
                what = f"Host {name} has a bridge or a DHCP server of it and no port."
                yield Finding("I7", f"network {network}", what, None, COMPARE)
