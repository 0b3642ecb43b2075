"""Bridges and taps: what is there, and the ``ip`` commands that make what should be.

An interface of ours carries its resource's id as its alias; without that mark nothing is changed or removed.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from iaas.network.driver import Network, Subnet, bridge_name
from iaas.network.drivers.flat import rules
from iaas.network.drivers.flat.host import Host
from iaas.network.drivers.plan import Plan

NETWORK = "iaas network "
PORT = "iaas port "
UNMARKED = "iaasnew"  # names of interfaces in the making
TABLES_FROM = 20_000  # routing tables of networks: this plus the network's number


@dataclass(frozen=True)
class Link:
    """One interface."""

    name: str
    alias: str
    master: str | None
    up: bool
    mtu: int
    addresses: frozenset[str]


@dataclass
class Commands:
    """Lines for ``ip -batch`` and whose they are, so that an error closes what it concerns and no more."""

    lines: list[str] = field(default_factory=list)
    owners: list[str | None] = field(default_factory=list)

    def add(self, line: str, owner: str | None = None) -> None:
        self.lines.append(line)
        self.owners.append(owner)

    def make(self, line: str, name: str, mark: str, owner: str) -> None:
        """Make an interface that has its mark before it has its name: the kernel cannot do both at once."""
        new = f"{UNMARKED}{len(self.lines)}"
        self.add(line.format(new), owner)
        self.add(f"link set dev {new} alias '{mark}'", owner)
        self.add(f"link set dev {new} name {name}", owner)

    def run(self, host: Host) -> dict[str, str]:
        """Run them and return the first error of each owner; errors nobody owns are expected ones."""
        failed: dict[str, str] = {}
        for index, words in host.batch(self.lines).items():
            owner = self.owners[index]
            if owner is not None:
                failed.setdefault(owner, words)
        return failed


def read(host: Host) -> dict[str, Link]:
    """Return the interfaces by name."""
    return {link.name: link for link in map(_link, host.addresses()) if link.name}


def _link(row: Mapping[str, Any]) -> Link:
    found = row.get("addr_info", ())
    return Link(
        name=row.get("ifname", ""),
        alias=row.get("ifalias", ""),
        master=row.get("master"),
        up="UP" in row.get("flags", ()),
        mtu=row.get("mtu", 0),
        addresses=frozenset(f"{a['local']}/{a['prefixlen']}" for a in found if a.get("scope") == "global"),
    )


def ours(links: Mapping[str, Link], mark: str) -> dict[str, str]:
    """Return our interfaces of one kind: name -> id of the resource."""
    return {link.name: link.alias[len(mark) :] for link in links.values() if link.alias.startswith(mark)}


def mac_of(network_id: str) -> str:
    """Return the bridge's MAC, which must not change when taps come and go."""
    octets = hashlib.sha256(network_id.encode()).digest()[:3]
    return "fa:16:3f:" + ":".join(f"{octet:02x}" for octet in octets)


def bridge_address(subnet: Subnet) -> str:
    """Return the address the bridge has for a subnet; one without gateway gets DHCP from the metadata address."""
    if subnet.gateway is not None:
        return f"{subnet.gateway}/{ipaddress.ip_network(subnet.cidr).prefixlen}"
    return f"{rules.METADATA}/32"


# -- making --------------------------------------------------------------------------------------------------


def create(plan: Plan, links: Mapping[str, Link]) -> tuple[Commands, dict[str, str]]:
    """Return the commands for what is missing, all of it down still, and what cannot be: id -> reason."""
    commands, refused = Commands(), {}
    for name in links:
        if name.startswith(UNMARKED):  # left by a pass that was killed
            commands.add(f"link del dev {name}")
    for network in plan.networks:
        name, there = bridge_name(network.id), links.get(bridge_name(network.id))
        if there is None:
            kind = f"address {mac_of(network.id)} type bridge forward_delay 0"
            commands.make(f"link add name {{}} {kind}", name, NETWORK + network.id, network.id)
        elif there.alias != NETWORK + network.id:
            refused[network.id] = f"interface {name} is there and is not ours"
    for wire in plan.wires:
        tap, there = wire.port.tap, links.get(wire.port.tap)
        if there is not None and there.alias != PORT + wire.port.id:
            if not there.alias.startswith(PORT):
                refused[wire.port.id] = f"interface {tap} is there and is not ours"
                continue
            commands.add(f"link del dev {tap}", wire.port.id)
            there = None
        if there is None:
            commands.make("tuntap add dev {} mode tap", tap, PORT + wire.port.id, wire.port.id)
            commands.add(f"link set dev {tap} addrgenmode none", wire.port.id)
    return commands, refused


