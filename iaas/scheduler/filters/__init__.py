"""Filters: each answers, for one host, whether a request fits there, and by how much it does not.

A filter is a function of (request, host) that returns None where it passes, or a :class:`Miss`.  ``ALL`` is the
pipeline in order; plugins add to it by the entry point group ``iaas.scheduler.filters``.
"""

from __future__ import annotations

from collections.abc import Callable

from iaas.scheduler.filters import capacity, state
from iaas.scheduler.hosts import HostState, Miss, Request

Filter = Callable[[Request, HostState], Miss | None]

ALL: dict[str, Filter] = {
    "up": state.is_up,
    "enabled": state.is_enabled,
    "not tried before": state.not_excluded,
    "availability zone": state.in_zone,
    "wanted host": state.is_wanted_host,
    "memory": capacity.has_memory,
    "disk": capacity.has_disk,
    "virtual CPUs": capacity.has_vcpus,
}
