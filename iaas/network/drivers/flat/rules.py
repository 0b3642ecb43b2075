"""What guests may send and receive, as input for ``iptables-restore`` and ``ip6tables-restore``: pure functions.

How a packet is judged (``FORWARD``; frames between ports of one bridge pass here by br_netfilter):

* ``iaas-forward`` sends what comes from a tap to that port's ``iaas-o-TAP``: the egress rules.
* What they allow goes on to ``iaas-ingress``, which knows all the ways out: another port's ``iaas-i-TAP`` (its
  ingress rules), or the uplink. Nothing else: networks on one host do not reach each other.
* Both end with a drop. The rules of a group are in two chains of its own that its ports share.

Each network has its own conntrack zone, so that a flow of one network never vouches for the same addresses on
another. Flows that leave the network keep their replies in zone 0, where the answers from outside arrive.
Forged senders never come here: see :mod:`iaas.network.drivers.flat.frames`.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from iaas.network.driver import Network, Port, bridge_name
from iaas.network.drivers import digests
from iaas.network.drivers import plan as planning
from iaas.network.drivers.flat import names
from iaas.network.drivers.matches import Match
from iaas.network.drivers.plan import Plan, Wire

METADATA = "169.254.169.254"
ESTABLISHED = "-m conntrack --ctstate RELATED,ESTABLISHED"
INVALID = "-m conntrack --ctstate INVALID"
ANY = {4: "0.0.0.0/0", 6: "::/0"}
# Neighbour discovery and multicast listener messages, which conntrack does not follow (RFC 4890, 4.4.1).
ND_FROM_GUEST = (131, 132, 133, 135, 136, 143)
ND_TO_GUEST = (130, 135, 136)


@dataclass
class Table:
    """One table: our chains, the rule that leads into each entry chain, and the rules."""

    entries: Mapping[str, str]  # built-in chain -> our chain
    chains: list[str] = field(default_factory=list)
    rules: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.chains.extend(self.entries.values())

    def add(self, chain: str, words: str, comment: str = "") -> None:
        remark = f' -m comment --comment "{comment}"' if comment else ""
        self.rules.append(
            f"-A {chain} {words}{remark}" if words.startswith("-j") else _before_jump(chain, words, remark)
        )


def _before_jump(chain: str, words: str, remark: str) -> str:
    head, jump, tail = words.partition(" -j ")
    return f"-A {chain} {head}{remark}{jump}{tail}"


@dataclass(frozen=True)
class Site:
    """What the writer must know of the host: the interface out, and a small number for each network."""

    uplink: str | None
    slots: Mapping[str, int]
    metadata_port_base: int
    dns_port_base: int

    def metadata_port(self, network_id: str) -> int:
        return self.metadata_port_base + self.slots[network_id]

    def dns_port(self, network_id: str) -> int:
        return self.dns_port_base + self.slots[network_id]


def tables(version: int, plan: Plan, site: Site) -> dict[str, Table]:
    """Return all the rules of a host for one IP version; the filter comes last."""
    found = {"raw": _zones(version, plan, site)}
    if version == 4:
        found["mangle"] = _marks(plan, site)
    found["nat"] = _translation(version, plan, site)
    found["filter"] = _filter(version, plan, site)
    return found


# -- flows ---------------------------------------------------------------------------------------------------


def _zones(version: int, plan: Plan, site: Site) -> Table:
    table = Table({"PREROUTING": "iaas-zones"})
    local = {4: ("224.0.0.0/4", "255.255.255.255/32"), 6: ("ff00::/8", "fe80::/10")}[version]
    for network in plan.networks:
        came, zone = f"-i {bridge_name(network.id)}", site.slots[network.id]
        for gateway in gateways(network, version):
            table.add("iaas-zones", f"{came} -d {gateway} -j CT --zone-orig {zone}", f"network {network.id}")
        inside = [str(net) for net in _inside(version, network, plan)]
        for net in (*inside, *local):
            table.add("iaas-zones", f"{came} -d {net} -j CT --zone {zone}")
        table.add("iaas-zones", f"{came} -j CT --zone-orig {zone}")
    return table


def _inside(version: int, network: Network, plan: Plan) -> Iterable[planning.IPNetwork]:
    nets: list[planning.IPNetwork] = [ipaddress.ip_network(subnet.cidr) for subnet in network.subnets]
    for wire in plan.wires:
        if wire.network.id == network.id and wire.port.allowed_pairs:
            nets.extend(net for guard in wire.guards for net in guard.nets if net.prefixlen)
    return [net for net in planning.collapse(nets) if net.version == version]


def _marks(plan: Plan, site: Site) -> Table:
    """Remember a flow's network, so that answers find their way where two networks have the same addresses."""
    table = Table({"PREROUTING": "iaas-marks", "OUTPUT": "iaas-answers"})
    restore = "-m connmark ! --mark 0 -j CONNMARK --restore-mark"
    for network in plan.networks:
        words = f"-i {bridge_name(network.id)} -j CONNMARK --set-mark {site.slots[network.id]}"
        table.add("iaas-marks", words, f"network {network.id}")
    if site.uplink is not None:
        table.add("iaas-marks", f"-i {site.uplink} {restore}")
    if plan.networks:
        table.add("iaas-answers", restore)
    return table


