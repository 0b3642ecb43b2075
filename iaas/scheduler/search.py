"""Looking for a host: every host of a small cloud is judged one by one; of many, the database finds the best.

Both ways come to the same: hosts that every filter accepts, or for each filter how many hosts it refused and by how
much the nearest missed.  The first way also names each host for ``iaas-manage explain``; what the second costs
hardly grows with the cloud.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from iaas.db import candidates
from iaas.db.tx import Tx
from iaas.scheduler import explain, filters, weights
from iaas.scheduler.explain import Refused, Verdict
from iaas.scheduler.filters import capacity
from iaas.scheduler.hosts import Miss, Request, snapshot

#: hosts up to which each is judged
WHOLE = 100
#: of more, so many of the best are candidates: more than are drawn from, as some may be sold in the meantime
BEST = 50
MEASURED = {
    "memory": ("memory_mb", "MiB of memory"),
    "disk": ("disk_gb", "GiB of disk"),
    "virtual CPUs": ("vcpus", "virtual CPUs"),
}


def look(
    tx: Tx,
    request: Request,
    settings: Any,
    *,
    whole: int = WHOLE,
    pipeline: Mapping[str, filters.Filter] | None = None,
) -> Verdict:
    """Return the hosts the request fits on, or why there is none.

    :param settings: the ``scheduler`` settings
    """
    steps = pipeline or filters.pipeline()
    total = candidates.count(tx)
    if total <= whole:
        return _all(tx, request, settings, steps)
    policy = weights.POLICIES[settings.policy]
    limit = max(BEST, settings.top)
    hosts = snapshot(candidates.best(tx, request, settings, policy.weighers, limit), settings)
    fitting = [host for host in hosts if explain.first_miss(request, host, steps) is None]
    if fitting:
        return Verdict(hosts=total, fitting=fitting, partial=True)
    if hosts or steps.keys() - candidates.REFUSALS.keys():
        return _all(tx, request, settings, steps)  # a filter that SQL does not know has the last word
    return _refused(tx, request, settings, policy, steps)


def _all(tx: Tx, request: Request, settings: Any, steps: Mapping[str, filters.Filter]) -> Verdict:
    return explain.judge(request, snapshot(candidates.every(tx), settings), steps)


def _refused(
    tx: Tx, request: Request, settings: Any, policy: weights.Policy, steps: Mapping[str, filters.Filter]
) -> Verdict:
    """Count why nothing fits; the best of the refused hosts are named."""
    found = {row.filter: row for row in candidates.refusals(tx, request, settings)}
    if None in found:  # one has become free between the two statements
        return _all(tx, request, settings, steps)
    verdict = Verdict(hosts=sum(row.hosts for row in found.values()))
    for name in steps:
        if name in found:
            verdict.refused[name] = Refused(found[name].hosts, _nearest(name, request, found[name]))
    named = candidates.best(tx, request, settings, policy.weighers, explain.MAX_HOSTS, fitting=False)
    for host in snapshot(named, settings):
        missed = explain.first_miss(request, host, steps)
        if missed is not None and missed[0] in verdict.refused:
            verdict.refused[missed[0]].name(host.name, missed[1])
    return verdict


def _nearest(name: str, request: Request, row: Any) -> Miss | None:
    """The shortage of the host with the most free, of those this filter refused."""
    if name not in MEASURED:
        return None
    column, unit = MEASURED[name]
    return capacity.short(getattr(request, column), float(row._mapping[name]), unit)
