"""A host for the flat driver: a namespace of its own, and guests that are opened taps."""

from __future__ import annotations

import itertools
import os
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from iaas.common import shell
from iaas.network.driver import NetworkDriver, Port, Rule
from iaas.network.drivers.flat import links, names
from iaas.network.drivers.flat.driver import FlatDriver
from iaas.network.drivers.flat.host import Host
from iaas.network.drivers.flat.settings import FlatSettings
from tests.contract.network_driver import NET, Lab
from tests.integration.guest_frames import Guest

GATEWAY_MAC = links.mac_of(NET.id)
QUIET = 0.05  # seconds in which a frame that was let through has arrived: the kernel forwards within the write
CHANGING = ("-batch", "-f", "restore", "iptables-restore", "ip6tables-restore", "dnsmasq", "--load-file")
_numbers = itertools.count()
EVERYTHING = {"in": (Rule("r4", "ingress", "IPv4"), Rule("r6", "ingress", "IPv6"))}


def _why_not() -> str | None:
    if os.geteuid() != 0:
        return "SKIPPED LOUDLY: the network data plane is tested only by root"
    if not Path("/dev/net/tun").exists():
        return "SKIPPED LOUDLY: no /dev/net/tun, so no taps"
    try:
        shell.run(["unshare", "--net", "true"])
        for program in ("nft", "ipset", "dnsmasq", "conntrack", "iptables-restore"):
            shell.which(program)
    except (shell.CommandFailed, shell.CommandMissing) as error:
        return f"SKIPPED LOUDLY: {error.message}"
    return None


class FlatLab(Lab):
    def __init__(self, folder: Path, uplink: str | None = None) -> None:
        self.namespace = f"iaas-t{os.getpid()}-{next(_numbers)}"
        self.settings = FlatSettings(folder / "network", self.namespace, uplink, lease_seconds=3600)
        self.host = Host(self.namespace)
        self.guests: dict[str, Guest] = {}
        self.count = 0
        self.driver: NetworkDriver = FlatDriver(self.settings)
        self.driver.start_host()

    def again(self) -> NetworkDriver:
        self.driver = FlatDriver(self.settings)
        self.driver.start_host()
        return self.driver

    def close(self) -> None:
        self.hang_up()
        self.driver.remove_all()

    def hang_up(self) -> None:
        for guest in self.guests.values():
            guest.close()
        self.guests.clear()

    def taps(self) -> frozenset[str]:
        return frozenset(links.ours(links.read(self.host), links.PORT)) if self.host.exists else frozenset()

    def take_away(self, part: str, port: Port, group_id: str) -> None:
        if part == "rules":
            self.host.run(["iptables", "-D", names.port_chain(port.tap, "o"), "1"])
        elif part == "group rules":
            self.host.run(["ip6tables", "-D", names.group_chain(group_id, "i"), "1"])
        elif part == "senders":
            self.host.run(["nft", "flush", "chain", "bridge", "iaas", f"arp_{port.tap.replace('-', '_')}"])
        elif part == "members":
            self.host.run(["ipset", "flush", names.address_set("peers", 4)])
        else:
            file = self.settings.state_dir / "dhcp" / port.network_id / "hosts"
            file.write_text("".join(line for line in file.open() if port.mac not in line))

    def changes(self) -> int:
        return self.count

    def guest(self, port: Port) -> Guest | None:
        if port.tap not in self.taps():
            return None
        if port.id not in self.guests:
            self.guests[port.id] = Guest(self.host, port)
        return self.guests[port.id]

    def guests_of(self, *ports: Port) -> list[Guest]:
        found = [self.guest(port) for port in ports]
        return [guest for guest in found if guest is not None]

    def reaches(
        self,
        sender: Port,
        receiver: Port,
        protocol: str = "tcp",
        port: int = 80,
        *,
        source_ip: str | None = None,
        source_mac: str | None = None,
    ) -> bool:
        source, target = self.guest(sender), self.guest(receiver)
        if source is None or target is None:
            return False
        frame, known = source.datagram(target, protocol, port, source_ip, source_mac)
        return source.send(frame) and target.receive(known, QUIET) is not None

    def offers(self, port: Port, mac: str | None = None) -> str | None:
        guest = self.guest(port)
        assert guest is not None
        if mac is None:
            return _offer(guest, [{}], tries=10)
        return _offer(guest, [{"chaddr": mac}, {"source": mac, "chaddr": mac}], tries=1)


def _offer(guest: Guest, questions: Sequence[dict[str, str]], tries: int) -> str | None:
    """Return what is offered; answers are broadcast, so those to others are heard too and passed over."""
    for _ in range(tries):
        xid = next(_numbers)
        for question in questions:
            guest.send(guest.discover(xid=xid, **question))
        answer = guest.receive(lambda frame, xid=xid: frame.dhcp(xid) is not None, 0.3)
        options = answer.dhcp() if answer else None
        if options:
            return socket.inet_ntoa(options[0])
    return None


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FlatLab]:
    yield from make_lab(tmp_path, monkeypatch)


def make_lab(folder: Path, monkeypatch: pytest.MonkeyPatch, uplink: str | None = None) -> Iterator[FlatLab]:
    """Yield a started lab whose changing commands are counted, and remove it afterwards."""
    reason = _why_not()
    if reason:
        pytest.skip(reason)
    made = FlatLab(folder, uplink)
    run = shell.run

    def counted(argv: Sequence[str | Path], **words: Any) -> shell.Result:
        made.count += any(word in CHANGING for word in argv)
        return run(argv, **words)

    monkeypatch.setattr(shell, "run", counted)
    yield made
    made.close()
