"""The fake network driver keeps the promises of the interface, and breaks when it is told to."""

from __future__ import annotations

from dataclasses import replace

import pytest

from iaas.network import driver as promised
from iaas.network.driver import NetworkDriver, Port
from iaas.network.drivers.fake import FakeDriver, World
from tests.contract.network_driver import NET, A, B, Lab, NetworkDriverContract, make_desired, make_port


class FakeLab(Lab):
    def __init__(self) -> None:
        self.world = World()
        self.driver: NetworkDriver = FakeDriver(self.world)
        self.driver.start_host()

    def again(self) -> NetworkDriver:
        self.driver = FakeDriver(self.world)
        return self.driver

    def taps(self) -> frozenset[str]:
        return self.world.taps

    def take_away(self, part: str, port: Port, group_id: str) -> None:
        plan = self.world.plan
        (wire,) = [wire for wire in plan.wires if wire.port.id == port.id]
        group = plan.groups[group_id]
        changed = {
            "rules": replace(wire, port=replace(wire.port, group_ids=())),
            "senders": replace(wire, guards=wire.guards[:1]),
            "leases": replace(wire, addresses=()),
        }
        if part == "group rules":
            plan = replace(plan, groups={**plan.groups, group_id: replace(group, ingress=group.ingress[1:])})
        elif part == "members":
            plan = replace(plan, members=dict.fromkeys(plan.members, frozenset[str]()))
        else:
            others = (other for other in plan.wires if other is not wire)
            plan = replace(plan, wires=(*others, changed[part]))
        self.world.plan = plan

    def changes(self) -> int:
        return self.world.passes

    def reaches(
        self, sender: Port, receiver: Port, protocol: str = "tcp", port: int = 80, **forged: str | None
    ) -> bool:
        return self.world.reaches(sender.id, receiver.id, protocol, port, **forged)

    def offers(self, port: Port, mac: str | None = None) -> str | None:
        return self.world.offers(port.id, mac)


@pytest.fixture
def lab() -> FakeLab:
    return FakeLab()


class TestFakeDriver(NetworkDriverContract):
    pass


def test_a_poisoned_port_stays_closed_and_the_others_are_wired(lab: FakeLab) -> None:
    lab.world.poisoned[A.id] = "its tap is stuck"
    assert lab.driver.converge(make_desired(A, B)) == promised.Report(frozenset({B.id}), {A.id: "its tap is stuck"})
    lab.world.poisoned.clear()
    assert lab.driver.converge(make_desired(A, B)).wired == {A.id, B.id}


def test_a_broken_host_refuses_and_keeps_what_it_has(lab: FakeLab) -> None:
    lab.driver.converge(make_desired(A))
    lab.world.broken = "no kernel today"
    with pytest.raises(promised.NetworkError, match="no kernel today"):
        lab.driver.converge(make_desired(B))
    assert lab.taps() == {A.tap}


def test_it_carries_no_frames_so_it_has_no_listener(lab: FakeLab) -> None:
    lab.driver.converge(make_desired(A))
    assert lab.driver.metadata_listener(NET.id) is None


def test_a_subnet_without_dhcp_offers_nothing(lab: FakeLab) -> None:
    quiet = replace(NET, subnets=(replace(NET.subnets[0], dhcp=False),))
    lab.driver.converge(replace(make_desired(A), networks=(quiet,)))
    assert lab.offers(A) is None


def test_five_hundred_ports_converge_in_one_pass(lab: FakeLab) -> None:
    wide = replace(NET, subnets=(replace(NET.subnets[0], cidr="10.77.0.0/16"),))
    ports = [
        replace(
            make_port(11),
            id=f"{i:08x}-0000-4000-8000-000000000000",
            mac=f"fa:16:3e:01:{i >> 8:02x}:{i & 255:02x}",
            addresses=(("sub-a", f"10.77.{1 + i // 250}.{i % 250}"),),
            tap=f"tap{i:08x}",
        )
        for i in range(500)
    ]
    report = lab.driver.converge(replace(make_desired(*ports), networks=(wide,)))
    assert len(report.wired) == 500
    assert lab.world.passes == 1
