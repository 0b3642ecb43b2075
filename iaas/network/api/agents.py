"""The network workers as Network v2.0 shows them: agents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from iaas.common import errors
from iaas.common.context import RequestContext
from iaas.db import hosts

BINARY = "iaas-network"


class AgentNotFound(errors.IaasError):
    kind = errors.Kind.NOT_FOUND
    template = "Agent {id} could not be found."


def all_agents(clients: Any, ctx: RequestContext) -> Sequence[Any]:
    """Return the services of the network workers, with how long each has been silent."""
    with clients.db.read(ctx) as tx:
        return hosts.all_services(tx, binary=BINARY)


def get(clients: Any, ctx: RequestContext, agent_id: str) -> Any:
    """Return one of them.

    :raises AgentNotFound: there is none.
    """
    with clients.db.read(ctx) as tx:
        found = hosts.all_services(tx, binary=BINARY, id=agent_id)
    if not found:
        raise AgentNotFound(id=agent_id[:64])
    return found[0]