def _translation(version: int, plan: Plan, site: Site) -> Table:
    table = Table({"PREROUTING": "iaas-services", "POSTROUTING": "iaas-nat"})
    for network in plan.networks:
        remark, came = f"network {network.id}", f"-i {bridge_name(network.id)}"
        to_port = f"-j REDIRECT --to-ports {site.dns_port(network.id)}"
        for gateway in gateways(network, version):
            table.add("iaas-services", f"{came} -d {gateway} -p 17 -m udp --dport 53 {to_port}", remark)
            table.add("iaas-services", f"{came} -d {gateway} -p 6 -m tcp --dport 53 {to_port}", remark)
        if version == 6:
            continue
        to_port = f"-j REDIRECT --to-ports {site.metadata_port(network.id)}"
        table.add("iaas-services", f"{came} -d {METADATA} -p 6 -m tcp --dport 80 {to_port}", remark)
        if site.uplink is None or not network.external_access:
            continue
        for subnet in network.subnets:
            if subnet.version == 4:
                words = f"-s {subnet.cidr} ! -d {subnet.cidr} -o {site.uplink} -j MASQUERADE"
                table.add("iaas-nat", words, remark)
    return table


# -- what passes ---------------------------------------------------------------------------------------------


def _filter(version: int, plan: Plan, site: Site) -> Table:
    table = Table({"FORWARD": "iaas-forward", "INPUT": "iaas-input"}, ["iaas-ingress"])
    for tap in plan.closed:
        table.add("iaas-forward", f"-i {tap} -j DROP")
        table.add("iaas-input", f"-i {tap} -j DROP")
        table.add("iaas-forward", f"-m physdev --physdev-in {tap} -j DROP")
        table.add("iaas-ingress", f"-m physdev --physdev-out {tap} --physdev-is-bridged -j DROP")
    for wire in plan.wires:
        remark = remark_of(version, wire, plan)
        egress = names.port_chain(wire.port.tap, "o") if wire.port.secured else "iaas-ingress"
        table.add("iaas-forward", f"-m physdev --physdev-in {wire.port.tap} -j {egress}", remark)
        target = _ingress_target(wire.port)
        words = f"-m physdev --physdev-out {wire.port.tap} --physdev-is-bridged -j {target}"
        table.add("iaas-ingress", words, remark)
        if wire.port.secured:
            _port_chains(version, table, wire.port)
    for group in plan.groups.values():
        for direction, found, verdict in (
            ("i", group.ingress, "ACCEPT"),
            ("o", group.egress, "iaas-ingress"),
        ):
            chain = names.group_chain(group.id, direction)
            table.chains.append(chain)
            for match in found:
                if match.version == version:
                    table.add(chain, f"{words_of(match, direction)}-j {verdict}")
    for network in plan.networks:
        _network(version, table, network, plan, site)
    return table


def _ingress_target(port: Port) -> str:
    return names.port_chain(port.tap, "i") if port.secured else "ACCEPT"


def _port_chains(version: int, table: Table, port: Port) -> None:
    for direction in "oi":
        chain = names.port_chain(port.tap, direction)
        table.chains.append(chain)
        for words in _of_port(version, direction, port):
            table.add(chain, words)


def _of_port(version: int, direction: str, port: Port) -> list[str]:
    """Return the rules of a port in one direction; those of its groups are in the groups' chains."""
    discovery, passed = (ND_FROM_GUEST, "iaas-ingress") if direction == "o" else (ND_TO_GUEST, "ACCEPT")
    neighbours = [f"-p 58 -m icmp6 --icmpv6-type {kind} -j {passed}" for kind in discovery] if version == 6 else []
    groups = [f"-j {names.group_chain(group_id, direction)}" for group_id in dict.fromkeys(port.group_ids)]
    return [f"{ESTABLISHED} -j {passed}", *neighbours, f"{INVALID} -j DROP", *groups, "-j DROP"]


