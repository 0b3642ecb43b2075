"""Stored rows as hypothesis makes them: sensible ones, senseless ones and hostile ones."""

from __future__ import annotations

from hypothesis import strategies as st

from iaas.network.driver import Desired, Network, Port, Rule, Subnet, tap_name

NASTY = (
    "",
    "\n",
    "x\n-A INPUT -j ACCEPT",
    "a,b",
    "#",
    "\0",
    "../..",
    "é" * 300,
    '"; }',
    "0.0.0.0/0",
    "::/0",
    "10.0.0.1/33",
)
PROTOCOLS = (
    None,
    "tcp",
    "udp",
    "icmp",
    "icmpv6",
    "ipv6-icmp",
    "sctp",
    "vrrp",
    "TCP",
    "256",
    "-1",
    "0",
    "6",
    "17",
    "132",
    "any",
)
GROUPS = ("g-1", "g-2", "g\n3")

numbers = st.one_of(st.none(), st.sampled_from((-1, 0, 1, 22, 80, 255, 256, 65535, 65536)))
cidrs = st.one_of(
    st.none(),
    st.sampled_from(NASTY),
    st.ip_addresses(v=4).map(str),
    st.ip_addresses(v=6).map(str),
    st.builds("{}/{}".format, st.ip_addresses(v=4), st.integers(0, 34)),
    st.builds("{}/{}".format, st.ip_addresses(v=6), st.integers(0, 130)),
)
rules = st.builds(
    Rule,
    id=st.just("rule"),
    direction=st.sampled_from(("ingress", "egress", "ingress", "egress", "sideways")),
    ethertype=st.sampled_from(("IPv4", "IPv6", "IPv4", "IPv6", "ARP")),
    protocol=st.sampled_from(PROTOCOLS),
    port_min=numbers,
    port_max=numbers,
    remote_cidr=cidrs,
    remote_group_id=st.one_of(st.none(), st.sampled_from(GROUPS)),
)
NETS = (
    Network("net-a", (Subnet("a4", "10.0.0.0/24", "10.0.0.1"), Subnet("a6", "fd00:a::/64", "fd00:a::1")), mtu=1450),
    Network(
        "net-b",
        (Subnet("b4", "10.0.0.0/16", None, routes=(("192.0.2.0/24", "10.0.0.9"),)),),
        external_access=False,
    ),
    Network("net-bad", (Subnet("x4", "10.0.0.7/24", "10.0.0.1"),)),
)
macs = st.one_of(
    st.integers(1, 250).map("fa:16:3e:00:00:{:02x}".format),
    st.sampled_from(("", "FA:16:3E:00:00:AA", *NASTY)),
)


@st.composite
def ports(draw: st.DrawFn) -> Port:
    number = draw(st.integers(1, 240))
    network = draw(st.sampled_from(("net-a", "net-a", "net-b", "net-bad", "net-none")))
    addresses = {
        "net-a": (("a4", f"10.0.0.{number}"), ("a6", f"fd00:a::{number:x}")),
        "net-b": (("b4", f"10.0.7.{number}"),),
    }.get(network, ())
    if draw(st.integers(0, 9)) == 0:
        addresses = (*addresses, ("a4", draw(st.sampled_from(NASTY))))
    port_id = f"{number:08x}-0000-4000-8000-000000000000"
    return Port(
        id=port_id,
        network_id=network,
        mac=draw(macs) if draw(st.integers(0, 9)) == 0 else f"fa:16:3e:00:01:{number:02x}",
        addresses=addresses,
        tap=tap_name(port_id) if draw(st.integers(0, 9)) else draw(st.sampled_from(("", "a" * 16, "tap x", "lo\n"))),
        hostname=draw(st.sampled_from(NASTY)) if draw(st.integers(0, 9)) == 0 else f"guest-{number}",
        secured=draw(st.integers(0, 4)) > 0,
        group_ids=tuple(draw(st.lists(st.sampled_from(GROUPS), max_size=3))),
        admin_up=draw(st.booleans()),
        allowed_pairs=tuple(draw(st.lists(st.tuples(cidrs.filter(bool), macs), max_size=3))),
    )


desired = st.builds(
    Desired,
    networks=st.just(NETS),
    ports=st.lists(ports(), max_size=8).map(tuple),
    rules=st.dictionaries(st.sampled_from(GROUPS), st.lists(rules, max_size=4).map(tuple)),
    groups=st.dictionaries(
        st.sampled_from(GROUPS),
        st.frozensets(st.one_of(st.ip_addresses().map(str), st.sampled_from(NASTY)), max_size=5),
    ),
)
