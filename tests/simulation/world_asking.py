"""Somebody who asks a simulated cloud for things, again and again until there is an answer."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from iaas.common.context import RequestContext
from tests.simulation import world_identity
from tests.simulation.world_daemons import Answer, Web

if TYPE_CHECKING:
    from tests.simulation.world import World

PROJECTS = ("1" * 32, "2" * 32)


class Asker:
    """One user with a list of things to do; each is tried again as long as the cloud says 503 or nothing.

    :ivar service: the kind of daemon it asks
    :ivar left: how many things are left to do
    """

    service = "api"

    def __init__(self, world: World, number: int, operations: int) -> None:
        self.world = world
        self.number = number
        self.chance = random.Random(f"{world.seed} client {number}")
        self.project = PROJECTS[number % len(PROJECTS)]
        self.left = operations

    def live(self) -> None:
        """Do everything there is to do."""
        while self.left > 0:
            self.left -= 1
            self.world.backend.sleep(self.chance.expovariate(1 / 5))
            self._next()()

    def _next(self) -> Callable[[], None]:
        """Draw a verb."""
        raise NotImplementedError

    def _context(self) -> RequestContext:
        return RequestContext(
            request_id="req-" + self.world.backend.uuid(), user_id=f"user{self.number}", project_id=self.project,
            roles=("member", "reader"), user_name=f"user{self.number}",
        )  # fmt: skip

    def _ask(self, service: str, method: str, path: str, body: Any = None) -> Answer:
        token = world_identity.token_of(f"user{self.number}", self.project)
        return self._call(lambda web: web.serve(service, token, method, path, body), f"{method} {path} {body or ''}")

    def _call(self, serve: Callable[[Web], Answer], words: str) -> Answer:
        world = self.world
        up = [web for web in world.webs if web.ready and web.name == self.service]
        answer = self.chance.choice(up).call(serve) if up else Answer(503)
        world.say(f"client {self.number}: {words}: {answer.status or 'no answer'}")
        if answer.status == 500:
            world.complain(f"client {self.number}: {words} was answered 500: {answer.body}")
        return answer

    def _again(self, answer: Answer) -> bool:
        """Wait and say whether to ask again."""
        if answer.status not in (0, 503):
            return False
        self.world.backend.sleep(self.chance.uniform(0.5, 4))
        return True