def bridge_sysctls(network: Network) -> dict[str, str]:
    """Return what the kernel must do on a bridge: answer ARP for its own addresses only, and at once."""
    name = bridge_name(network.id)
    return {
        f"net/ipv4/conf/{name}/arp_ignore": "1",
        f"net/ipv4/conf/{name}/rp_filter": "2",
        f"net/ipv6/conf/{name}/accept_dad": "0",
        f"net/ipv6/conf/{name}/accept_ra": "0",
    }


def raise_bridges(plan: Plan, links: Mapping[str, Link], rules_site: rules.Site) -> Commands:
    """Return the commands that give each bridge its addresses and routes, and put it to work."""
    commands = Commands()
    for network in plan.networks:
        name, there = bridge_name(network.id), links.get(bridge_name(network.id))
        has = there.addresses if there else frozenset()
        wants = {bridge_address(s) for s in network.subnets if s.version == 4 or s.gateway}
        changed = has != wants
        for address in sorted(has - wants):
            commands.add(f"addr del {address} dev {name}", network.id)
        if there is None or not there.up or there.mtu != network.mtu:
            commands.add(f"link set dev {name} mtu {network.mtu} up", network.id)
        for address in sorted(wants - has):
            commands.add(f"addr replace {address} dev {name}{' nodad' if ':' in address else ''}", network.id)
        if changed:
            _routes(commands, network, name, rules_site)
    return commands


def _routes(commands: Commands, network: Network, name: str, site: rules.Site) -> None:
    slot = site.slots[network.id]
    commands.add(f"rule del fwmark {slot} lookup {TABLES_FROM + slot}")  # there may be none
    commands.add(f"rule add fwmark {slot} lookup {TABLES_FROM + slot}", network.id)
    for subnet in network.subnets:
        if subnet.version == 4:
            if subnet.gateway is None:
                commands.add(f"route replace {subnet.cidr} dev {name}", network.id)
            commands.add(f"route replace {subnet.cidr} dev {name} table {TABLES_FROM + slot}", network.id)


def raise_taps(plan: Plan, links: Mapping[str, Link]) -> Commands:
    """Return the commands that let ports forward (their rules are loaded), and take down those that must not."""
    commands = Commands()
    for wire in plan.wires:
        tap, bridge = wire.port.tap, bridge_name(wire.network.id)
        link = links.get(tap)
        if link is not None and link.alias != PORT + wire.port.id:
            link = None  # it was made anew in this pass
        if not wire.port.admin_up:
            if link is not None and link.up:
                commands.add(f"link set dev {tap} down", wire.port.id)
            continue
        if link is None or link.master != bridge or link.mtu != wire.network.mtu:
            commands.add(f"link set dev {tap} master {bridge} mtu {wire.network.mtu}", wire.port.id)
        if link is None or not link.up:
            commands.add(f"link set dev {tap} up", wire.port.id)
    for tap in plan.closed:
        link = links.get(tap)
        if link is not None and link.alias.startswith(PORT) and (link.up or link.master):
            commands.add(f"link set dev {tap} nomaster down")
    return commands


# -- unmaking ------------------------------------------------------------------------------------------------


def remove(links: Mapping[str, Link], taps: set[str], networks: set[str], slots: Mapping[str, int]) -> Commands:
    """Return the commands that remove our interfaces other than these, and the rules of their networks."""
    commands = Commands()
    for tap in ours(links, PORT):
        if tap not in taps:
            commands.add(f"link del dev {tap}")
    for bridge, network_id in ours(links, NETWORK).items():
        if network_id not in networks:
            commands.add(f"link del dev {bridge}")
            if network_id in slots:
                commands.add(f"rule del fwmark {slots[network_id]} lookup {TABLES_FROM + slots[network_id]}")
    return commands
