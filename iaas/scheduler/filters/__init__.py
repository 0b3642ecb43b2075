"""Filters: each answers, for one host, whether a request fits there, and by how much it does not.

A filter is a function of (request, host) that returns None where it passes, or a :class:`Miss`.  ``ALL`` is the
pipeline in order; plugins add to it by the entry point group ``iaas.scheduler.filters``.  Each of ``ALL`` has its twin
in SQL in ``iaas.db.candidates``; a plugin has none, and is asked about the hosts that all others let pass.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping

from iaas.common import plugins
from iaas.scheduler.filters import capacity, state
from iaas.scheduler.hosts import HostState, Miss, Request

Filter = Callable[[Request, HostState], Miss | None]
GROUP = "iaas.scheduler.filters"

ALL: dict[str, Filter] = {
    "up": state.is_up,
    "enabled": state.is_enabled,
    "healthy": state.is_healthy,
    "not tried before": state.not_excluded,
    "availability zone": state.in_zone,
    "wanted host": state.is_wanted_host,
    "memory": capacity.has_memory,
    "disk": capacity.has_disk,
    "virtual CPUs": capacity.has_vcpus,
}


@functools.lru_cache(1)
def pipeline() -> Mapping[str, Filter]:
    """Return every filter in order, those of installed plugins last.

    :raises Invalid: a plugin cannot be loaded.
    """
    return {**ALL, **plugins.load_all(GROUP, "scheduler filter")}
