"""What the scheduler asks about hosts: the best that a request fits on, and how many refuse it for which reason.

The database decides both, so that ten thousand hosts never become rows in Python.  ``REFUSALS`` has, for each filter
of ``iaas.scheduler.filters``, its condition in SQL; ``RANKS`` for each weigher its value.  Tests hold the two tables
equal to what the filters and weighers say.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Sequence
from typing import Any

import sqlalchemy as sa

from iaas.common import runtime
from iaas.db.engines import db_now
from iaas.db.models.hosts import hosts, services
from iaas.db.tx import Tx

COMPUTE, NETWORK = "iaas-compute", "iaas-network"
_networking = services.alias("networking")  # the network worker of the same host, if it has one
_DEGRADED = sa.func.coalesce(services.c.degraded, _networking.c.degraded)
_NOW = sa.select(db_now()).scalar_subquery()  # once, not for every host
#: what a decision is made from: narrow, as there may be many
COLUMNS = (
    hosts.c.id, hosts.c.name, hosts.c.zone, hosts.c.vcpus, hosts.c.memory_mb, hosts.c.reserved_memory_mb,
    hosts.c.disk_gb, hosts.c.used_vcpus, hosts.c.used_memory_mb, hosts.c.used_disk_gb, hosts.c.running,
    services.c.disabled, services.c.forced_down, services.c.draining, (_NOW - services.c.seen_at).label("silent_for"),
    _DEGRADED.label("degraded"),
)  # fmt: skip
_HOSTS = hosts.join(services, sa.and_(services.c.host == hosts.c.name, services.c.binary == COMPUTE)).outerjoin(
    _networking, sa.and_(_networking.c.host == hosts.c.name, _networking.c.binary == NETWORK)
)


def _value(name: str, kind: Any) -> Any:
    return sa.bindparam(name, type_=kind)


_RATIO = {name: _value(f"{name}_ratio", sa.Double()) for name in ("cpu", "ram", "disk")}
FREE: dict[str, sa.ColumnElement[Any]] = {
    "memory": (hosts.c.memory_mb - hosts.c.reserved_memory_mb) * _RATIO["ram"] - hosts.c.used_memory_mb,
    "disk": hosts.c.disk_gb * _RATIO["disk"] - hosts.c.used_disk_gb,
    "virtual CPUs": hosts.c.vcpus * _RATIO["cpu"] - hosts.c.used_vcpus,
}
#: filter → true where it refuses the host, in the order of the filters
REFUSALS: dict[str, sa.ColumnElement[bool]] = {
    "up": sa.or_(services.c.forced_down, services.c.seen_at < _NOW - _value("down_after", sa.Double())),
    "enabled": sa.or_(services.c.disabled, services.c.draining),
    "healthy": _DEGRADED.is_not(None),
    "not tried before": hosts.c.name.in_(sa.bindparam("excluded", expanding=True)),
    "availability zone": hosts.c.zone != _value("zone", sa.String()),
    "wanted host": hosts.c.name != _value("host", sa.String()),
    "memory": FREE["memory"] < _value("wanted_memory_mb", sa.Integer()),
    "disk": FREE["disk"] < _value("wanted_disk_gb", sa.Integer()),
    "virtual CPUs": FREE["virtual CPUs"] < _value("wanted_vcpus", sa.Integer()),
}
#: weigher → its value
RANKS: dict[str, sa.ColumnElement[Any]] = {
    "most memory": FREE["memory"] / 1024.0,
    "most vcpus": FREE["virtual CPUs"] / 16.0,
    "fewest servers": -hosts.c.running,
}


def count(tx: Tx) -> int:
    """Return how many hosts there are."""
    return tx.scalar(_COUNT)


_COUNT = sa.select(sa.func.count()).select_from(hosts)
_ALL = sa.select(*COLUMNS).select_from(_HOSTS)


def every(tx: Tx) -> Sequence[sa.Row[Any]]:
    """Return every compute host with what its service says."""
    return tx.all(_ALL)


def best(
    tx: Tx, request: Any, settings: Any, weighers: Sequence[str], limit: int, *, fitting: bool = True
) -> Sequence[sa.Row[Any]]:
    """Return the ``limit`` best hosts that no filter of ``REFUSALS`` refuses, best first, ties by chance.

    :param request: an ``iaas.scheduler.hosts.Request``
    :param settings: the ``scheduler`` settings
    :param weighers: names in ``RANKS``, added up
    :param fitting: False for the best of all hosts, whether they are refused or not
    """
    values = _values(request, settings)
    asked = frozenset(_asked(request)) if fitting else frozenset[str]()
    statement = _best(tuple(weighers), asked)
    return tx.execute(statement, {**values, "pivot": runtime.uuid(), "most": limit}).all()


@functools.lru_cache(64)
def _best(weighers: tuple[str, ...], asked: frozenset[str]) -> Any:
    fits = [sa.not_(refused) for name, refused in REFUSALS.items() if name in asked]
    rank = [sum((RANKS[name] for name in weighers[1:]), RANKS[weighers[0]]).desc()] if weighers else []
    # Equal hosts in the order of their ids, from an id drawn by chance on: another draw gives others first
    order = [*rank, hosts.c.id < _value("pivot", sa.String()), hosts.c.id]
    return sa.select(*COLUMNS).select_from(_HOSTS).where(*fits).order_by(*order).limit(sa.bindparam("most"))


def refusals(tx: Tx, request: Any, settings: Any) -> Sequence[sa.Row[Any]]:
    """Return how many hosts each filter is the first to refuse, and the most these have free.

    Each row is (filter or None for hosts that fit, hosts, memory in MiB, disk in GiB, virtual CPUs).
    """
    return tx.execute(_refusals(frozenset(_asked(request))), _values(request, settings)).all()


@functools.lru_cache(64)
def _refusals(asked: frozenset[str]) -> Any:
    first = sa.case(*[(refused, name) for name, refused in REFUSALS.items() if name in asked], else_=None)
    judged = sa.select(first.label("filter"), *[free.label(name) for name, free in FREE.items()])
    each = judged.select_from(_HOSTS).subquery()
    most = [sa.func.max(each.c[name]).label(name) for name in FREE]
    return sa.select(each.c.filter, sa.func.count().label("hosts"), *most).group_by(each.c.filter)


def _asked(request: Any) -> Collection[str]:
    """The filters that can refuse this request a host at all."""
    idle = {
        "not tried before": not request.excluded,
        "availability zone": request.zone is None,
        "wanted host": request.host is None,
    }
    return [name for name in REFUSALS if not idle.get(name)]


def _values(request: Any, settings: Any) -> dict[str, Any]:
    return {
        "cpu_ratio": settings.cpu_ratio, "ram_ratio": settings.ram_ratio, "disk_ratio": settings.disk_ratio,
        "down_after": settings.down_after, "excluded": sorted(request.excluded), "zone": request.zone,
        "host": request.host, "wanted_memory_mb": request.memory_mb, "wanted_disk_gb": request.disk_gb,
        "wanted_vcpus": request.vcpus,
    }  # fmt: skip
