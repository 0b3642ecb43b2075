"""What a network back-end must do on one host: the interface every network driver implements.

The driver is level-triggered: it is handed *everything* this host should have and makes it so.  It sees neither
the database nor the queue.  ``converge`` is synchronous, runs in a native thread with a deadline, is idempotent,
and one bad port never stops the others.  ``tests/contract/network_driver.py`` holds what is promised here.
"""

from __future__ import annotations

import abc
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from iaas.common import errors, names


@dataclass(frozen=True)
class Subnet:
    """An address range with its DHCP facts."""

    id: str
    cidr: str  # "10.0.0.0/24"
    gateway: str | None
    dhcp: bool = True
    dns: tuple[str, ...] = ()
    routes: tuple[tuple[str, str], ...] = ()  # (destination CIDR, next hop)

    @property
    def version(self) -> int:
        return 6 if ":" in self.cidr else 4


@dataclass(frozen=True)
class Network:
    """A layer-2 segment on this host."""

    id: str
    subnets: tuple[Subnet, ...]
    mtu: int = 1500
    external_access: bool = True  # NAT out


@dataclass(frozen=True)
class Rule:
    """One stored security-group rule, normalised; ``None`` means any."""

    id: str
    direction: str  # "ingress" | "egress"
    ethertype: str  # "IPv4" | "IPv6"
    protocol: str | None = None  # lower-case name ("tcp", "icmp", ...) or a number as text
    port_min: int | None = None  # for ICMP: the type
    port_max: int | None = None  # for ICMP: the code
    remote_cidr: str | None = None
    remote_group_id: str | None = None  # its members are in Desired.groups


@dataclass(frozen=True)
class Port:
    """One port bound to this host; ``tap`` is the interface the guest is plugged into."""

    id: str
    network_id: str
    mac: str
    addresses: tuple[tuple[str, str], ...]  # (subnet id, IP address)
    tap: str
    hostname: str
    secured: bool = True  # port security: anti-spoofing and rules; False forwards everything
    group_ids: tuple[str, ...] = ()
    admin_up: bool = True
    allowed_pairs: tuple[tuple[str, str], ...] = ()  # (IP or CIDR, MAC)
    device: str = ""  # id of the server it is of


@dataclass(frozen=True)
class Desired:
    """Everything this host should have.

    :ivar gone: ports that were given up; None for all that are not in ``ports``
    """

    networks: tuple[Network, ...] = ()
    ports: tuple[Port, ...] = ()
    rules: Mapping[str, tuple[Rule, ...]] = field(default_factory=dict)  # by security group id
    groups: Mapping[str, frozenset[str]] = field(default_factory=dict)  # group id -> member addresses
    gone: frozenset[str] | None = None


@dataclass(frozen=True)
class Report:
    """What a pass came to: ports that are wired now, and those that stay closed with the reason.

    A port that is administratively down is in neither.

    :ivar kept: ports that were neither desired nor given up, as they were desired last
    """

    wired: frozenset[str]
    failed: Mapping[str, str] = field(default_factory=dict)
    kept: tuple[Port, ...] = ()


@dataclass(frozen=True)
class Held:
    """What a host has that carries our mark.

    Filters are told by digests of :mod:`iaas.network.drivers.digests`, so that they can be compared with those of rows.

    :param wired: ports whose tap is up and on its network's bridge
    :param ports: ports there is a tap of, carrying or closed
    :param networks: networks there is a bridge or a DHCP server of
    :param rules: by port, what its security groups let through, as it is in force
    :param senders: by port, the addresses it may send from
    :param members: by remote security group that rules name, its members' addresses
    :param leases: by network, the MAC that DHCP gives each address to
    """

    wired: frozenset[str]
    ports: frozenset[str]
    networks: frozenset[str]
    rules: Mapping[str, str] = field(default_factory=dict)
    senders: Mapping[str, str] = field(default_factory=dict)
    members: Mapping[str, str] = field(default_factory=dict)
    leases: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def words(self) -> dict[str, Any]:
        """Return it in the words of JSON."""
        told = {name: sorted(getattr(self, name)) for name in ("wired", "ports", "networks")}
        maps = {name: dict(getattr(self, name)) for name in ("rules", "senders", "members", "leases")}
        return {"ports": told["wired"], "taps": told["ports"], "networks": told["networks"], **maps}


class NetworkError(errors.IaasError):
    """The host refused; the sentence is fit for an operator."""

    kind = errors.Kind.INTERNAL
    template = "{reason}"


tap_name = names.tap
bridge_name = names.bridge


class NetworkDriver(abc.ABC):
    """The networks of one host."""

    @abc.abstractmethod
    def start_host(self) -> None:
        """Make the host ready (namespaces, forwarding); called once before anything else.

        :raises NetworkError: this host cannot carry networks; the sentence says why and what to do.
        """

    @abc.abstractmethod
    def stop_host(self) -> None:
        """Let go of what only this process holds. Bridges, taps, rules and DHCP keep working."""

    @abc.abstractmethod
    def converge(self, desired: Desired, *, anew: bool = False) -> Report:
        """Make the host carry exactly ``desired``.

        For each port: its filters are loaded before its tap forwards; a port whose rows cannot be turned into
        rules stays closed and is named in the report.  What is no longer desired is removed, but only objects
        that carry our mark.

        Where ``desired.gone`` says which ports were given up, any other that the host carries stays as it was desired
        last, also by an earlier process: with its filters, leases, bridge and DHCP server; rules of groups that
        desired ports share with it are the new ones.  It never keeps a desired port from being wired: of two that
        cannot both be, it is closed.  One of which nothing but its tap is known is closed, too.

        :param anew: load filters and leases even where they look as they should: somebody else may have changed them
        :raises NetworkError: nothing could be done at all.
        """

    @abc.abstractmethod
    def holds(self) -> Held:
        """Look at the host and return what it has of ours, whatever was desired; nothing is changed.

        :raises NetworkError: the host cannot be looked at.
        """

    @abc.abstractmethod
    def metadata_listener(self, network_id: str) -> socket.socket | None:
        """Return a socket that listens where this network's guests reach 169.254.169.254:80.

        It belongs to the caller.  One socket serves one network, so the network of a connection is known
        beyond doubt; None where the back-end carries no frames.
        """

    @abc.abstractmethod
    def remove_all(self) -> None:
        """Remove every trace of ours from the host: for tests and for taking a host out of service."""
