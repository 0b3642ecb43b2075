"""What systemd is told: ready, stopping, and alive (Type=notify, WatchdogSec=).

Source: sd_notify(3)
"""

from __future__ import annotations

import os
import socket

from iaas.common import runtime


def notify(state: str) -> None:
    """Send one state line, e.g. ``READY=1``; nothing happens outside systemd."""
    path = os.environ.get("NOTIFY_SOCKET")
    if not path:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.connect("\0" + path[1:] if path.startswith("@") else path)
        sock.sendall(state.encode())


def watch(stopped: runtime.Event, alive: list) -> None:
    """Feed the watchdog from a task, so only while tasks run and every check in ``alive`` passes."""
    limit = int(os.environ.get("WATCHDOG_USEC", "0")) / 1_000_000
    if limit:
        runtime.spawn(_feed, stopped, alive, limit / 3)


def _feed(stopped: runtime.Event, alive: list, every: float) -> None:
    while not stopped.wait(every):
        if all(check() for check in alive):
            notify("WATCHDOG=1")
