"""The identity service of a simulated world, as far as others see it: a connection that answers, refuses, or breaks.

The filter that asks who a token is, and the client it asks by, are the product's own.
"""

from __future__ import annotations

import datetime
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import urllib3

if TYPE_CHECKING:
    from tests.simulation.world import World

OWN = "token-of-the-services"
LIFE = 30 * 86400.0  # seconds: the clocks of daemons go wrong by hours


@dataclass
class Reply:
    """What a connection returns, as urllib3 has it."""

    status: int
    data: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


def token_of(user: str, project: str) -> str:
    """Return the token of a user in a project: it says who that is."""
    return f"{user} {project}"


class Connection:
    """The pool of connections of an ``IdentityClient``."""

    def __init__(self, world: World) -> None:
        self._world = world

    def request(self, method: str, url: str, *, headers: dict[str, str], **how: Any) -> Reply:
        world, faults = self._world, self._world.faults
        world.backend.sleep(faults.between(0.0, 0.01))
        if faults.happens("identity 503"):
            if faults.chance.random() < 0.5:
                return Reply(503)
            raise urllib3.exceptions.ProtocolError("the connection broke")
        if method == "POST":
            return Reply(201, self._said("service", "service", ("service",)), {"X-Subject-Token": OWN})
        user, _, project = headers["X-Subject-Token"].partition(" ")
        return Reply(200, self._said(user, project, ("member", "reader")))

    def _said(self, user: str, project: str, roles: tuple[str, ...]) -> bytes:
        domain = {"id": "default", "name": "Default"}
        ends = datetime.datetime.fromtimestamp(self._world.backend.true_time() + LIFE, datetime.UTC)
        token: dict[str, Any] = {
            "user": {"id": user, "name": user, "domain": domain},
            "project": {"id": project, "name": project, "domain": domain},
            "roles": [{"name": role} for role in roles],
            "expires_at": ends.isoformat(),
        }
        return json.dumps({"token": token}).encode()
