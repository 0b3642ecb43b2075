"""Flows that the rules would not let in any more: what ``conntrack`` must forget.

An established flow passes without asking the rules again, so taking a rule away means nothing until the flows it
had let in are forgotten (OSSA-2015-021). Those that other rules allow come back with their next packet.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from iaas.network.drivers import plan as planning
from iaas.network.drivers.plan import IPNetwork, Plan, Wire

# Every line makes conntrack read its whole table. Where more blocks of addresses than this are concerned, all
# flows of their network are forgotten instead.
MAX_BLOCKS = 32


@dataclass(frozen=True)
class Ended:
    """One address whose flows end. ``slot`` None: on whatever network it is."""

    ip: str
    slot: int | None = None
    cidr: str = ""  # of its subnet


@dataclass(frozen=True)
class _Judged:
    slot: int
    addresses: frozenset[tuple[str, str]]  # (IP, CIDR of its subnet)
    allows: frozenset[Any]  # what a flow may have been let in by


class Flows:
    """What the ports of this host were allowed when their filters were loaded last."""

    def __init__(self) -> None:
        self._judged: dict[str, _Judged] = {}

    def ended(self, plan: Plan, slots: Mapping[str, int]) -> list[Ended]:
        """Return the addresses of ports that are gone, or may do less than at the last call."""
        before, self._judged = self._judged, {w.port.id: _judge(w, plan, slots) for w in plan.wires}
        found: list[Ended] = []
        for port_id, was in before.items():
            now = self._judged.get(port_id)
            less = now is None or not was.allows <= now.allows or was.slot != now.slot
            gone = was.addresses if now is None or less else was.addresses - now.addresses
            found += [Ended(ip, was.slot, cidr) for ip, cidr in sorted(gone)]
        return found


def _judge(wire: Wire, plan: Plan, slots: Mapping[str, int]) -> _Judged:
    port = wire.port
    allows: set[Any] = {"up"} if port.admin_up else set()
    if not port.secured:
        allows.add("everything")
    for group_id in port.group_ids if port.secured else ():
        allows.update(("in", match) for match in plan.groups[group_id].ingress)
        allows.update(("out", match) for match in plan.groups[group_id].egress)
    addresses = frozenset((str(ip), subnet.cidr) for subnet, ip in wire.addresses)
    return _Judged(slots[wire.network.id], addresses, frozenset(allows))


def deletions(ended: Iterable[Ended]) -> list[str]:
    """Return the lines for ``conntrack --load-file``. Flows that come from outside begin in zone 0."""
    by_slot: dict[tuple[int | None, int], list[Ended]] = {}
    for one in ended:
        by_slot.setdefault((one.slot, ipaddress.ip_address(one.ip).version), []).append(one)
    lines: list[str] = []
    for (slot, version), found in by_slot.items():
        family = {4: "-D -f ipv4", 6: "-D -f ipv6"}[version]
        blocks = _blocks(one.ip for one in found)
        if slot is None:
            lines += [f"{family} {way} {block}" for block in blocks for way in ("-s", "-d")]
            continue
        if len(blocks) > MAX_BLOCKS:
            lines.append(f"{family} --orig-zone {slot}")
            blocks = _blocks(one.cidr for one in found)
        else:
            lines += [f"{family} {way} {block} --orig-zone {slot}" for block in blocks for way in ("-s", "-d")]
        lines += [f"{family} -d {block} --orig-zone 0" for block in blocks]
    return lines


def _blocks(texts: Iterable[str]) -> tuple[IPNetwork, ...]:
    """Return the fewest networks that are exactly these addresses."""
    return planning.collapse(ipaddress.ip_network(text) for text in texts)
