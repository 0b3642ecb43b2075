"""A guest without a guest: opens a port's tap inside a namespace and speaks raw frames, true or forged."""

from __future__ import annotations

import fcntl
import ipaddress
import itertools
import os
import select
import socket
import struct
import time
from collections.abc import Callable

from iaas.network.driver import Port
from iaas.network.drivers.flat.host import Host

TUNSETIFF = 0x400454CA
SIOCGIFFLAGS = 0x8913
IFF_UP, IFF_RUNNING = 0x01, 0x40
IFF_TAP, IFF_NO_PI = 0x0002, 0x1000
BROADCAST = "ff:ff:ff:ff:ff:ff"
PROTOCOLS = {"icmp": 1, "tcp": 6, "udp": 17}
_numbers = itertools.count(20_000)


def mac_bytes(mac: str) -> bytes:
    return bytes.fromhex(mac.replace(":", ""))


def ip_bytes(ip: str) -> bytes:
    return ipaddress.ip_address(ip).packed


def checksum(data: bytes) -> int:
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ethernet(source: str, target: str, kind: int, payload: bytes) -> bytes:
    return mac_bytes(target) + mac_bytes(source) + struct.pack("!H", kind) + payload


def ipv4(source: str, target: str, protocol: int, payload: bytes, *, offset: int = 0) -> bytes:
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 7, offset, 64, protocol, 0)
    head += ip_bytes(source) + ip_bytes(target)
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload


def ipv6(source: str, target: str, protocol: int, payload: bytes) -> bytes:
    return struct.pack("!IHBB", 6 << 28, len(payload), protocol, 255) + ip_bytes(source) + ip_bytes(target) + payload


def icmp6(source: str, target: str, kind: int, body: bytes) -> bytes:
    message = struct.pack("!BBH", kind, 0, 0) + body
    pseudo = ip_bytes(source) + ip_bytes(target) + struct.pack("!II", len(message), 58)
    return message[:2] + struct.pack("!H", checksum(pseudo + message)) + message[4:]


def udp(source: int, target: int, payload: bytes = b"") -> bytes:
    return struct.pack("!HHHH", source, target, 8 + len(payload), 0) + payload


def udp6(source: str, target: str, source_port: int, target_port: int) -> bytes:
    datagram = udp(source_port, target_port)
    pseudo = ip_bytes(source) + ip_bytes(target) + struct.pack("!II", len(datagram), 17)
    return datagram[:6] + struct.pack("!H", checksum(pseudo + datagram)) + datagram[8:]


def tcp(
    source: tuple[str, int],
    target: tuple[str, int],
    flags: int,
    seq: int = 1,
    ack: int = 0,
    data: bytes = b"",
) -> bytes:
    head = struct.pack("!HHIIBBHHH", source[1], target[1], seq, ack, 5 << 4, flags, 8192, 0, 0)
    pseudo = ip_bytes(source[0]) + ip_bytes(target[0]) + struct.pack("!HH", 6, len(head) + len(data))
    return head[:16] + struct.pack("!H", checksum(pseudo + head + data)) + head[18:] + data


def arp(operation: int, mac: str, ip: str, target_ip: str, *, target_mac: str = "00:00:00:00:00:00") -> bytes:
    head = struct.pack("!HHBBH", 1, 0x0800, 6, 4, operation)
    return head + mac_bytes(mac) + ip_bytes(ip) + mac_bytes(target_mac) + ip_bytes(target_ip)


def dhcp_message(kind: int, chaddr: str, *, operation: int = 1, xid: int = 1) -> bytes:
    fixed = struct.pack("!BBBBIHH", operation, 1, 6, 0, xid, 0, 0x8000) + bytes(16)
    fixed += mac_bytes(chaddr).ljust(16, b"\0") + bytes(192) + b"\x63\x82\x53\x63"
    return fixed + bytes([53, 1, kind]) + bytes([55, 6, 1, 3, 6, 26, 121, 12]) + b"\xff"


