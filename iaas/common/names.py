"""Names of kernel objects that two workers must agree on without knowing each other."""

from __future__ import annotations


def tap(port_id: str) -> str:
    """Return the name of a port's tap: 14 characters, the kernel allows 15."""
    return "tap" + port_id.replace("-", "")[:11]


def bridge(network_id: str) -> str:
    """Return the name of a network's bridge on every host."""
    return "br" + network_id.replace("-", "")[:11]
