"""dnsmasq's files, written from checked values only: pure functions. Source: the dnsmasq(8) manual page.

Every value is an address, a number, a label or a path of ours; none can hold a newline, a comma or a ``#``
(OSSA-2021-005). Only MACs that are listed get an answer.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from iaas.network.driver import Network, Subnet, bridge_name
from iaas.network.drivers.flat import rules
from iaas.network.drivers.flat.settings import FlatSettings
from iaas.network.drivers.plan import Wire


@dataclass(frozen=True)
class Paths:
    """Where one network's dnsmasq keeps its things."""

    folder: Path

    @property
    def config(self) -> Path:
        return self.folder / "dnsmasq.conf"

    @property
    def hosts(self) -> Path:
        return self.folder / "hosts"

    @property
    def leases(self) -> Path:
        return self.folder / "leases"

    @property
    def pid(self) -> Path:
        return self.folder / "pid"

    @property
    def log(self) -> Path:
        return self.folder / "dnsmasq.log"

    @property
    def loaded(self) -> Path:
        """What the running one was told; written after it was told."""
        return self.folder / "loaded"


def config(network: Network, settings: FlatSettings, paths: Paths, dns_port: int) -> str:
    """Return the configuration file of a network's dnsmasq; guests reach ``dns_port`` as 53 of the gateway."""
    bridge = bridge_name(network.id)
    served = [subnet for subnet in network.subnets if subnet.dhcp]
    lines = [
        f"# network {network.id}",
        "user=root",
        f"interface={bridge}",
        "except-interface=lo",
        "bind-interfaces",
        f"port={dns_port}",
        "no-hosts",
        "no-poll",
        f"domain={settings.domain}",
        f"local=/{settings.domain}/",
        "dhcp-authoritative",
        "dhcp-ignore=tag:!known",
        f"dhcp-hostsfile={paths.hosts}",
        f"dhcp-leasefile={paths.leases}",
        f"pid-file={paths.pid}",
        f"log-facility={paths.log}",
        "quiet-dhcp",
        "quiet-dhcp6",
        "quiet-ra",
        f"dhcp-option-force=26,{network.mtu}",
    ]
    if settings.namespace is not None or settings.dns:
        lines.append("no-resolv")
    lines += [f"server={ipaddress.ip_address(server)}" for server in settings.dns]
    if any(subnet.version == 6 for subnet in served):
        lifetime = 1800 if any(s.gateway for s in served if s.version == 6) else 0
        lines += ["enable-ra", f"ra-param={bridge},mtu:{network.mtu},60,{lifetime}"]
    for number, subnet in enumerate(served):
        writer = _subnet4 if subnet.version == 4 else _subnet6
        lines += writer(f"s{number}", subnet, settings, bridge)
    return "\n".join(lines) + "\n"


def _subnet4(tag: str, subnet: Subnet, settings: FlatSettings, bridge: str) -> list[str]:
    net = ipaddress.IPv4Network(subnet.cidr)
    lines = [f"dhcp-range=set:{tag},{net.network_address},static,{net.netmask},{settings.lease_seconds}s"]
    metadata = f"{rules.METADATA}/32"
    routes = [(metadata, subnet.gateway or "0.0.0.0"), *subnet.routes]  # noqa: S104  a next hop: on the link itself
    if subnet.gateway is None:
        lines += [f"shared-network={bridge},{net.network_address}", f"dhcp-option=tag:{tag},3"]
    else:
        lines.append(f"dhcp-option=tag:{tag},3,{subnet.gateway}")
        routes.append(("0.0.0.0/0", subnet.gateway))
    told = ",".join(f"{destination},{hop}" for destination, hop in routes)
    lines += [f"dhcp-option=tag:{tag},{code},{told}" for code in (121, 249)]  # 249 is what Windows asks for
    servers = _servers(subnet.dns or settings.dns, 4) or ([subnet.gateway] if subnet.gateway else [])
    lines.append(",".join([f"dhcp-option=tag:{tag},6", *servers]))
    return lines


def _subnet6(tag: str, subnet: Subnet, settings: FlatSettings, bridge: str) -> list[str]:
    net = ipaddress.IPv6Network(subnet.cidr)
    lines = [f"dhcp-range=set:{tag},{net.network_address},static,{net.prefixlen},{settings.lease_seconds}s"]
    servers = _servers(subnet.dns or settings.dns, 6) or ([subnet.gateway] if subnet.gateway else [])
    if servers:
        told = ",".join(f"[{server}]" for server in servers)
        lines.append(f"dhcp-option=tag:{tag},option6:dns-server,{told}")
    return lines


def _servers(servers: Iterable[str], version: int) -> list[str]:
    found = [ipaddress.ip_address(server) for server in servers]
    return [str(server) for server in found if server.version == version]


def hosts(wires: Iterable[Wire], settings: FlatSettings) -> str:
    """Return the file of static leases: MAC, address, name.

    The name is written in full, because a short one may look like a lease time (``12h``) or a keyword.
    """
    lines: list[str] = []
    for wire in wires:
        for subnet, ip in wire.addresses:
            if subnet.dhcp:
                address = f"[{ip}]" if ip.version == 6 else str(ip)
                lines.append(f"{wire.mac},{address},{wire.port.hostname}.{settings.domain}\n")
    return "".join(sorted(lines))


def leased(hosts_text: str) -> dict[str, str]:
    """Return who has which address in a hosts file: address -> MAC."""
    rows = [line.split(",") for line in hosts_text.splitlines()]
    return {row[1].strip("[]"): row[0] for row in rows}


def prune(leases: str, allowed: Mapping[str, str]) -> str:
    """Return a lease file without the leases of addresses that are another's now, or nobody's."""
    kept: list[str] = []
    for line in leases.splitlines():
        words = line.split()
        if len(words) < 5 or words[0] == "duid":
            kept.append(line)
            continue
        mac, ip = words[1], words[2]
        if ip in allowed and (":" in ip or allowed[ip] == mac):
            kept.append(line)
    return "".join(f"{line}\n" for line in kept)