def remark_of(version: int, wire: Wire, plan: Plan) -> str:
    """Return what is written on the two rules that lead to a port's own: whose, their digest, and how many they are.

    Who looks at the kernel's copy compares the digest with the rows and counts the rules: see ``loaded.py``.
    """
    port, count = wire.port, 2
    if port.secured:
        count += sum(len(_of_port(version, direction, port)) for direction in "oi")
        groups = [plan.groups[group_id] for group_id in dict.fromkeys(port.group_ids)]
        count += sum(match.version == version for group in groups for match in (*group.ingress, *group.egress))
    return f"port {port.id} {digests.rules_of(wire, plan, version)} {count}"


def words_of(match: Match, direction: str) -> str:
    """Return a rule's conditions, with a space at the end where there are any."""
    words: list[str] = []
    if match.cidr is not None:
        words.append(f"{'-s' if direction == 'i' else '-d'} {match.cidr}")
    if match.protocol is not None:
        words.append(f"-p {match.protocol}")
    if match.ports is not None:
        low, high = match.ports
        words.append(f"-m multiport --dports {low if low == high else f'{low}:{high}'}")
    if match.icmp is not None:
        kind, code = match.icmp
        number = str(kind) if code is None else f"{kind}/{code}"
        words.append(f"-m icmp --icmp-type {number}" if match.version == 4 else f"-m icmp6 --icmpv6-type {number}")
    if match.group is not None:
        name = names.address_set(match.group, match.version)
        words.append(f"-m set --match-set {name} {'src' if direction == 'i' else 'dst'}")
    return "".join(word + " " for word in words)


def _network(version: int, table: Table, network: Network, plan: Plan, site: Site) -> None:
    bridge, remark = bridge_name(network.id), f"network {network.id}"
    wires = [wire for wire in plan.wires if wire.network.id == network.id]
    table.add("iaas-forward", f"-i {bridge} -j iaas-ingress", remark)
    table.add("iaas-forward", f"-o {bridge} -j iaas-ingress", remark)
    table.add("iaas-ingress", f"-i {bridge} -m physdev --physdev-is-bridged -j ACCEPT")
    leads_out = site.uplink is not None and network.external_access
    if leads_out:
        table.add("iaas-ingress", f"-i {bridge} -o {site.uplink} -j ACCEPT", remark)
    table.add("iaas-ingress", f"-i {bridge} -j DROP")
    if leads_out:
        table.add("iaas-ingress", f"-o {bridge} ! -i {site.uplink} -j DROP")
        for target, ip in _routed(version, wires):
            table.add("iaas-ingress", f"-o {bridge} -d {ip} -j {target}")
    table.add("iaas-ingress", f"-o {bridge} -j DROP")
    _to_host(version, table, network, site)


def _routed(version: int, wires: Iterable[Wire]) -> Iterable[tuple[str, str]]:
    for wire in wires:
        for _, ip in wire.addresses:
            if ip.version == version:
                yield _ingress_target(wire.port), str(ip)


def _to_host(version: int, table: Table, network: Network, site: Site) -> None:
    """A guest gets DHCP, names, metadata and an echo from its host, and nothing else."""
    came = f"-i {bridge_name(network.id)}"
    table.add("iaas-input", f"{came} {ESTABLISHED} -j ACCEPT", f"network {network.id}")
    if version == 4:
        table.add("iaas-input", f"{came} -p 17 -m udp --sport 68 --dport 67 -j ACCEPT")
    else:
        table.add("iaas-input", f"{came} -p 17 -m udp --sport 546 --dport 547 -j ACCEPT")
        for kind in ND_FROM_GUEST:
            table.add("iaas-input", f"{came} -p 58 -m icmp6 --icmpv6-type {kind} -j ACCEPT")
    for protocol, port in (
        ("-p 6 -m tcp", site.metadata_port(network.id)),
        ("-p 6 -m tcp", site.dns_port(network.id)),
        ("-p 17 -m udp", site.dns_port(network.id)),
    ):  # sent here by our own rules, under the ports that guests know
        ours = f"{protocol} --dport {port} -m conntrack --ctstate DNAT"
        table.add("iaas-input", f"{came} {ours} -j ACCEPT")
    echo = "-p 1 -m icmp --icmp-type 8" if version == 4 else "-p 58 -m icmp6 --icmpv6-type 128"
    for gateway in gateways(network, version):
        table.add("iaas-input", f"{came} -d {gateway} {echo} -j ACCEPT")
    table.add("iaas-input", f"{came} -j DROP")


def gateways(network: Network, version: int) -> list[str]:
    """The gateway addresses a network's bridge has."""
    return [subnet.gateway for subnet in network.subnets if subnet.gateway and subnet.version == version]
