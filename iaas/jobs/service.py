"""A worker daemon: one engine, its messages, its heartbeat and its periodic tasks.

Scheduler, compute, network and volume are this one class with a manager each::

    service = WorkerService("compute", clients, host="node1", manager=ComputeManager(clients, driver))
    service.start()
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from iaas.common import context, errors, rpc, runtime
from iaas.common.context import RequestContext
from iaas.common.periodic import Periodic, Runner
from iaas.db import hosts
from iaas.jobs.engine import Engine
from iaas.jobs.handlers import Handler

LOG = logging.getLogger(__name__)


class Manager:
    """What a worker adds to the machinery: how it starts, what it does by itself, which steps it serves.

    Its methods marked ``@rpc.endpoint`` are the messages the worker understands; ``run_job``, the doorbell, is
    one of every manager.
    """

    handlers: Mapping[tuple[str, str], Handler] = {}
    engine: Engine

    @rpc.endpoint
    def run_job(self, ctx: RequestContext, *, job_id: str, resource_id: str) -> None:
        """Look at a job now."""
        self.engine.run(job_id, resource_id)

    def start_host(self) -> None:
        """Make the back-end ready before the first job; raise what makes it unusable."""

    def stop_host(self) -> None:
        """Let go of the back-end."""

    def truth(self) -> dict[str, Any]:
        """Look at the back-end and return what this host really has, in plain JSON values.

        See :class:`iaas.doctor.HostTruth` for the words; nothing is changed. What is not named was not looked at.
        """
        return {}

    def periodics(self) -> list[Periodic]:
        """What the worker does by itself."""
        return []


class WorkerService:
    """One worker of one host.

    :param name: ``scheduler``, ``compute``, ``network`` or ``volume``: the topic, and ``iaas-<name>`` the binary
    :param clients: the process's ``db``, ``transport``, ``bell`` and ``settings``
    """

    def __init__(self, name: str, clients: Any, *, host: str, manager: Manager, zone: str = "internal") -> None:
        self.name = name
        self.binary = f"iaas-{name}"
        self.host = host
        self.zone = zone
        self.clients = clients
        self.manager = manager
        self._seen = runtime.monotonic()
        topics = [name, f"{name}.{host}"]
        self.engine = Engine(
            f"{name}.{host}", clients.db, clients.settings, topics, manager.handlers, clients.bell, manager
        )
        manager.engine = self.engine
        pool_size = clients.settings.queue.pool_size
        self._server = rpc.RpcServer(clients.transport, topics, manager, pool_size=pool_size)
        self._runner = Runner(
            [Periodic("heartbeat", clients.settings.compute.heartbeat_every, self._beat, at_start=False)]
            + manager.periodics()
        )

    def start(self) -> None:
        """Make the back-end ready, report, sweep, and only then take messages."""
        self.manager.start_host()
        self._report()
        self.engine.start()
        self._server.start()
        self._runner.start()
        LOG.info("%s on %s is ready", self.binary, self.host)

    def stop(self) -> None:
        """Take nothing more, let running steps end, and let go of the back-end."""
        self._runner.stop()
        try:
            self.clients.db.write(context.admin(), hosts.drain, self.binary, self.host)
        except errors.Unavailable as error:
            LOG.warning("%s on %s ends without saying so: %s", self.binary, self.host, error)
        stopper = runtime.spawn(self._server.stop)
        self.engine.stop()
        stopper.wait()
        self.manager.stop_host()

    def alive(self) -> bool:
        """Whether the worker has reached the database lately: what the watchdog is fed by."""
        return runtime.monotonic() - self._seen < 6 * self.clients.settings.compute.heartbeat_every

    def _report(self) -> None:
        service = (runtime.uuid(), self.binary, self.host, self.zone)
        self.clients.db.write(context.admin(), hosts.start_service, *service)
        self._seen = runtime.monotonic()

    def _beat(self) -> None:
        """Tell the cloud that this worker lives."""
        if not self.clients.db.write(context.admin(), hosts.beat, self.binary, self.host):
            LOG.warning("the row of %s on %s was removed; it is made anew", self.binary, self.host)
            self._report()
        self._seen = runtime.monotonic()
