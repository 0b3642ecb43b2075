"""The agent of a compute host: console logs and consoles over TCP, never over the message bus.

    GET /guests/{id}/log                                   the end of the console log
    GET /guests/{id}/vnc | /guests/{id}/serial, Upgrade    101, then the bytes of the console, both ways

Requests are signed with a secret every agent, the API and the console proxy share; nothing else is served.  What a
request may name is a guest of this host and a kind of console: where that listens, the driver says.
"""

from __future__ import annotations

import ipaddress
import logging
import os
import socket
import stat
from typing import Any

from iaas.common import errors, runtime, streams
from iaas.common.streams import Refused, Request
from iaas.compute.agentapi import CONSOLES, PROTOCOL, Verifier
from iaas.compute.driver import ConsoleAddress

LOG = logging.getLogger(__name__)
MAX_LOG = 100 * 1024
CONNECT_SECONDS = 5.0
MAX_CLIENTS = 500


class Agent:
    """Serves the guests of one host on ``sock`` until it is stopped.

    :ivar port: where it listens
    """

    def __init__(self, sock: socket.socket, driver: Any, secret: str, *, idle_seconds: float) -> None:
        """:raises Invalid: the secret is empty: anybody could read consoles."""
        if not secret:
            raise errors.Invalid(reason="[compute] agent_secret is empty; set the same one on the API and every host.")
        self._driver = driver
        self._verifier = Verifier(secret)
        self._idle_seconds = idle_seconds
        self._server = streams.StreamServer(sock, self._handle, max_clients=MAX_CLIENTS)
        self.port = self._server.port

    def stop(self) -> None:
        self._server.stop()

    def _handle(self, request: Request) -> None:
        self._check(request)
        parts = request.target.split("/")
        if request.method != "GET" or len(parts) != 4 or parts[:2] != ["", "guests"]:
            raise Refused(404, "There is nothing here.")
        if parts[3] == "log":
            self._log(request, parts[2])
        elif parts[3] in CONSOLES and request.has_word("upgrade", PROTOCOL):
            self._console(request, parts[2], parts[3])
        else:
            raise Refused(404, "There is nothing here.")

    def _check(self, request: Request) -> None:
        """:raises Refused: the request is not signed, not of now, or was heard before."""
        try:
            self._verifier.check(request.method, request.target, request.headers)
        except errors.IaasError as error:
            raise Refused(403, str(error)) from None

    def _log(self, request: Request, guest_id: str) -> None:
        try:
            log = runtime.native(lambda: self._driver.console_log(guest_id, max_bytes=MAX_LOG), timeout=10.0)
        except errors.IaasError as error:
            LOG.info("no console log of %s: %s", guest_id, error)
            raise Refused(404, str(error)) from None
        streams.answer(request.sock, 200, log, "application/octet-stream")

    def _console(self, request: Request, guest_id: str, kind: str) -> None:
        try:
            address = runtime.native(self._driver.console, guest_id, kind, timeout=10.0)
            guest = connect(address)
        except errors.IaasError as error:
            LOG.info("no %s console of %s: %s", kind, guest_id, error)
            raise Refused(404, str(error)) from None
        except OSError as error:
            LOG.warning("the %s console of %s cannot be reached: %s", kind, guest_id, error)
            raise Refused(503, f"The {kind} console of the guest does not answer.") from None
        with guest:
            request.sock.sendall(streams.head_of(101, {"Connection": "Upgrade", "Upgrade": PROTOCOL}))
            streams.pump(request.sock, guest, streams.Idle(self._idle_seconds))


def connect(address: ConsoleAddress) -> socket.socket:
    """Return a connection to a guest's console on this host.

    :raises OSError: nothing listens there, or what is there is no socket.
    """
    if address.path is None:
        if not ipaddress.ip_address(address.host).is_loopback or address.port is None:
            raise OSError(f"a console listens on {address.host}, which is not this host")
        return socket.create_connection((address.host, address.port), timeout=CONNECT_SECONDS)
    # The guests' own user makes these sockets and could put a link to another one, such as libvirt's, in their
    # place: so the file is opened without following links, and what was opened is what is connected to.
    handle = os.open(address.path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if not stat.S_ISSOCK(os.fstat(handle).st_mode):
            raise OSError("the console's path is not a socket")
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.settimeout(CONNECT_SECONDS)
            sock.connect(f"/proc/self/fd/{handle}")
        except OSError:
            sock.close()
            raise
        return sock
    finally:
        os.close(handle)
