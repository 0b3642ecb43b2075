"""Who uses a simulated cloud, what they were promised, and the misfortunes that come by themselves."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from iaas.compute.api import servers
from tests.simulation.world_asking import Asker
from tests.simulation.world_daemons import Answer, Web
from tests.simulation.world_uploads import Uploader

if TYPE_CHECKING:
    from tests.simulation.world import World

TRIES = 12
#: job → the verb of :class:`Client` that makes the cloud do it
STARTS = {
    "build": "boot",
    "delete": "delete",
    "forget": "delete",  # of a server that got no host
    "start": "power",
    "stop": "power",
    "reboot": "power",
    "create_volume": "make",
    "delete_volume": "erase",
    "forget_volume": "erase",  # of a volume that got no host
}


class Client(Asker):
    """A tenant with servers and volumes."""

    def __init__(self, world: World, number: int, operations: int) -> None:
        super().__init__(world, number, operations)
        self.servers: list[str] = []
        self.volumes: list[str] = []
        self.off: set[str] = set()  # servers it has stopped
        if world.faults.target.startswith("jobs.start."):  # it takes a server that runs and was stopped
            self.left += 10

    def _next(self) -> Callable[[], None]:
        """Draw a verb; what leads to the point this seed tries to crash at is more likely."""
        choices = {"boot": 4.0, "make": 1.5}
        if self.servers:
            choices |= {"delete": 3.0, "power": 2.5}
        if self.volumes:
            choices |= {"erase": 1.5}
        wanted = self.world.faults.target.split(".")
        verb = STARTS.get(wanted[1]) if wanted[0] == "jobs" else None
        if wanted[:2] == ["driver", "compute"] and wanted[2] in ("stop", "reboot"):
            verb = "power"
        if verb in choices:
            choices[verb] *= 6
        return getattr(self, self.chance.choices(list(choices), list(choices.values()))[0])

    # -- verbs ---------------------------------------------------------------------------------------------

    def boot(self) -> None:
        if self.chance.random() < 0.3:
            self._boot_with_token()
            return
        name = f"c{self.number}-{self.left}"
        networks = self.chance.choice(["none", "auto", "auto"])
        flavor = self.chance.choices(["1", "2", "3"], [6, 3, 0.5])[0]
        image = self.world.images.image.id
        body = {"name": name, "imageRef": image, "flavorRef": flavor, "networks": networks}
        for _ in range(TRIES):
            answer = self._ask("compute", "POST", "/servers", {"server": body})
            if answer.status == 202:
                self._got("create", "server", answer, answer.body["server"]["id"])
                return
            self._unsure(name, answer)
            if answer.status == 0 and self._find(name):
                return
            if not self._again(answer):
                return

    def _unsure(self, name: str, answer: Answer) -> None:
        """Note an answer after which something may or may not be there."""
        if answer.status in (0, 503):
            self.world.history.unanswered("create", name=name)

    def _boot_with_token(self) -> None:
        token = f"token-{self.number}-{self.left}"
        networks = self.chance.choice(["none", "auto"])
        count = self.chance.choice([1, 2, 3])  # several at once meet at the edge of a host
        flavor = self.chance.choice(["1", "2"])
        new = servers.NewServers(
            name=token, flavor_id=flavor, image_id=self.world.images.image.id, networks=networks, client_token=token,
            min_count=count, max_count=count,
        )  # fmt: skip

        def serve(api: Web) -> Answer:
            from iaas.common import errors

            try:
                made = servers.create(api.clients, self._context(), new)
            except errors.IaasError as error:
                return Answer(503 if error.kind is errors.Kind.UNAVAILABLE else 400)
            return Answer(202, [row["id"] for row in made.rows])

        for _ in range(TRIES):
            answer = self._call(serve, f"boot with {token}")
            if answer.status == 202:
                self._got("create", "server", answer, *answer.body, token=token)
                if self.chance.random() < 0.7:
                    return
                continue
            for made in [token] if count == 1 else [f"{token}-{index}" for index in range(1, count + 1)]:
                self._unsure(made, answer)
            if not self._again(answer):
                return

    def _find(self, name: str) -> bool:
        """See whether a request without an answer was done after all; what is found is ours."""
        for _ in range(TRIES):
            answer = self._ask("compute", "GET", f"/servers?name=^{name}$")
            if answer.status == 200:
                for server in answer.body["servers"]:
                    self._got("create", "server", answer, server["id"])
                return bool(answer.body["servers"])
            if not self._again(answer):
                return False
        return False

    def delete(self) -> None:
        server_id = self.chance.choice(self.servers)
        self.world.history.unanswered("delete", server_id)  # until it is
        for _ in range(TRIES):
            answer = self._ask("compute", "DELETE", f"/servers/{server_id}")
            if answer.status in (204, 404):
                if answer.status == 204:
                    self._got("delete", "server", answer, server_id)
                if server_id in self.servers and self.chance.random() < 0.9:
                    self.servers.remove(server_id)  # else it is asked for again
                return
            if not self._again(answer):
                return

    def power(self) -> None:
        server_id = self.chance.choice(self.servers)
        starting = self.world.faults.target.startswith("jobs.start.")  # what this seed tries to crash at
        if starting and self.off:
            server_id = self.chance.choice(sorted(self.off))
        likely = "start" if server_id in self.off else "stop"
        verb, body = self.chance.choice(
            [
                (likely, {f"os-{likely}": None}),
                *([] if starting else [("stop", {"os-stop": None}), ("reboot", {"reboot": {"type": "SOFT"}})]),
                ("reboot", {"reboot": {"type": "HARD"}}),
            ]
        )
        for _ in range(3):
            answer = self._ask("compute", "POST", f"/servers/{server_id}/action", body)
            if answer.status == 202:
                self._got(verb, "server", answer, server_id)
                (self.off.add if verb == "stop" else self.off.discard)(server_id)
                return
            if not self._again(answer):
                return

    def make(self) -> None:
        name = f"v{self.number}-{self.left}"
        body = {"volume": {"size": self.chance.randint(1, 6), "name": name}}
        for _ in range(TRIES):
            answer = self._ask("volume", "POST", "/volumes", body)
            if answer.status == 202:
                self._got("create", "volume", answer, answer.body["volume"]["id"])
                return
            self._unsure(name, answer)
            if not self._again(answer):
                return

    def erase(self) -> None:
        volume_id = self.chance.choice(self.volumes)
        self.world.history.unanswered("delete", volume_id)
        for _ in range(TRIES):
            answer = self._ask("volume", "DELETE", f"/volumes/{volume_id}")
            if answer.status in (202, 404):
                if answer.status == 202:
                    self._got("delete", "volume", answer, volume_id)
                if volume_id in self.volumes:
                    self.volumes.remove(volume_id)
                return
            if not self._again(answer):
                return

    def _got(self, verb: str, noun: str, answer: Answer, *ids: str, token: str | None = None) -> None:
        """Note a promise; a hard reboot may overtake a soft one and have no action of its own."""
        world = self.world
        request_id = None if verb == "reboot" else answer.request_id
        at = world.backend.true_time()
        world.history.accepted(verb, noun, *ids, request_id=request_id, who=self.project, token=token, at=at)
        mine = self.servers if noun == "server" else self.volumes
        mine += [id_ for id_ in ids if verb == "create" and id_ not in mine]


def sizes(seed: int) -> list[tuple[type[Asker], int]]:
    """Return a seed's clients: two to five with three to nine things to do each, and one with images."""
    chance = random.Random(f"{seed} crowd")
    found: list[tuple[type[Asker], int]] = [(Client, chance.randint(3, 9)) for _ in range(chance.randint(2, 5))]
    found.append((Uploader, chance.randint(2, 5)))
    return found


