"""One console session: a WebSocket on one side, the plain bytes of a guest's console on the other."""

from __future__ import annotations

import logging
import socket

from iaas.common import runtime, streams
from iaas.console import websocket

LOG = logging.getLogger(__name__)
CLOSE_SECONDS = 2.0  # for our last frame


class Session:
    """Relays until either side ends, breaks the protocol, or both are silent too long."""

    def __init__(self, client: socket.socket, guest: socket.socket, idle_seconds: float) -> None:
        self._client = client
        self._guest = guest
        self._idle = streams.Idle(idle_seconds)
        self._sending = runtime.lock()  # frames of the guest, pongs and our close share a socket
        self._closed = False

    def run(self) -> None:
        """Relay; the WebSocket is open when this is called, and both sockets have ended when it returns."""
        for sock in (self._client, self._guest):
            sock.settimeout(self._idle.poll)
        other = runtime.spawn(self._from_guest)
        try:
            self._from_client()
        except websocket.Violation as violation:
            LOG.info("a console's client broke the protocol: %s", violation)
            self._close(violation.code, str(violation))
        except OSError as error:
            LOG.debug("a console ended: %s", error)
        finally:
            self._close(websocket.NORMAL)
            streams.wake(self._guest)
            streams.wake(self._client)
            other.wait()

    def _from_client(self) -> None:
        reader = websocket.Reader()
        for part in streams.parts(self._client, self._idle):
            for event in reader.feed(part):
                if event.kind == "close":
                    self._close(event.code)
                    return
                if event.kind == "ping":
                    self._send(websocket.frame(websocket.PONG, event.payload))
                elif event.kind == "data" and event.payload:
                    self._guest.sendall(event.payload)

    def _from_guest(self) -> None:
        try:
            for part in streams.parts(self._guest, self._idle):
                self._send(websocket.frame(websocket.BINARY, part))
            self._close(websocket.GOING_AWAY, "the console is idle or has ended")
        except OSError as error:
            LOG.debug("a console's client ended: %s", error)
        finally:
            streams.wake(self._client)
            streams.wake(self._guest)

    def _send(self, data: bytes) -> None:
        with self._sending:
            if not self._closed:
                self._client.sendall(data)

    def _close(self, code: int, why: str = "") -> None:
        """Say the last word, once, if the client still listens."""
        with self._sending:
            if self._closed:
                return
            self._closed = True
            try:
                self._client.settimeout(CLOSE_SECONDS)
                self._client.sendall(websocket.close_frame(code, why))
            except OSError as error:
                LOG.debug("a console's client is gone: %s", error)
