"""What hosts should have in their filters and DHCP servers, by the rows of one moment."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from iaas.network.driver import Held
from iaas.network.drivers import digests, plan
from iaas.network.jobs import desired

if TYPE_CHECKING:
    from iaas.doctor.case import Case


class Wanted:
    """What each host that is asked about should have; made once."""

    def __init__(self, case: Case) -> None:
        self._case = case
        self._networks = {row.id: row for row in case.rows.networks}
        self._subnets = _by(case.rows.subnets, "network_id")
        self._rules = _by(case.rows.rules, "group_id")
        self._ports = _by((port for port in case.rows.ports if port.network_id in self._networks), "host")
        self._members = _members(case)
        self._found: dict[str, Held] = {}

    def on(self, host: str) -> Held:
        """Return what one host should have."""
        if host not in self._found:
            self._found[host] = self._make(self._ports[host])
        return self._found[host]

    def _make(self, ports: list[Any]) -> Held:
        case = self._case
        rows = desired.Rows(
            ports=ports,
            networks=self._networks,
            subnets=[row for network_id in {port.network_id for port in ports} for row in self._subnets[network_id]],
            addresses=[row for port in ports for row in case.addresses[port.id]],
            groups=[row for port in ports for row in case.groups_of[port.id]],
            rules=self._rules,
            members=self._members,
        )
        return digests.expected(plan.make(desired.of(rows)))


def _by(rows: Any, name: str) -> dict[Any, list[Any]]:
    found: dict[Any, list[Any]] = defaultdict(list)
    for row in rows:
        found[getattr(row, name)].append(row)
    return found


def _members(case: Case) -> dict[str, list[str]]:
    """Return the addresses of each security group: as :func:`iaas.db.security_groups.members`, of the same moment."""
    found: dict[str, list[str]] = defaultdict(list)
    for port in case.rows.ports:
        if port.device_owner.startswith("compute:") and port.host is None:
            continue
        for row in case.groups_of[port.id]:
            found[row.group_id] += [address.address for address in case.addresses[port.id]]
    return found
