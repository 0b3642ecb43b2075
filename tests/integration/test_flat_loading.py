"""Whatever rows are stored, the kernel takes what is written for them (T45)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from iaas.common import runtime
from iaas.network.driver import Desired, NetworkError, Rule
from iaas.network.drivers import plan as planning
from iaas.network.drivers.flat import firewall, frames, rules, sets
from iaas.network.drivers.flat.driver import FlatDriver
from iaas.network.drivers.flat.settings import FlatSettings
from tests.contract.network_driver import NET, A, B, make_desired
from tests.integration.flat_lab import FlatLab, lab
from tests.unit.network.drivers import stored

__all__ = ["lab"]
pytestmark = pytest.mark.host
SITE = rules.Site("up0", {"net-a": 1, "net-b": 2, NET.id: 3}, 18_000, 25_000)
ANY_ROWS = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@ANY_ROWS
@given(stored.desired)
def test_every_text_passes_the_check_of_its_program_t45(lab: FlatLab, desired: Desired) -> None:
    made = planning.make(desired)
    members = sets.changes([], {}, sets.wanted(made))
    lab.host.run(["ipset", "restore"], stdin="\n".join([*members, ""]))
    try:
        for version, command in firewall.COMMANDS.items():
            for name, table in rules.tables(version, made, SITE).items():
                lines = [
                    f"*{name}",
                    *(f":{chain} - [0:0]" for chain in table.chains),
                    *table.rules,
                    "COMMIT",
                    "",
                ]
                lab.host.run([f"{command}-restore", "--test", "--noflush"], stdin="\n".join(lines))
        lab.host.run(["nft", "-c", "-f", "-"], stdin=frames.ruleset(made))
    finally:
        lab.host.run(["ipset", "destroy"])


@settings(ANY_ROWS, max_examples=25)
@given(stored.desired)
def test_every_plan_is_loaded_as_it_is_over_the_one_before_t45(lab: FlatLab, desired: Desired) -> None:
    made = planning.make(desired)
    wall = firewall.Firewall(lab.host, lab.settings.state_dir)
    assert wall.apply(made, SITE) == made
    before = lab.changes()
    assert wall.apply(made, SITE) == made
    assert lab.changes() == before


def test_ten_thousand_rules_load_in_one_pass_t45(lab: FlatLab) -> None:
    many = tuple(
        Rule(str(i), "ingress", "IPv4", "tcp", 1 + i % 60_000, 1 + i % 60_000 + i % 100, f"10.{i % 200}.0.0/16")
        for i in range(10_000)
    )
    desired = make_desired(A, replace(B, group_ids=("plain", "many")), rules={"many": many})
    began = runtime.monotonic()
    assert lab.driver.converge(desired).wired == {A.id, B.id}
    loaded = runtime.monotonic()
    before = lab.changes()
    lab.driver.converge(desired)
    assert lab.changes() == before
    print(f"10,000 rules: {loaded - began:.2f} s to load, {runtime.monotonic() - loaded:.2f} s to compare")
    assert loaded - began < 20


def test_a_port_the_kernel_refuses_is_closed_and_the_others_are_loaded_t45(
    lab: FlatLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = rules.words_of
    monkeypatch.setattr(rules, "words_of", lambda *words: written(*words).replace("--dports 80", "--dports x"))
    web = {"web": (Rule("r", "ingress", "IPv4", "tcp", 80, 80),)}
    report = lab.driver.converge(make_desired(A, replace(B, group_ids=("plain", "web")), rules=web))
    assert report.wired == {A.id}
    assert set(report.failed) == {B.id}
    assert not lab.reaches(A, B)


def test_a_folder_dnsmasq_cannot_read_is_refused_at_once(tmp_path: Path) -> None:
    for name in ("a,b", "a b", "a\nb", "a#b"):
        with pytest.raises(NetworkError, match="characters"):
            FlatDriver(FlatSettings(tmp_path / name))
    with pytest.raises(NetworkError, match="no domain"):
        FlatDriver(FlatSettings(tmp_path, domain="a/b"))