class Frame:
    """What was received, taken apart as far as it goes."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.target, self.source = data[:6].hex(":"), data[6:12].hex(":")
        self.kind = int.from_bytes(data[12:14])
        self.payload = data[14:]
        self.protocol = self.payload[9] if self.kind == 0x0800 else None
        self.body = self.payload[20:] if self.kind == 0x0800 else b""

    @property
    def ips(self) -> tuple[str, str]:
        packed = (self.payload[12:16], self.payload[16:20])
        return str(ipaddress.ip_address(packed[0])), str(ipaddress.ip_address(packed[1]))

    @property
    def ports(self) -> tuple[int, int]:
        return struct.unpack("!HH", self.body[:4])

    def dhcp(self, xid: int | None = None) -> dict[int, bytes] | None:
        """Return the options of an answer from a DHCP server (to one question), with ``yiaddr`` as 0."""
        if self.protocol != 17 or self.ports != (67, 68):
            return None
        message = self.body[8:]
        if xid is not None and int.from_bytes(message[4:8]) != xid:
            return None
        found, at = {0: message[16:20]}, 240
        while at < len(message) and message[at] != 255:
            size = message[at + 1] if message[at] else -1
            found[message[at]] = message[at + 2 : at + 2 + max(size, 0)]
            at += size + 2
        return found


class Guest:
    """The far end of a port's tap."""

    def __init__(self, host: Host, port: Port) -> None:
        self.port = port
        self.mac, self.ip = port.mac, port.addresses[0][1]
        self._descriptor = host.inside(_open_tap, port.tap)

    def close(self) -> None:
        os.close(self._descriptor)

    def send(self, frame: bytes) -> bool:
        """Put a frame on the wire; False if the tap is down."""
        try:
            os.write(self._descriptor, frame.ljust(60, b"\0"))
        except OSError:
            return False
        return True

    def drain(self) -> None:
        while self.receive(lambda _: True, 0) is not None:
            pass

    def receive(self, wanted: Callable[[Frame], bool], seconds: float = 3.0) -> Frame | None:
        """Return the first frame that is wanted, or None after ``seconds``."""
        deadline = time.monotonic() + seconds
        while True:
            left = max(0.0, deadline - time.monotonic())
            if not select.select([self._descriptor], [], [], left)[0]:
                return None
            try:
                frame = Frame(os.read(self._descriptor, 65536))
            except OSError:
                return None  # the tap is down
            if wanted(frame):
                return frame

    def datagram(
        self, to: Guest, protocol: str, port: int, ip: str | None = None, mac: str | None = None
    ) -> tuple[bytes, Callable[[Frame], bool]]:
        """Return the first frame of a new flow, and what knows it when it arrives."""
        source, number = ip or self.ip, PROTOCOLS[protocol]
        own = next(_numbers)
        if protocol == "icmp":
            body = struct.pack("!BBHHH", port, 0, 0, own, 1)
            body = body[:2] + struct.pack("!H", checksum(body)) + body[4:]
        elif protocol == "tcp":
            body = tcp((source, own), (to.ip, port), flags=2)
        else:
            body = udp(own, port, b"hello")
        frame = ethernet(mac or self.mac, to.mac, 0x0800, ipv4(source, to.ip, number, body))
        return frame, lambda seen: seen.protocol == number and seen.body.startswith(body[:8])

    def discover(self, *, source: str | None = None, chaddr: str | None = None, xid: int = 1) -> bytes:
        message = udp(68, 67, dhcp_message(1, chaddr or self.mac, xid=xid))
        packet = ipv4("0.0.0.0", "255.255.255.255", 17, message)
        return ethernet(source or self.mac, BROADCAST, 0x0800, packet)


def _open_tap(name: str) -> int:
    """Open a tap and wait until the kernel, and so the bridge, has noticed that somebody is there."""
    descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(descriptor, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI))
    deadline = time.monotonic() + 5
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        while _flags(any_socket, name) & (IFF_UP | IFF_RUNNING) == IFF_UP and time.monotonic() < deadline:
            time.sleep(0.005)
    return descriptor


def _flags(any_socket: socket.socket, name: str) -> int:
    answer = fcntl.ioctl(any_socket, SIOCGIFFLAGS, struct.pack("16sH22x", name.encode(), 0))
    return struct.unpack("16sH22x", answer)[1]
