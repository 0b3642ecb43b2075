"""What hosts have sold, and to whom."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

from iaas.doctor.case import Case
from iaas.doctor.findings import Finding, counted

SIZES = ("vcpus", "memory_mb", "disk_gb")
USED = tuple(f"used_{name}" for name in SIZES)
SELL = "It is given the room of its flavor on its host, so that nobody else is sold that."
SETTLE = (
    "Its host becomes the one that has its guest and sold it room, if that is one of the two. Nothing else that hangs "
    "on where it is, is repaired before."
)
RECOUNT = "What the host has sold is counted anew from its allocations."


def _host(row: Any) -> str:
    return f"host {row.name}"


def sold_is_used(case: Case) -> Iterator[Finding]:
    """I3: what a host counts as used is the sum of its allocations."""
    sold: Counter[tuple[str, str]] = Counter()
    unsure = set()
    for row in case.rows.allocations:
        if not case.numbers("allocations", row, SIZES):
            unsure.add(row.host_id)
            continue
        sold[row.host_id, "running"] += 1
        for name in SIZES:
            sold[row.host_id, name] += getattr(row, name)
    for host in case.rows.hosts:
        if host.id in unsure:
            continue
        for name in (*SIZES, "running"):
            used = host.running if name == "running" else getattr(host, f"used_{name}")
            if used != sold[host.id, name]:
                what = f"{name}: {used} used, {sold[host.id, name]} sold."
                yield Finding("I3", _host(host), what, None, RECOUNT, "recount_host")


def _offers(host: Any, ratios: Any) -> dict[str, float]:
    return {
        "vcpus": host.vcpus * ratios.cpu_ratio,
        "memory_mb": (host.memory_mb - host.reserved_memory_mb) * ratios.ram_ratio,
        "disk_gb": host.disk_gb * ratios.disk_ratio,
    }


def not_oversold(case: Case) -> Iterator[Finding]:
    """I3: no host has sold more than it has, times its ratio."""
    remedy = "Its ratio or its size was lowered, or it was sold twice: move or delete servers of it."
    for host in case.rows.hosts:
        if not case.numbers("hosts", host, (*SIZES, *USED, "reserved_memory_mb")):
            continue
        for name, offered in _offers(host, case.truth.ratios).items():
            if getattr(host, f"used_{name}") > offered:
                what = f"{name}: {getattr(host, f'used_{name}')} used of {offered:g}."
                yield Finding("I3", _host(host), what, None, remedy)


def guests_fit(case: Case) -> Iterator[Finding]:
    """I3: the guests a host really has are not more than it has sold."""
    by_name = {host.name: host for host in case.rows.hosts}
    for name, guests in case.told("guests"):
        there = [case.instances[guest] for guest in guests if guest in case.instances]
        host = by_name.get(name)
        if host is None or not all(case.settled(row.id, row.updated_at) for row in there):
            continue
        if not all([case.numbers("instances", row, SIZES) for row in there] + [case.numbers("hosts", host, USED)]):
            continue
        for size in SIZES:
            held = sum(getattr(row, size) for row in there)
            if held > getattr(host, f"used_{size}"):
                what = f"{size}: its guests hold {held}, {getattr(host, f'used_{size}')} are sold."
                yield Finding(
                    "I3", _host(host), what, None, "See the findings I4, I5 and I7 about its servers and guests."
                )


def sold_where_placed(case: Case) -> Iterator[Finding]:
    """I4: a server's only allocation is on its host, and is of its size."""
    sold: dict[str, list[Any]] = defaultdict(list)
    for row in case.rows.allocations:
        sold[row.instance_id].append(row)
    for instance_id, rows in sold.items():
        server = case.instances.get(instance_id)
        if server is None:
            what = f"It is gone and {counted(len(rows), 'allocation of it is', 'allocations of it are')} there."
            remedy = "They are released, if no host has its guest."
            yield Finding("I4", f"server {instance_id}", what, None, remedy, "release_allocations")
            continue
        for row in rows:
            if row.host_id != server.host_id:
                host = case.hosts.get(row.host_id)
                what = f"It is sold on {host.name if host else row.host_id}, its host is {server.host}."
                remedy = "The allocation where it is not is released, once it is settled where it is (I18)."
                yield Finding("I4", f"server {instance_id}", what, server.updated_at, remedy, "release_allocations")
            elif any(getattr(row, name) != getattr(server, name) for name in SIZES):
                what = "Its allocation is not of its size."
                yield Finding("I4", f"server {instance_id}", what, server.updated_at, SELL, "sell")
    for server in case.rows.instances:
        if server.host_id is not None and server.host_id not in [row.host_id for row in sold[server.id]]:
            what = f"It is on {server.host} and nothing is sold to it there."
            yield Finding("I4", f"server {server.id}", what, server.updated_at, SELL, "sell")


def hosts_have_services(case: Case) -> Iterator[Finding]:
    """I18: a compute host has a compute service."""
    services = {row.host for row in case.rows.services if row.binary == "iaas-compute"}
    for host in case.rows.hosts:
        if host.name not in services and (not case.grace or host.updated_at <= case.now - case.grace):
            what = "It has no compute service."
            yield Finding("I18", _host(host), what, host.updated_at, "Start iaas-compute there.")


def hosts_are_known(case: Case) -> Iterator[Finding]:
    """I18: the host a server names is one of the hosts, by name and by id."""
    names = {host.id: host.name for host in case.rows.hosts}
    for server in case.rows.instances:
        if names.get(server.host_id) != server.host:
            what = f"Its host is {server.host}, by its id {names.get(server.host_id)}."
            yield Finding("I18", f"server {server.id}", what, server.updated_at, SETTLE, "settle_host")
