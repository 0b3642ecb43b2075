"""Clients that use a cloud in all ways at once and keep book: half of it boots and deletes, the rest as in `SHARES`."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from typing import Any

from tools.chaos.cases import Say
from tools.chaos.lab import Lab
from tools.chaos.promises import Client, Thing
from tools.chaos.proxy import Proxy

#: what a client does next, and how often in a hundred
SHARES = {"boot": 30, "delete": 20, "volume": 6, "act": 14, "list": 20, "bad": 10}
MOST = 12  # servers one client keeps
MOST_VOLUMES = 6
AWAY = 0.3  # seconds a client leaves an API alone that does not answer
#: requests that are wrong in themselves, and the right answers
BAD: list[tuple[str, str, str, Any, int]] = [
    ("GET", "compute", "/servers/no-such-server", None, 404),
    ("DELETE", "compute", "/servers/00000000-0000-0000-0000-000000000000", None, 404),
    ("POST", "compute", "/servers", {"server": {"name": "x"}}, 400),
    ("POST", "compute", "/servers", {"servant": {}}, 400),
    ("POST", "volume", "/volumes", {"volume": {"size": -1}}, 400),
    ("GET", "volume", "/volumes/no-such-volume", None, 404),
    ("GET", "network", "/ports/no-such-port", None, 404),
]


class Load:
    """``with Load(lab, clients=4) as load: …``; at the end every client has stopped and the book is whole.

    :param requests: how many answers each client gets; None goes on until the end of the block
    :param pause: seconds between two requests of a client, at most
    :param leave: have each client delete at the end what it made
    """

    def __init__(
        self, lab: Lab, clients: int = 4, requests: int | None = None, pause: float = 0.3, *, leave: bool = False
    ) -> None:
        self.lab = lab
        self.failures: list[str] = []
        self._requests, self._pause, self._leave = requests, pause, leave
        self._stop = threading.Event()
        self._users = [_User(lab, random.Random(lab.rng.random()), self._stop) for _ in range(clients)]
        self._threads = [threading.Thread(target=self._run, args=(user,)) for user in self._users]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop.set()
        self.join()

    def join(self) -> None:
        for thread in self._threads:
            thread.join()

    @property
    def over(self) -> bool:
        """Whether every client has sent what it was to send."""
        return not any(thread.is_alive() for thread in self._threads)

    @property
    def sent(self) -> int:
        return sum(user.sent for user in self._users)

    def _run(self, user: _User) -> None:
        try:
            while not self._stop.is_set() and (self._requests is None or user.sent < self._requests):
                user.next()
                if self.lab.client.answered:
                    user.sent += 1
                else:
                    self._stop.wait(AWAY)
                self._stop.wait(user.rng.uniform(0.0, self._pause))
            if self._leave:
                user.leave()
        except Exception as error:
            self.failures.append(f"a client broke: {type(error).__name__}: {error}")


class _User:
    """One client with servers and volumes of its own."""

    def __init__(self, lab: Lab, rng: random.Random, stop: threading.Event) -> None:
        self.lab, self.rng, self.stop = lab, rng, stop
        self.sent = 0
        self._servers: list[Thing] = []
        self._volumes: list[Thing] = []

    @property
    def client(self) -> Client:
        return self.lab.client

    def next(self) -> None:
        """Send one request."""
        chosen = self.rng.choices(list(SHARES), list(SHARES.values()))[0]
        if chosen == "boot" and len(self._servers) >= MOST:
            chosen = "delete"
        acts: dict[str, Callable[[], None]] = {
            "boot": self.boot, "delete": self.delete, "volume": self.volume, "act": self.act, "list": self.list,
            "bad": self.bad,
        }  # fmt: skip
        acts[chosen]()

    def boot(self) -> None:
        try:
            self._servers.append(self.client.boot(self.lab.image, self.lab.networks, enough=lambda: True))
        except RuntimeError:
            return  # no promise was made

    def delete(self) -> None:
        if self._servers:
            server = self.rng.choice(self._servers)
            if self.client.delete(server) or server.unsure:
                self._servers.remove(server)

    def volume(self) -> None:
        if self._volumes and (self.rng.random() < 0.5 or len(self._volumes) >= MOST_VOLUMES):
            self.client.delete(self._volumes.pop())
            return
        made = self.client.make_volume()
        if made is not None:
            self._volumes.append(made)

    def leave(self) -> None:
        """Delete what is left; what is not answered now is deleted with everything else at the end of the case."""
        for thing in [*self._servers, *self._volumes]:
            self.client.delete(thing)

    def act(self) -> None:
        if self._servers:
            self.client.act(self.rng.choice(self._servers), self.rng.choice(["start", "stop", "reboot"]))

    def list(self) -> None:
        path = self.rng.choice(["/servers", "/servers/detail", "/flavors/detail", "/os-hypervisors"])
        self.client.ask("GET", "compute", path)

    def bad(self) -> None:
        method, service, path, body, right = self.rng.choice(BAD)
        status, answer = self.client.ask(method, service, path, body, allowed=frozenset([400]))
        if status not in (None, 503, right):
            self.client.book.bad.append(f"{method} {path} with {body}: {status} {answer}, right is {right}")


def running_load(lab: Lab, load: Load, servers: int = 5, seconds: float = 60.0) -> None:
    """Wait until the load has booted some servers.

    :raises RuntimeError: it does not come to that.
    """
    before, deadline = lab.book.accepted("servers"), time.monotonic() + seconds
    while lab.book.accepted("servers") - before < servers:
        if time.monotonic() > deadline:
            raise RuntimeError(f"the load did not boot {servers} servers in {seconds:.0f} s: {dict(lab.book.seen)}")
        time.sleep(0.05)
    if load.failures:
        raise RuntimeError(load.failures[0])


def cut_often(lab: Lab, say: Say, proxy: Proxy, times: int = 8) -> int:
    """Reset every connection through a proxy once a second, under load; return how many were reset."""
    connections = 0
    with Load(lab, pause=0.1) as load:
        running_load(lab, load)
        say("connections are cut")
        for _ in range(times):
            connections += proxy.cut()
            time.sleep(1)
    return connections
