"""What is in a port's filters and in DHCP on its host against what its rows ask for.

Both sides come to the same words: :func:`iaas.network.drivers.digests.expected` of the rows, and what the driver read
from its host.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from iaas.doctor.case import Case
from iaas.doctor.findings import Finding
from iaas.doctor.networks import port_name, settled
from iaas.network.drivers import digests

ANEW = "The network worker of the host loads it again."


def let_through_what_they_say(case: Case) -> Iterator[Finding]:
    """I14: what a wired port may send and be sent is what its security groups and its addresses say."""
    for name, rules in case.told("rules"):
        with case.wall(f"host {name}"):
            yield from _let_through(case, name, rules)


def _let_through(case: Case, name: str, rules: Mapping[str, str]) -> Iterator[Finding]:
    senders, wanted = case.truth.hosts[name].senders or {}, case.wanted.on(name)
    for port in _wired(case, name):
        wrong = [
            words
            for words, there, wants in (
                ("let through something else than its security groups say", rules, wanted.rules),
                ("let it send from other addresses than its own", senders, wanted.senders),
            )
            if there.get(port.id) != wants[port.id]
        ]
        if wrong and _groups_rest(case, port):
            what = f"Its filters on {name} {' and '.join(wrong)}."
            yield Finding("I14", port_name(port), what, port.updated_at, ANEW, "load_anew", name)


def _wired(case: Case, name: str) -> Iterator[Any]:
    """Yield the ports at rest that a host carries and that rows let it carry."""
    wired, wanted = case.truth.hosts[name].ports or (), case.wanted.on(name).rules
    for port_id in sorted(wired):
        port = case.ports.get(port_id)
        if port is not None and port.host == name and not port.error and port.id in wanted and settled(case, port):
            yield port


def _groups_rest(case: Case, port: Any) -> bool:
    return all(case.old(case.groups[row.group_id].updated_at) for row in case.groups_of[port.id])


def remote_groups_agree(case: Case) -> Iterator[Finding]:
    """I14: whom a rule for a group lets in are the addresses of the group's ports."""
    for name, members in case.told("members"):
        with case.wall(f"host {name}"):
            wanted = case.wanted.on(name).members
            for group in case.rows.groups:
                key = digests.member_key(group.id)
                if key in wanted and members.get(key) != wanted[key] and _members_rest(case, group):
                    what = f"On {name}, rules for its members let in other addresses than its ports have."
                    yield Finding("I14", f"group {group.id}", what, group.updated_at, ANEW, "load_anew", name)


def _members_rest(case: Case, group: Any) -> bool:
    """Whether nobody came to a group or left it lately: of a server that is gone, only its job is left."""
    if not case.grace:
        return True
    servers = (case.instances.get(job.resource_id) for job in case.rows.jobs if job.resource_type == "instance")
    if any(server is None or server.project_id == group.project_id for server in servers):
        return False
    mine = (port for port in case.rows.ports if port.project_id == group.project_id)
    # rules that begin or cease to name it are of a group that was touched
    return all(case.old(row.updated_at) for row in (*case.rows.groups, *mine))


def leases_agree(case: Case) -> Iterator[Finding]:
    """I9: DHCP gives each port its addresses, and nobody else."""
    for name, leases in case.told("leases"):
        with case.wall(f"host {name}"):
            wanted = case.wanted.on(name).leases
            yield from _missing(case, name, leases, wanted)
            yield from _stale(case, name, leases)


def _missing(
    case: Case, name: str, leases: Mapping[str, Mapping[str, str]], wanted: Mapping[str, Mapping[str, str]]
) -> Iterator[Finding]:
    for port in _wired(case, name):
        there, wants = leases.get(port.network_id, {}), wanted.get(port.network_id, {})
        for address in sorted(row.address for row in case.addresses[port.id]):
            if there.get(address) != wants.get(address) and _network_rests(case, port.network_id):
                what = f"DHCP on {name} gives its address {address} to {there.get(address, 'nobody')}."
                yield Finding("I9", port_name(port), what, port.updated_at, ANEW, "load_anew", name)


def _stale(case: Case, name: str, leases: Mapping[str, Mapping[str, str]]) -> Iterator[Finding]:
    """Of a port that is gone nothing tells that it went lately, but the job of its server."""
    if case.grace and any(job.host == name for job in case.rows.jobs):
        return
    rows = [port for port in case.rows.ports if port.host == name]
    own = {(port.network_id, row.address) for port in rows for row in case.addresses[port.id]}
    moving = {port.mac for port in rows if not settled(case, port)}
    for network_id, found in sorted(leases.items()):
        for address, mac in sorted(found.items()):
            if (network_id, address) not in own and mac not in moving and _network_rests(case, network_id):
                what = f"DHCP on {name} gives it to {mac}; no port there has it."
                yield Finding("I9", f"address {address}", what, None, ANEW, "load_anew", name)


def _network_rests(case: Case, network_id: str) -> bool:
    return all(case.old(row.updated_at) for row in case.rows.subnets if row.network_id == network_id)
