"""What frames a guest may send, as input for ``nft -f``: anti-spoofing on the bridge, before anything else sees it.

ARP passes no IP filter, so senders are checked here, in nftables' bridge family, without state. A guest sends
ARP, IPv4 and IPv6 from its own MAC and addresses (and its address pairs), asks for DHCP leases in its own name,
and is never a router or a DHCP server. A guest receives what is for its MAC, broadcast or multicast: a frame the
bridge floods because it forgot an address is not for its neighbours' eyes (OSSA-2016-009, 2019-004, 2021-001,
2021-004).

Offsets are from RFC 2131 (``chaddr`` is 28 octets into a message, behind 8 of UDP) and RFC 4861 (the target is
8 octets into a neighbour message).
"""

from __future__ import annotations

from collections.abc import Iterable

from iaas.network.drivers import digests
from iaas.network.drivers.flat import names
from iaas.network.drivers.plan import IPNetwork, Plan, Wire

TABLE = "iaas"


def ruleset(plan: Plan) -> str:
    """Return the table as one transaction that replaces the one before it."""
    body = _body(plan)
    mark = names.mark_chain(body)
    lines = [
        f"table bridge {TABLE}",
        f"delete table bridge {TABLE}",
        f"table bridge {TABLE} {{",
        f" chain {mark} {{",
    ]
    return "\n".join([*lines, " }", body, "}", ""])


def mark(plan: Plan) -> str:
    """Return the name of the chain that is there when :func:`ruleset` is loaded."""
    return names.mark_chain(_body(plan))


def _body(plan: Plan) -> str:
    secured = [wire for wire in plan.wires if wire.port.secured]
    chains = [_chain(name, rules) for wire in secured for name, rules in _port(wire).items()]
    came = [f'"{wire.port.tap}" : goto from_{_word(wire)}' for wire in secured]
    came += [f'"{tap}" : drop' for tap in plan.closed]
    goes = [f'"{wire.port.tap}" : goto to_{_word(wire)}' for wire in secured]
    goes += [f'"{tap}" : drop' for tap in plan.closed]
    chains.append(_chain("sent", _hook("prerouting", -300) + _dispatch("iifname", came)))
    chains.append(_chain("received", _hook("postrouting", 0) + _dispatch("oifname", goes)))
    return "\n".join(chains)


def _hook(hook: str, priority: int) -> list[str]:
    return [f"type filter hook {hook} priority {priority}; policy accept;"]


def _dispatch(key: str, verdicts: list[str]) -> list[str]:
    return [f"{key} vmap {{ {', '.join(verdicts)} }}"] if verdicts else []


def _chain(name: str, rules: Iterable[str]) -> str:
    return "\n".join([f" chain {name} {{", *(f"  {rule}" for rule in rules), " }"])


def _word(wire: Wire) -> str:
    return wire.port.tap.replace("-", "_")


def _port(wire: Wire) -> dict[str, list[str]]:
    word = _word(wire)
    families = f"arp : goto arp_{word}, ip : goto ip4_{word}, ip6 : goto ip6_{word}"
    macs = ", ".join(guard.mac for guard in wire.guards)
    multicast = "ether daddr & 01:00:00:00:00:00 == 01:00:00:00:00:00 accept"
    found = {
        f"arp_{word}": _arp(wire),
        f"ip4_{word}": _ip4(wire),
        f"target_{word}": _targets(wire),
        f"ip6_{word}": _ip6(wire, f"target_{word}"),
        f"from_{word}": [
            "meta protocol != { ip, arp, ip6 } drop",  # what the kernel takes it for
            f"ether type vmap {{ {families} }}",  # and what is written on it: an 802.1Q tag ends here
            "drop",
        ],
        f"to_{word}": [f"ether daddr {{ {macs} }} accept", multicast, "drop"],
    }
    # whose these are, the digest of what they let through and how many they are, for who compares: see loaded.py
    count = sum(map(len, found.values()))
    found[f"from_{word}"][0] += f' comment "port {wire.port.id} {digests.senders(wire)} {count}"'
    return found


def _arp(wire: Wire) -> list[str]:
    plain = "arp htype 1 arp ptype ip arp hlen 6 arp plen 4 arp operation { request, reply }"
    rules: list[str] = []
    for guard in wire.guards:
        same = f"{plain} ether saddr {guard.mac} arp saddr ether {guard.mac}"
        if guard.of(4):
            rules.append(f"{same} {_in('arp saddr ip', guard.of(4))}accept")
        rules.append(f"{same} arp operation request arp saddr ip 0.0.0.0 accept")  # a probe: RFC 5227
    return [*rules, "drop"]


def _ip4(wire: Wire) -> list[str]:
    own = f"ether saddr {wire.mac}"
    in_own_name = f"@th,288,48 0x{wire.mac.replace(':', '')}"
    asks = f"{own} udp sport 68 udp dport 67 {in_own_name}"
    rules = ["udp sport 67 drop", f"{asks} ip saddr 0.0.0.0 ip daddr 255.255.255.255 accept"]
    renews = [f"{asks} {_in('ip saddr', wire.guards[0].of(4))}accept"] if wire.guards[0].of(4) else []
    return [*rules, *renews, "udp dport 67 drop", *_senders(wire, 4, "ip saddr"), "drop"]


def _ip6(wire: Wire, targets: str) -> list[str]:
    own = f"ether saddr {wire.mac}"
    return [
        "exthdr frag exists meta l4proto ipv6-icmp drop",  # RFC 6980
        "icmpv6 type { nd-router-advert, nd-redirect } drop",
        "udp sport 547 drop",
        f"icmpv6 type nd-neighbor-advert jump {targets}",
        f"ip6 saddr :: icmpv6 type nd-neighbor-solicit jump {targets}",  # duplicate address detection
        f"{own} ip6 saddr :: icmpv6 type {{ nd-neighbor-solicit, nd-router-solicit, mld2-listener-report }} accept",
        *_senders(wire, 6, "ip6 saddr"),
        "drop",
    ]


def _targets(wire: Wire) -> list[str]:
    """Return if a neighbour message is about an address of the port's own, else drop it."""
    nets = [net for guard in wire.guards for net in guard.of(6)]
    if any(net.prefixlen == 0 for net in nets):
        return ["return"]
    own = [f"@th,64,{net.prefixlen} {int(net.network_address) >> (128 - net.prefixlen):#x} return" for net in nets]
    return [*own, "drop"]


def _senders(wire: Wire, version: int, field: str) -> list[str]:
    pairs = [(guard.mac, guard.of(version)) for guard in wire.guards if guard.of(version)]
    return [f"ether saddr {mac} {_in(field, nets)}accept" for mac, nets in pairs]


def _in(field: str, nets: Iterable[IPNetwork]) -> str:
    texts = [str(net.network_address) if net.prefixlen == net.max_prefixlen else str(net) for net in nets]
    if any(net.prefixlen == 0 for net in nets):
        return ""
    return f"{field} {{ {', '.join(texts)} }} "
