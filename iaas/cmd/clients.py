"""The connections of one process: what every request, job and periodic task works with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from iaas.common import policy, rpc
from iaas.compute import policies as compute_policies
from iaas.compute.agentapi import AgentClient
from iaas.db import engines
from iaas.db.tx import Database
from iaas.jobs.bell import Bell
from iaas.jobs.submit import Backlog
from iaas.network import policies as network_policies
from iaas.volume import policies as volume_policies

RULES: tuple[Mapping[str, str], ...] = (compute_policies.RULES, network_policies.RULES, volume_policies.RULES)


@dataclass
class Clients:
    """The controller's connections.

    :ivar bell: rings the workers' doorbells
    :ivar backlog: refuses new work when too much is pending
    :ivar image: the image service, by HTTP
    :ivar identity: the identity service, by HTTP
    :ivar agents: the agents of the compute hosts, by HTTP
    """

    settings: Any
    db: Database
    policy: policy.Policy
    transport: rpc.Transport
    rpc: rpc.Client
    bell: Bell
    backlog: Backlog
    identity: Any
    image: Any
    agents: AgentClient

    def close(self) -> None:
        self.rpc.close()
        self.transport.close()
        self.db.close()


def database_options(settings: Any) -> engines.Options:
    d = settings.database
    return engines.Options(d.pool_size, d.pool_timeout, d.connect_timeout, d.statement_timeout)


def make(
    settings: Any,
    *,
    identity: Any,
    image: Any,
    database: Database | None = None,
    transport: rpc.Transport | None = None,
) -> Clients:
    """Return the controller's connections; nothing is sent yet."""
    database = database or Database(settings.database.url, database_options(settings))
    transport = transport or rpc.connect(settings.queue.url)
    client = rpc.Client(
        transport, publish_timeout=settings.queue.publish_timeout, call_timeout=settings.queue.call_timeout
    )
    return Clients(
        settings=settings,
        db=database,
        policy=policy.Policy(RULES, settings.api.policy_file),
        transport=transport,
        rpc=client,
        bell=Bell(client),
        backlog=Backlog(database, settings),
        identity=identity,
        image=image,
        agents=AgentClient(settings.compute.agent_secret),
    )
