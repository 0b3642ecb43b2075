"""What the flat driver writes: rules, frames, sets, DHCP files. Pure functions, no host needed."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from iaas.network.driver import Desired, Network, Rule, Subnet
from iaas.network.drivers import plan as planning
from iaas.network.drivers.flat import dhcp, files, firewall, flows, frames, names, rules, sets, slots
from iaas.network.drivers.flat.settings import FlatSettings
from tests.contract.network_driver import NET, OTHER, A, B, C, make_desired
from tests.unit.network.drivers import stored

SETTINGS = FlatSettings(Path("/var/lib/iaas/network"), namespace="test", dns=("9.9.9.9",))
SITE = rules.Site("up0", {"net-a": 1, "net-b": 2, NET.id: 3, OTHER.id: 4}, 18_000, 25_000)
LINE = re.compile(r"-A iaas-[a-z0-9-]+ [ -~]+")


def texts(desired: Desired, version: int = 4) -> dict[str, list[str]]:
    """Return the rules of each table."""
    return {name: table.rules for name, table in rules.tables(version, planning.make(desired), SITE).items()}


# -- rules ---------------------------------------------------------------------------------------------------


@settings(max_examples=200, deadline=None)
@given(stored.desired)
def test_no_stored_text_ever_gets_out_of_its_line(desired: Desired) -> None:
    made = planning.make(desired)
    for version in (4, 6):
        for table in rules.tables(version, made, SITE).values():
            assert all(LINE.fullmatch(line) for line in table.rules)
            targets = {line.split(" -j ")[1].split()[0] for line in table.rules}
            assert {t for t in targets if t.startswith("iaas-")} <= set(table.chains)
            assert all(len(chain) <= 28 for chain in table.chains)
            assert len(set(table.chains)) == len(table.chains)
    assert "\n\n" not in frames.ruleset(made)


def test_a_port_ends_with_a_drop_both_ways() -> None:
    written = texts(make_desired(A))["filter"]
    for direction in "io":
        chain = f"-A iaas-{direction}-{A.tap} "
        assert [line for line in written if line.startswith(chain)][-1] == chain + "-j DROP"


def test_the_rules_of_a_group_are_written_once_for_all_its_ports() -> None:
    many = tuple(Rule(str(i), "ingress", "IPv4", "tcp", i, i) for i in range(1, 101))
    one = texts(make_desired(A, rules={"plain": many}))["filter"]
    three = texts(make_desired(A, B, C, rules={"plain": many}))["filter"]
    assert len(three) - len(one) < 50


def test_members_come_and_go_without_a_change_of_rules_t50() -> None:
    rule = {"plain": (Rule("r", "ingress", "IPv4", remote_group_id="plain"),)}
    few, more = (
        make_desired(A, rules=rule),
        make_desired(A, rules=rule, groups={"plain": frozenset({"10.77.0.99"})}),
    )
    assert texts(few) == texts(more)


def test_every_rule_of_a_port_names_it() -> None:
    lines = [line for line in texts(make_desired(A))["filter"] if A.tap in line and "physdev" in line]
    assert lines
    assert all(f'"port {A.id} ' in line for line in lines)


def test_a_network_without_access_is_not_translated() -> None:
    closed = replace(make_desired(A), networks=(replace(NET, external_access=False),))
    assert any("MASQUERADE" in line for line in texts(make_desired(A))["nat"])
    assert not any("MASQUERADE" in line for line in texts(closed)["nat"])


def test_a_refused_line_is_traced_to_the_ports_it_serves() -> None:
    made = planning.make(make_desired(A, replace(B, group_ids=("plain", "web"))))
    assert firewall.culprits(f"-A iaas-i-{A.tap} -j iaas-gi-x", made) == {A.id}
    assert firewall.culprits(f"-A {names.group_chain('plain', 'o')} -p 6 -j X", made) == {A.id, B.id}
    assert firewall.culprits(f"-A {names.group_chain('web', 'i')} -p 6 -j X", made) == {B.id}
    assert firewall.culprits(f" chain ip6_{B.tap} {{", made) == {B.id}
    assert firewall.culprits("-A iaas-nat -j MASQUERADE", made) == set()


# -- sets and flows ------------------------------------------------------------------------------------------


def test_a_set_is_changed_by_a_line_for_each_address() -> None:
    wants = {"iaas4-x": (4, frozenset({"10.0.0.1", "10.0.0.2"}))}
    known = {"iaas4-x": frozenset({"10.0.0.2", "10.0.0.3"})}
    assert sets.changes(["iaas4-x"], known, wants) == [
        "add iaas4-x 10.0.0.1 -exist",
        "del iaas4-x 10.0.0.3 -exist",
    ]


def test_a_set_we_know_nothing_of_is_swapped_in_at_once() -> None:
    lines = sets.changes(["iaas4-x"], {}, {"iaas4-x": (4, frozenset({"10.0.0.1"}))})
    assert lines[-2:] == ["swap iaas4-x-t iaas4-x", "destroy iaas4-x-t"]
    assert "add iaas4-x-t 10.0.0.1 -exist" in lines


def test_flows_are_forgotten_when_a_port_may_do_less_and_only_then() -> None:
    ledger = flows.Flows()
    web, ssh = Rule("w", "ingress", "IPv4", "tcp", 80, 80), Rule("s", "ingress", "IPv4", "tcp", 22, 22)

    def after(*found: Rule) -> list[flows.Ended]:
        return ledger.ended(planning.make(make_desired(A, rules={"plain": found})), SITE.slots)

    assert after(web) == []
    assert after(web, ssh) == []
    assert after(ssh, web) == []
    assert after(ssh) == [flows.Ended("10.77.0.11", 3, "10.77.0.0/24")]
    assert ledger.ended(planning.make(Desired()), SITE.slots) == [flows.Ended("10.77.0.11", 3, "10.77.0.0/24")]


def test_flows_of_neighbouring_addresses_are_forgotten_together() -> None:
    ended = [flows.Ended(f"10.77.0.{n}", 3, "10.77.0.0/24") for n in (4, 5, 6, 7)]
    assert flows.deletions(ended) == [
        "-D -f ipv4 -s 10.77.0.4/30 --orig-zone 3",
        "-D -f ipv4 -d 10.77.0.4/30 --orig-zone 3",
        "-D -f ipv4 -d 10.77.0.4/30 --orig-zone 0",
    ]
    assert flows.deletions([flows.Ended("fd00::1")]) == ["-D -f ipv6 -s fd00::1/128", "-D -f ipv6 -d fd00::1/128"]


def test_forgetting_costs_no_more_than_a_bound_for_each_network_t50() -> None:
    ended = [flows.Ended(f"10.77.{n // 100}.{2 * (n % 100)}", 3, "10.77.0.0/16") for n in range(1000)]
    assert flows.deletions(ended) == ["-D -f ipv4 --orig-zone 3", "-D -f ipv4 -d 10.77.0.0/16 --orig-zone 0"]


# -- DHCP ----------------------------------------------------------------------------------------------------


def parse(text: str) -> list[tuple[str, list[str]]]:
    """Read a configuration file as dnsmasq does: a key, and values between commas."""
    lines = [line.partition("#")[0].strip() for line in text.splitlines()]
    pairs = [line.partition("=") for line in lines if line]
    return [(key, value.split(",") if value else []) for key, _, value in pairs]


ADDRESSES = st.ip_addresses(v=4, network="10.0.0.0/8").map(str)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(ADDRESSES | st.sampled_from(stored.NASTY), max_size=3),
    st.lists(st.tuples(ADDRESSES.map("{}/32".format) | st.sampled_from(stored.NASTY), ADDRESSES), max_size=3),
    st.none() | st.just("10.9.0.1") | st.sampled_from(stored.NASTY),
    st.integers(-1, 70_000),
)
def test_a_configuration_says_what_was_stored_or_is_never_written_t48(
    dns: list[str], routes: list[tuple[str, str]], gateway: str | None, mtu: int
) -> None:
    subnet = Subnet("s", "10.9.0.0/24", gateway, dns=tuple(dns), routes=tuple(routes))
    made = planning.make(Desired(networks=(Network("net-a", (subnet,), mtu),)))
    if not made.networks:
        return
    text = dhcp.config(made.networks[0], SETTINGS, dhcp.Paths(Path("/x")), 25_001)
    options = {values[1]: values[2:] for key, values in parse(text) if key == "dhcp-option"}
    wanted = [r for route in made.networks[0].subnets[0].routes for r in route]
    assert options["3"] == ([gateway] if gateway else [])
    servers = [s for s in dns if ":" not in s] or list(SETTINGS.dns)
    assert options["6"] == servers
    assert options["121"][2 : 2 + len(wanted)] == wanted
    assert options["121"] == options["249"]
    assert ("dhcp-option-force", ["26", str(mtu)]) in parse(text)
    keys = {key for key, _ in parse(text)}
    assert not keys & {"dhcp-script", "conf-file", "addn-hosts", "enable-tftp", "conf-dir"}


@settings(max_examples=200, deadline=None)
@given(stored.desired)
def test_a_hosts_file_reads_back_as_the_leases_it_was_written_from_t48(desired: Desired) -> None:
    made = planning.make(desired)
    text = dhcp.hosts(made.wires, SETTINGS)
    rows = [tuple(line.split(",")) for line in text.splitlines()]
    wants = [
        (wire.mac, str(ip) if ip.version == 4 else f"[{ip}]", f"{wire.port.hostname}.novalocal")
        for wire in made.wires
        for subnet, ip in wire.addresses
        if subnet.dhcp
    ]
    assert sorted(rows) == sorted(wants)


def test_a_lease_of_an_address_that_is_anothers_now_is_forgotten() -> None:
    leases = "9 fa:16:3e:00:00:01 10.0.0.5 a *\n9 fa:16:3e:00:00:02 10.0.0.6 b *\nduid 00:01\n9 77 fd00::5 c 00:01\n"
    allowed = dhcp.leased("fa:16:3e:00:00:09,10.0.0.5,x.y\nfa:16:3e:00:00:02,10.0.0.6,b.y\n")
    assert dhcp.prune(leases, allowed) == "9 fa:16:3e:00:00:02 10.0.0.6 b *\nduid 00:01\n"


# -- numbers and files ---------------------------------------------------------------------------------------


def test_a_number_stays_with_its_network_over_a_restart_and_is_not_given_away_at_once(tmp_path: Path) -> None:
    first = slots.Slots(tmp_path / "slots.json")
    assert first.keep(["a", "b"]) == {"a": 1, "b": 2}
    again = slots.Slots(tmp_path / "slots.json")
    again.load()
    assert again.keep(["b", "c"]) == {"b": 2, "c": 3}
    assert again.keep(["b", "c", "d"]) == {"b": 2, "c": 3, "d": 1}


@given(st.lists(st.frozensets(st.sampled_from("abcdefgh")), max_size=12))
def test_numbers_are_never_shared_and_stay_small(steps: list[frozenset[str]]) -> None:
    kept: dict[str, int] = {}
    for step in steps:
        before, kept = kept, slots.assign(kept, sorted(step))
        assert len(set(kept.values())) == len(kept) == len(step)
        assert all(kept[name] == before[name] for name in step & before.keys())
        assert all(1 <= number <= 16 for number in kept.values())


def test_a_file_is_written_only_when_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "hosts"
    assert files.change(path, "a")
    assert not files.change(path, "a")
    assert files.change(path, "b")
    assert [p.name for p in tmp_path.iterdir()] == ["hosts"]
