"""Why a placement came out as it did: for administrators with names of hosts, for tenants without."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from iaas.scheduler import filters
from iaas.scheduler.hosts import HostState, Miss, Request

MAX_HOSTS = 200


@dataclass
class Verdict:
    """What every filter said of every host, up to the first that refused it."""

    hosts: int = 0
    refused: dict[str, list[tuple[str, Miss]]] = field(default_factory=dict)  # filter -> (host, miss)
    fitting: list[HostState] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)  # fitted, but were sold to somebody else in the meantime

    def tenant_sentence(self, last_error: str | None = None) -> str:
        """How many hosts there are, which requirement failed on how many, and the nearest miss; no names.

        :param last_error: why an earlier host could not build the server after all
        """
        if self.hosts == 0:
            return "No valid host was found. The cloud has no compute hosts; ask its operator."
        parts = [f"{name} failed on {len(misses)}" for name, misses in self.refused.items() if misses]
        if self.lost:
            parts.append(f"{len(self.lost)} sold to other requests meanwhile")
        sentence = f"No valid host was found. Of {self.hosts} host{'s' if self.hosts != 1 else ''}: {', '.join(parts)}."
        nearest = self.nearest()
        if nearest is not None:
            sentence += f" The nearest had {nearest.why}."
        if last_error is not None:
            sentence += f" The last try failed: {last_error}"
        return sentence

    def nearest(self) -> Miss | None:
        """Return the smallest shortage of any resource."""
        short = [miss for misses in self.refused.values() for _, miss in misses if miss.by is not None]
        return min(short, key=lambda miss: miss.by or 0.0) if short else None

    def to_dict(self, chosen: str | None) -> dict[str, Any]:
        """The verdict as it is kept for ``iaas-manage explain``; hosts beyond the first 200 are counted only."""
        return {
            "hosts": self.hosts,
            "chosen": chosen,
            "fitting": [host.name for host in self.fitting[:MAX_HOSTS]],
            "lost": self.lost[:MAX_HOSTS],
            "refused": {
                name: {"count": len(misses), "hosts": {host: miss.why for host, miss in misses[:MAX_HOSTS]}}
                for name, misses in self.refused.items()
            },
        }


def judge(request: Request, hosts: Sequence[HostState], pipeline: Mapping[str, Any] | None = None) -> Verdict:
    """Run every host through the filters, in order, until one refuses it."""
    steps = pipeline or filters.ALL
    verdict = Verdict(hosts=len(hosts))
    for host in hosts:
        for name, check in steps.items():
            miss = check(request, host)
            if miss is not None:
                verdict.refused.setdefault(name, []).append((host.name, miss))
                break
        else:
            verdict.fitting.append(host)
    return verdict