def crowd(world: World, only: Collection[int] | None, operations: int | None) -> list[Asker]:
    """Return the clients of a world, or ``only`` those of some numbers, with at most so many ``operations`` each."""
    return [
        kind(world, number, size if operations is None else min(size, operations))
        for number, (kind, size) in enumerate(sizes(world.seed))
        if only is None or number in only
    ]


def misfortune(world: World) -> None:
    """Every ten seconds something may happen to the cloud as a whole."""
    faults, backend = world.faults, world.backend
    while not faults.over:
        backend.sleep(faults.between(3, 12))
        if faults.happens("purge"):
            world.say(f"the broker loses {world.broker.purge()} messages")
        if faults.happens("clock step"):
            daemon = faults.chance.choice(world.daemons)
            daemon.process.clock_step += faults.between(-3600, 3600)
            world.say(f"the clock of {daemon.label} is off by {daemon.process.clock_step:.0f} s")
        if faults.happens("host power"):
            _power_off(world, faults.chance.choice(list(world.machines)))
        if faults.happens("drain"):
            daemon = faults.chance.choice([daemon for daemon in world.daemons if daemon.up] or world.daemons)
            daemon.drain()
        if faults.happens("guest"):
            _guest_ends(world)
        if faults.happens("second start"):
            _start_beside(world)


def _power_off(world: World, host: str) -> None:
    world.say(f"{host} loses its power")
    for daemon in world.workers:
        if daemon.host == host and daemon.up:
            world.kill(daemon.process)
        for process in list(daemon.former) if daemon.host == host else ():
            world.kill(process)
    world.machines[host].reboot_host()
    world.forget_network(host)


def _start_beside(world: World) -> None:
    may = [worker for worker in world.workers if worker.may_start_beside]
    if may:
        world.faults.chance.choice(may).start_beside(world.lasting(world.faults.between(2, 60)))


def _guest_ends(world: World) -> None:
    running = [(machine, guest) for machine in world.machines.values() for guest in sorted(machine.running())]
    if running:
        machine, guest = world.faults.chance.choice(running)
        world.say(f"guest {guest[:8]} on {machine.host} shuts itself down")
        machine.power_off_from_inside(guest)
