"""A host's networks in a data structure: for tests, the simulator and hosts that may not touch the kernel.

It closes the same bad rows as the real one, and can be asked what would happen to a packet.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from iaas.network import driver
from iaas.network.driver import Desired, Held, NetworkError, Report
from iaas.network.drivers import digests, kept
from iaas.network.drivers import plan as planning
from iaas.network.drivers.matches import PROTOCOLS, Match
from iaas.network.drivers.plan import IPAddress, Plan, Wire


@dataclass
class World:
    """What stays when the network daemon dies, and the ways to make things go wrong.

    :param poisoned: ports whose wiring fails, by id, with the reason
    :param broken: why the whole host refuses; None for a host that is well
    :param passes: how many times ``converge`` changed something
    """

    plan: Plan = field(default_factory=lambda: planning.make(Desired()))
    desired: Desired = field(default_factory=Desired)
    report: Report = field(default_factory=lambda: Report(frozenset()))
    poisoned: dict[str, str] = field(default_factory=dict)
    broken: str | None = None
    passes: int = 0

    @property
    def taps(self) -> frozenset[str]:
        """The taps there are, forwarding or closed."""
        return frozenset(wire.port.tap for wire in self.plan.wires) | frozenset(self.plan.closed)

    def wire(self, port_id: str) -> Wire | None:
        """Return a port that is wired and up, or None."""
        wires = (wire for wire in self.plan.wires if wire.port.id == port_id)
        return next((wire for wire in wires if wire.port.admin_up), None)

    def reaches(
        self,
        sender_id: str,
        receiver_id: str,
        protocol: str,
        port: int,
        *,
        source_ip: str | None = None,
        source_mac: str | None = None,
    ) -> bool:
        """Whether the first packet that one port sends to another's first IPv4 address gets there."""
        sender, receiver = self.wire(sender_id), self.wire(receiver_id)
        if sender is None or receiver is None or sender.network.id != receiver.network.id:
            return False
        source, target = _first_ip(sender), _first_ip(receiver)
        source = ipaddress.ip_address(source_ip) if source_ip else source
        if sender.port.secured:
            if not _own(sender, source, source_mac or sender.mac):
                return False
            if not self._allowed(sender, "egress", protocol, port, target):
                return False
        return not receiver.port.secured or self._allowed(receiver, "ingress", protocol, port, source)

    def offers(self, port_id: str, mac: str | None = None) -> str | None:
        """Return the address DHCP offers to a MAC (the port's own by default) that asks through a port."""
        wire = self.wire(port_id)
        if wire is None or (wire.port.secured and mac not in (None, wire.mac)):
            return None
        asking = mac or wire.mac
        for other in self.plan.wires:
            if other.network.id == wire.network.id and other.mac == asking:
                found = (str(ip) for subnet, ip in other.addresses if subnet.dhcp and ip.version == 4)
                return next(found, None)
        return None

    def _allowed(self, wire: Wire, side: str, protocol: str, port: int, other: IPAddress) -> bool:
        groups = (self.plan.groups[group_id] for group_id in wire.port.group_ids)
        found: Iterable[Match] = (match for group in groups for match in getattr(group, side))
        return any(self._matches(match, protocol, port, other) for match in found)

    def _matches(self, match: Match, protocol: str, port: int, other: IPAddress) -> bool:
        if match.version != other.version or match.protocol not in (None, PROTOCOLS[protocol]):
            return False
        if match.ports is not None and not match.ports[0] <= port <= match.ports[1]:
            return False
        if match.icmp is not None and match.icmp not in ((port, None), (port, 0)):
            return False
        if match.cidr is not None and other not in ipaddress.ip_network(match.cidr):
            return False
        return match.group is None or str(other) in self.plan.members[match.group, match.version]


def _first_ip(wire: Wire) -> IPAddress:
    return next(ip for _, ip in wire.addresses if ip.version == 4)


def _own(wire: Wire, ip: IPAddress, mac: str) -> bool:
    return any(guard.mac == mac and any(ip in net for net in guard.of(ip.version)) for guard in wire.guards)


class FakeDriver(driver.NetworkDriver):
    """A view of a world; several drivers may share one, one after the other."""

    def __init__(self, world: World | None = None) -> None:
        self.world = world or World()

    def start_host(self) -> None:
        self._well()

    def stop_host(self) -> None:
        """Nothing is held."""

    def converge(self, desired: Desired, *, anew: bool = False) -> Report:
        self._well()
        world = self.world
        all_ = kept.merge(desired, world.desired, {port.id: port.tap for port in world.desired.ports})
        plan = all_.plan()
        plan = plan.without({w.port.id: world.poisoned[w.port.id] for w in plan.wires if w.port.id in world.poisoned})
        if anew or plan != world.plan:
            world.passes += 1
        wired = frozenset(wire.port.id for wire in plan.wires if wire.port.admin_up)
        world.plan, world.desired, world.report = plan, all_.desired, Report(wired, plan.failed, all_.kept)
        return world.report

    def holds(self) -> Held:
        self._well()
        plan = self.world.plan
        closed = {port.id for port in self.world.desired.ports if port.tap in plan.closed}
        held = digests.expected(plan)
        return replace(held, ports=held.ports | closed)

    def metadata_listener(self, network_id: str) -> socket.socket | None:
        if all(network.id != network_id for network in self.world.plan.networks):
            raise NetworkError(reason=f"Network {network_id} is not on this host.")
        return None

    def remove_all(self) -> None:
        world = self.world
        world.plan, world.desired, world.report = planning.make(Desired()), Desired(), Report(frozenset())

    def _well(self) -> None:
        if self.world.broken is not None:
            raise NetworkError(reason=self.world.broken)
