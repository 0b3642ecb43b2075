"""The flat back-end: what a host's networks come to, in the order that keeps guests safe.

1. Interfaces are made, all down.  2. Filters are loaded.  3. Bridges get their addresses and dnsmasq serves.
4. Taps are put on their bridge and up.  5. What is no longer wanted goes.

A pass over an unchanged host runs a handful of commands that only look.
"""

from __future__ import annotations

import logging
import re
import shutil
import socket
from dataclasses import replace

from iaas.common import runtime, shell
from iaas.network import driver
from iaas.network.driver import Desired, Held, NetworkError, Report, bridge_name
from iaas.network.drivers import kept
from iaas.network.drivers import plan as planning
from iaas.network.drivers.flat import dnsmasq, firewall, host, last, links, rules, slots
from iaas.network.drivers.flat.settings import FlatSettings
from iaas.network.drivers.plan import Plan

LOG = logging.getLogger(__name__)
BACKLOG = 64
_PATH = re.compile(r"/[A-Za-z0-9._/-]*")


class FlatDriver(driver.NetworkDriver):
    """The networks of one host; several workers must not share a namespace."""

    def __init__(self, settings: FlatSettings) -> None:
        if not _PATH.fullmatch(str(settings.state_dir.absolute())):
            raise NetworkError(reason=f"The folder {settings.state_dir} has characters that dnsmasq cannot read.")
        if not all(planning.is_label(part) for part in settings.domain.split(".")):
            raise NetworkError(reason=f"{settings.domain!r} is no domain.")
        self._settings = replace(settings, state_dir=settings.state_dir.absolute())
        self._host = host.Host(settings.namespace)
        self._firewall = firewall.Firewall(self._host, self._settings.state_dir)
        self._dhcp = dnsmasq.Dnsmasq(self._host, self._settings)
        self._slots = slots.Slots(self._settings.state_dir / "networks.json")
        self._last = last.Last(self._settings.state_dir / "desired.json")
        self._made = self._settings.state_dir / "namespace-is-ours"
        self._lock = runtime.native_lock()

    def start_host(self) -> None:
        runtime.native(self._start_host)

    def _start_host(self) -> None:
        self._settings.state_dir.mkdir(parents=True, exist_ok=True)
        self._slots.load()
        self._last.load()
        if self._host.start():
            self._made.touch()

    def stop_host(self) -> None:
        """Nothing is held: bridges, rules and DHCP servers are not this process's."""

    def converge(self, desired: Desired, *, anew: bool = False) -> Report:
        return runtime.native(self._converge, desired, anew)

    def holds(self) -> Held:
        return runtime.native(self._holds)

    def _holds(self) -> Held:
        with self._lock:  # a pass is seen as a whole
            try:
                there = links.read(self._host)
                filters = self._firewall.in_force()
                leases = self._dhcp.leases()
            except shell.CommandFailed as error:
                raise NetworkError(reason=error.message) from None
        taps, bridges = links.ours(there, links.PORT), links.ours(there, links.NETWORK)
        wired = {port_id for tap, port_id in taps.items() if there[tap].up and there[tap].master in bridges}
        return Held(
            wired=frozenset(wired),
            ports=frozenset(taps.values()),
            networks=frozenset({*bridges.values(), *self._dhcp.served()}),
            rules={port_id: filters.rules_of(port_id) for port_id in wired},
            senders={port_id: filters.senders_of(tap) for tap, port_id in taps.items() if port_id in wired},
            members=filters.members,
            leases=leases,
        )

    def metadata_listener(self, network_id: str) -> socket.socket | None:
        if network_id not in self._slots.taken:
            raise NetworkError(reason=f"Network {network_id} is not on this host.")
        port = self._settings.metadata_port_base + self._slots.taken[network_id]
        return self._host.inside(_listen, bridge_name(network_id), port)

    def remove_all(self) -> None:
        runtime.native(self._remove_all)

    def _remove_all(self) -> None:
        with self._lock:
            for network_id in self._dhcp.served():
                self._dhcp.remove(network_id)
            if self._host.exists and self._settings.state_dir.exists():
                there = links.read(self._host)
                links.remove(there, set(), set(), self._slots.taken).run(self._host)
                self._firewall.clear()
            if self._made.exists():
                self._host.delete()
            if self._settings.state_dir.exists():
                shutil.rmtree(self._settings.state_dir)
            self._slots.taken = {}
            self._last.load()

    # -- a pass

    def _converge(self, desired: Desired, anew: bool) -> Report:
        with self._lock:
            try:
                return self._pass(desired, anew)
            except shell.CommandFailed as error:
                raise NetworkError(reason=error.message) from None

    def _pass(self, desired: Desired, anew: bool) -> Report:
        there = links.read(self._host)
        taps = {port_id: tap for tap, port_id in links.ours(there, links.PORT).items()}
        all_ = kept.merge(desired, self._last.desired, taps)
        self._last.begin(all_.desired)
        plan = all_.plan()
        before = dict(self._slots.taken)
        # A network that has gone bad keeps its bridge and its number: it may be well again in the next pass.
        keep = {network.id for network in plan.networks} | before.keys() & {n.id for n in all_.desired.networks}
        site = rules.Site(
            uplink=self._settings.uplink,
            slots=self._slots.keep(sorted(keep)),
            metadata_port_base=self._settings.metadata_port_base,
            dns_port_base=self._settings.dns_port_base,
        )
        plan = self._create(plan, there)
        plan = self._firewall.apply(plan, site, anew=anew)
        plan = _close(plan, links.raise_bridges(plan, there, site).run(self._host))
        unserved = self._serve(plan, site, anew)
        opened = replace(plan, wires=tuple(w for w in plan.wires if w.network.id not in unserved))
        stuck = links.raise_taps(opened, there).run(self._host)
        self._clean(plan, there, keep, before)
        failed = {**plan.failed, **stuck}
        failed.update({w.port.id: unserved[w.network.id] for w in plan.wires if w.network.id in unserved})
        wired = {wire.port.id for wire in opened.wires if wire.port.admin_up}
        self._last.end(all_.desired)
        return Report(frozenset(wired - failed.keys()), failed, all_.kept)

    def _create(self, plan: Plan, there: dict[str, links.Link]) -> Plan:
        commands, refused = links.create(plan, there)
        refused.update(commands.run(self._host))
        plan = _close(plan, refused)
        for network in plan.networks:
            if bridge_name(network.id) not in there:
                self._host.set_all(links.bridge_sysctls(network))
        return plan

    def _serve(self, plan: Plan, site: rules.Site, anew: bool) -> dict[str, str]:
        """Serve DHCP and return the networks where that failed: ports there are not opened, open ones stay."""
        failed: dict[str, str] = {}
        for network in plan.networks:
            try:
                wires = [wire for wire in plan.wires if wire.network.id == network.id]
                self._dhcp.converge(network, wires, site.dns_port(network.id), anew=anew)
            except (NetworkError, OSError) as error:
                LOG.error("network %s has no DHCP: %s", network.id, error)
                failed[network.id] = str(error)
        return failed

    def _clean(
        self, plan: Plan, there: dict[str, links.Link], networks: set[str], slots_before: dict[str, int]
    ) -> None:
        for network_id in self._dhcp.served():
            if network_id not in networks:
                self._dhcp.remove(network_id)
        taps = {wire.port.tap for wire in plan.wires} | set(plan.closed)
        links.remove(there, taps, networks, slots_before).run(self._host)


def _close(plan: Plan, errors: dict[str, str]) -> Plan:
    """Return the plan without what could not be made; an error of a network is one of all its ports."""
    if not errors:
        return plan
    bad = {w.port.id: errors[w.network.id] for w in plan.wires if w.network.id in errors}
    bad.update({w.port.id: errors[w.port.id] for w in plan.wires if w.port.id in errors})
    networks = tuple(network for network in plan.networks if network.id not in errors)
    return replace(plan.without(bad), networks=networks)


def _listen(bridge: str, port: int) -> socket.socket:
    """A socket that only takes connections that came in by one bridge, whose answers go out there."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, bridge.encode())
        sock.bind(("0.0.0.0", port))  # noqa: S104  every address of that one bridge
        sock.listen(BACKLOG)
    except OSError as error:
        sock.close()
        raise NetworkError(reason=f"No metadata listener on {bridge}: {error.strerror}") from None
    return sock
