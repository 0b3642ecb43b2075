"""What an operator decides about a host's networks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class FlatSettings:
    """Settings of the flat back-end.

    :param state_dir: folder of DHCP files and leases, ours alone
    :param namespace: name of the network namespace everything is put in; None is the host's own
    :param uplink: interface in that namespace that leads out; guests are translated to its address
    :param dns: name servers told to guests; empty tells the gateway, where dnsmasq answers
    :param domain: DNS domain told to guests
    :param metadata_port_base: each network's metadata listener takes the next free port above it
    :param dns_port_base: the same for each network's name server, which its guests know as port 53
    """

    state_dir: Path
    namespace: str | None = None
    uplink: str | None = None
    dns: tuple[str, ...] = ()
    domain: str = "novalocal"
    lease_seconds: int = 86_400
    metadata_port_base: int = 18_775
    dns_port_base: int = 25_353
