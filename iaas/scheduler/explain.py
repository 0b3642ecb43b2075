"""Why a placement came out as it did: for administrators with names of hosts, for tenants without.

A verdict does not grow with the cloud: it counts hosts, and names few of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from iaas.scheduler import filters
from iaas.scheduler.hosts import HostState, Miss, Request

MAX_HOSTS = 20


@dataclass
class Refused:
    """The hosts one filter was the first to refuse.

    :ivar nearest: the smallest shortage among them, where it can be measured
    :ivar hosts: why, of at most ``MAX_HOSTS`` of them by name
    """

    count: int = 0
    nearest: Miss | None = None
    hosts: dict[str, str] = field(default_factory=dict)

    def add(self, host: str, miss: Miss) -> None:
        self.count += 1
        self.name(host, miss)
        if miss.by is not None and (self.nearest is None or miss.by < (self.nearest.by or 0.0)):
            self.nearest = miss

    def name(self, host: str, miss: Miss) -> None:
        """Remember why a host was refused, if there is room."""
        if len(self.hosts) < MAX_HOSTS:
            self.hosts[host] = miss.why


@dataclass
class Verdict:
    """What the filters said of the hosts: of every one up to the first that refused it, or of the best few only.

    :ivar hosts: how many there are
    :ivar fitting: hosts that fit: all, unless ``partial``
    :ivar partial: only the best hosts were looked at, as enough of them fit
    :ivar lost: fitted, but were sold to somebody else before they could be claimed
    """

    hosts: int = 0
    refused: dict[str, Refused] = field(default_factory=dict)
    fitting: list[HostState] = field(default_factory=list)
    partial: bool = False
    lost: list[str] = field(default_factory=list)

    def tenant_sentence(self, last_error: str | None = None) -> str:
        """How many hosts there are, which requirement failed on how many, and the nearest miss; no names.

        :param last_error: why an earlier host could not build the server after all
        """
        if self.hosts == 0:
            return "No valid host was found. The cloud has no compute hosts; ask its operator."
        parts = [f"{name} failed on {refused.count}" for name, refused in self.refused.items()]
        sentence = f"No valid host was found. Of {self.hosts} host{'s' if self.hosts != 1 else ''}: {', '.join(parts)}."
        nearest = self.nearest()
        if nearest is not None:
            sentence += f" The nearest had {nearest.why}."
        if last_error is not None:
            sentence += f" The last try failed: {last_error}"
        return sentence

    def nearest(self) -> Miss | None:
        """Return the smallest shortage of any resource."""
        short = [refused.nearest for refused in self.refused.values() if refused.nearest is not None]
        return min(short, key=lambda miss: miss.by or 0.0) if short else None

    def to_dict(self, chosen: str | None) -> dict[str, Any]:
        """The verdict as it is kept for ``iaas-manage explain``.

        ``fits`` is how many hosts fitted, None if they were not counted.
        """
        fitting = [host.name for host in self.fitting]
        if chosen in fitting[MAX_HOSTS:]:
            fitting = [chosen, *fitting]
        return {
            "hosts": self.hosts,
            "fits": None if self.partial else len(self.fitting),
            "chosen": chosen,
            "fitting": fitting[:MAX_HOSTS],
            "lost": self.lost[:MAX_HOSTS],
            "refused": {
                name: {"count": refused.count, "hosts": refused.hosts} for name, refused in self.refused.items()
            },
        }


def judge(
    request: Request, hosts: Sequence[HostState], pipeline: Mapping[str, filters.Filter] | None = None
) -> Verdict:
    """Run every host through the filters, in order, until one refuses it."""
    steps = pipeline or filters.pipeline()
    refused = {name: Refused() for name in steps}
    verdict = Verdict(hosts=len(hosts))
    for host in hosts:
        found = first_miss(request, host, steps)
        if found is None:
            verdict.fitting.append(host)
        else:
            refused[found[0]].add(host.name, found[1])
    verdict.refused = {name: found for name, found in refused.items() if found.count}
    return verdict


def first_miss(request: Request, host: HostState, pipeline: Mapping[str, filters.Filter]) -> tuple[str, Miss] | None:
    """Return the first filter that refuses the host and why, or None."""
    for name, check in pipeline.items():
        miss = check(request, host)
        if miss is not None:
            return name, miss
    return None
