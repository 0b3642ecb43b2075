"""Flows that the rules would not let in any more: what ``conntrack`` must forget.

An established flow passes without asking the rules again, so taking a rule away means nothing until the flows it
had let in are forgotten (OSSA-2015-021). Those that other rules allow come back with their next packet.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from iaas.network.drivers.plan import Plan, Wire


@dataclass(frozen=True)
class _Judged:
    slot: int
    addresses: frozenset[str]
    allows: frozenset[Any]  # what a flow may have been let in by


class Flows:
    """What the ports of this host were allowed when their filters were loaded last."""

    def __init__(self) -> None:
        self._judged: dict[str, _Judged] = {}

    def ended(self, plan: Plan, slots: Mapping[str, int]) -> list[tuple[str, int | None]]:
        """Return the addresses, with their zones, of ports that are gone or may do less than before."""
        before, self._judged = self._judged, {w.port.id: _judge(w, plan, slots) for w in plan.wires}
        found: list[tuple[str, int | None]] = []
        for port_id, was in before.items():
            now = self._judged.get(port_id)
            if now is None or not was.allows <= now.allows or was.slot != now.slot:
                found += [(ip, was.slot) for ip in sorted(was.addresses)]
            else:
                found += [(ip, was.slot) for ip in sorted(was.addresses - now.addresses)]
        return found


def _judge(wire: Wire, plan: Plan, slots: Mapping[str, int]) -> _Judged:
    port = wire.port
    allows: set[Any] = {"up"} if port.admin_up else set()
    if not port.secured:
        allows.add("everything")
    for group_id in port.group_ids if port.secured else ():
        allows.update(("in", match) for match in plan.groups[group_id].ingress)
        allows.update(("out", match) for match in plan.groups[group_id].egress)
    addresses = frozenset(str(ip) for _, ip in wire.addresses)
    return _Judged(slots[wire.network.id], addresses, frozenset(allows))


def deletions(ended: Iterable[tuple[str, int | None]]) -> list[str]:
    """Return the lines for ``conntrack --load-file``; zone None is every zone."""
    lines: list[str] = []
    for ip, zone in ended:
        family = "ipv6" if ":" in ip else "ipv4"
        # Flows from outside begin in zone 0.
        ways = (f"-s {ip}", f"-d {ip}") if zone is None else (
            f"-s {ip} --orig-zone {zone}", f"-d {ip} --orig-zone {zone}", f"-d {ip} --orig-zone 0",
        )  # fmt: skip
        lines += [f"-D -f {family} {way}" for way in ways]
    return lines
