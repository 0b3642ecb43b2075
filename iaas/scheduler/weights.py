"""Weighers and policies: how the hosts that fit are ordered, and which of the best is drawn.

A policy is a row: the weighers it adds up and how many of the best it draws from.  ``filter`` is the default;
``chance``, ``simple`` and ``zone`` are the three schedulers of the original Nova, over the same pipeline.  Each weigher
has its twin of the same name in SQL in ``iaas.db.candidates``, which finds the best of many hosts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from iaas.common import runtime
from iaas.scheduler.hosts import HostState, Request

Weigher = Callable[[Request, HostState], float]


def most_memory(request: Request, host: HostState) -> float:
    """Prefer hosts with the most free memory, in GiB."""
    return host.free_memory_mb / 1024


def most_vcpus(request: Request, host: HostState) -> float:
    """Prefer hosts with the most free virtual CPUs."""
    return host.free_vcpus / 16


def fewest_servers(request: Request, host: HostState) -> float:
    """Prefer hosts that run the fewest servers."""
    return -float(host.running)


WEIGHERS: dict[str, Weigher] = {
    "most memory": most_memory,
    "most vcpus": most_vcpus,
    "fewest servers": fewest_servers,
}


@dataclass(frozen=True)
class Policy:
    """:param top: the best hosts among which one is drawn; None is the configured number, 0 is all"""

    weighers: tuple[str, ...]
    top: int | None = None


POLICIES = {
    "filter": Policy(("most memory", "most vcpus")),
    "chance": Policy((), top=0),
    "simple": Policy(("fewest servers",), top=1),
    "zone": Policy(("most memory",), top=1),
}


def ordered(policy: Policy, request: Request, hosts: Sequence[HostState], top: int) -> list[HostState]:
    """Return the hosts in the order they should be tried.

    Several schedulers decide at the same time from the same snapshot: drawing among the best keeps them from
    all choosing the same host.
    """
    rng = runtime.rng()
    weighers = [WEIGHERS[name] for name in policy.weighers]
    scored = [(sum(weigh(request, host) for weigh in weighers), rng.random(), host) for host in hosts]
    scored.sort(key=lambda row: row[:2], reverse=True)
    best = [host for _, _, host in scored]
    count = top if policy.top is None else policy.top or len(best)
    head = best[:count]
    rng.shuffle(head)
    return head + best[count:]
