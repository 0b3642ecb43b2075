"""Every named point where a daemon may die, who dies there, and what a client must do to bring it there."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from iaas.jobs import kinds
from tools.chaos.lab import Lab
from tools.chaos.promises import Thing

#: all a back-end has: beside any other volume this one fails where it is made
HUGE_GB = 1_048_576
#: points outside the job engine: name → the daemon that passes it, what brings it there
OTHERS = {"image.upload.begun": ("image", "upload"), "image.upload.stored": ("image", "upload")}


@dataclass(frozen=True)
class Target:
    """One point a daemon dies at.

    :ivar worker: ``compute``, …; where several run, each takes its share of its points
    :ivar stimulus: the name of what brings it there, in :data:`STIMULI`
    """

    point: str
    worker: str
    stimulus: str


def targets() -> list[Target]:
    """Return every point of every kind of job, and those of other daemons."""
    found = [Target(point, worker, stimulus) for point, (worker, stimulus) in OTHERS.items()]
    for kind in kinds.KINDS.values():
        found.append(Target(f"jobs.{kind.name}.accepted", "api", kind.name))
        for step in (*kind.steps, *kind.undos):
            stimulus = f"undo {kind.name}" if step in kind.undos else kind.name
            found += [
                Target(f"jobs.{kind.name}.{step.name}.{moment}", step.at, stimulus)
                for moment in ("claimed", "done", "advanced")
            ]
    return found


class Client:
    """One client of the matrix: does again and again what passes a point, until it is told to stop.

    :param host: where its servers must be; empty if anywhere
    :param enough: whether to stop waiting: the daemon is dead
    """

    def __init__(self, lab: Lab, host: str, rng: random.Random, enough: Callable[[], bool]) -> None:
        self.lab, self.host, self.rng, self.enough = lab, host, rng, enough
        self._servers: list[Thing] = []
        self._unanswered = ("", "")
        self._ballast: Thing | None = None

    def do(self, stimulus: str) -> None:
        """Do what ``stimulus`` names once. Refusals and silence are no fault here; the book has the promises."""
        STIMULI[stimulus](self)

    def settled(self, thing: Thing) -> bool:
        """Wait until no job of a thing is live; False if that does not come while our daemon lives."""
        deadline = time.monotonic() + 15
        while not self.lab.idle(thing.id):
            if self.enough() or time.monotonic() > deadline:
                return False
            time.sleep(0.03)
        return True

    def boot(self, image: str) -> Thing:
        """Ask for a server; one that was asked for before without an answer is asked for again, by its token."""
        name, same = self._unanswered
        client = self.lab.client
        if name and same != image:
            name = ""
        asked = name or client.new_name("s")
        self._unanswered = (asked, image)
        server = client.boot(image, self.lab.networks, where=self.host, name=asked, enough=self.enough)
        self._unanswered = ("", "")
        return server

    def boots(self) -> None:
        server = self.boot(self.lab.image)
        self._servers.append(server)
        self.settled(server)

    def fails_to_boot(self) -> None:
        self.settled(self.boot(self.lab.iso))

    def server(self) -> Thing:
        """A settled server of ours."""
        while self._servers and not self.settled(self._servers[-1]):
            self._servers.pop()
        if not self._servers:
            self.boots()
        return self._servers[-1]

    def deletes(self) -> None:
        server = self.server()
        self._servers.remove(server)
        if self.lab.client.delete(server):
            self.settled(server)

    def forgets(self) -> None:
        server = self.boot(self.lab.iso)
        if self.settled(server) and self.lab.client.delete(server):
            self.settled(server)

    def acts(self, action: str, before: str) -> None:
        """Do ``action`` to a server that was brought ``before`` by another one."""
        server = self.server()
        if server.wanted != {"ACTIVE" if before == "start" else "SHUTOFF"}:
            self.lab.client.act(server, before)
            self.settled(server)
        if self.lab.client.act(server, action):
            self.settled(server)
        else:
            self._servers.remove(server)  # it failed to boot, or nobody knows

    def makes_volume(self, size: int = 1) -> Thing | None:
        volume = self.lab.client.make_volume(size)
        if volume is not None:
            self.settled(volume)
        return volume

    def deletes_volume(self) -> None:
        volume = self.makes_volume()
        if volume is not None and self.lab.idle(volume.id) and self.lab.client.delete(volume):
            self.settled(volume)

    def fails_to_make_volume(self) -> Thing | None:
        """Ask for a volume for which there is no room beside a small one of ours."""
        if self._ballast is None:
            self._ballast = self.makes_volume()
        return self.makes_volume(HUGE_GB) if self._ballast is not None else None

    def forgets_volume(self) -> None:
        volume = self.fails_to_make_volume()
        if volume is not None and self.lab.idle(volume.id) and self.lab.client.delete(volume):
            self.settled(volume)

    def uploads(self) -> None:
        client = self.lab.client
        image = {"name": "chaos", "disk_format": "raw", "container_format": "bare"}
        status, made = client.ask("POST", "image", "/images", image)
        if status == 201:
            client.ask("PUT", "image", f"/images/{made['id']}/file", data=b"\0" * 65536)


STIMULI: dict[str, Callable[[Client], object]] = {
    "build": Client.boots,
    "undo build": Client.fails_to_boot,
    "delete": Client.deletes,
    "forget": Client.forgets,
    "start": lambda client: client.acts("start", before="stop"),
    "stop": lambda client: client.acts("stop", before="start"),
    "reboot": lambda client: client.acts("reboot", before="start"),
    "create_volume": Client.makes_volume,
    "undo create_volume": Client.fails_to_make_volume,
    "delete_volume": Client.deletes_volume,
    "forget_volume": Client.forgets_volume,
    "upload": Client.uploads,
}
