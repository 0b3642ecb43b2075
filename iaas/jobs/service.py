"""A worker daemon: one engine, its messages, its heartbeat and its periodic tasks.

Scheduler, compute, network and volume are this one class with a manager each::

    service = WorkerService("compute", clients, host="node1", manager=ComputeManager(clients, driver))
    service.start()
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from iaas.common import context, errors, rpc, runtime
from iaas.common.context import RequestContext
from iaas.common.health import Check, by_age
from iaas.common.periodic import Periodic, Runner
from iaas.db import hosts
from iaas.db.hosts import Incarnation
from iaas.jobs.calls import Calls
from iaas.jobs.engine import Engine
from iaas.jobs.handlers import Handler
from iaas.jobs.identity import HostIdentity

LOG = logging.getLogger(__name__)
#: exit codes of a worker that ends by itself: systemd starts it again after the second, not after the first
SUPERSEDED, STUCK = 3, 4
#: sweeps in a row that find jobs while no message comes, after which a worker that has room counts as deaf
DEAF = 4
#: seconds the message queue may be silent: two heartbeats and a new connection
BROKER_LIMIT = 30.0


class Manager:
    """What a worker adds to the machinery: how it starts, what it does by itself, which steps it serves.

    Its methods marked ``@rpc.endpoint`` are the messages the worker understands; ``run_job``, the doorbell, is
    one of every manager.

    :ivar folder: where it keeps state on its host, which one process at a time may touch; None if it keeps none
    :ivar bound: its work is tied to its host, so that only the latest start of it may do any
    :ivar calls: how it calls its driver
    :ivar held: which start of the worker this is
    """

    handlers: Mapping[tuple[str, str], Handler] = {}
    engine: Engine
    folder: Path | None = None
    bound = True
    calls = Calls()
    held: Incarnation | None = None
    identity: HostIdentity | None = None

    @rpc.endpoint
    def run_job(self, ctx: RequestContext, *, job_id: str, resource_id: str) -> None:
        """Look at a job now."""
        self.engine.run(job_id, resource_id)

    def take_host(self, binary: str) -> str | None:
        """Lock the state folder for this process and return the host's id, None without a folder.

        :raises HostTaken: another process has it.
        """
        if self.folder is None:
            return None
        self.identity = runtime.native(HostIdentity, self.folder, binary)
        return self.identity.id

    def release_host(self) -> None:
        """Let another process have the state folder."""
        if self.identity is not None:
            self.identity.release()
            self.identity = None

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

    A later start of the same worker takes its place: this one learns so from its next heartbeat, claims nothing more
    and ends.  Until then the guards of its statements hold it back.

    :param name: ``scheduler``, ``compute``, ``network`` or ``volume``: the topic, and ``iaas-<name>`` the binary
    :param clients: the process's ``db``, ``transport``, ``bell`` and ``settings``
    :ivar admin_url: where this process says how it is, if it does
    :ivar on_end: called with an exit code and a sentence when the worker must not go on
    """

    def __init__(self, name: str, clients: Any, *, host: str, manager: Manager, zone: str = "internal") -> None:
        self.name = name
        self.binary = f"iaas-{name}"
        self.host = host
        self.zone = zone
        self.clients = clients
        self.manager = manager
        self.admin_url: str | None = None
        self._seen = runtime.monotonic()
        topics = [name, f"{name}.{host}"]
        self.engine = Engine(
            f"{name}.{host}", clients.db, clients.settings, topics, manager.handlers, clients.bell, manager
        )
        manager.engine = self.engine
        manager.calls = Calls(clients.settings.jobs.stuck_after, self._tell, self._stuck)
        self._held = Incarnation("", None)
        self._beating = runtime.lock()
        self.on_end: Callable[[int, str], Any] = lambda code, why: runtime.spawn(self.stop)
        pool_size = clients.settings.queue.pool_size
        self._server = rpc.RpcServer(clients.transport, topics, manager, pool_size=pool_size)
        self._runner = Runner(
            [Periodic("heartbeat", clients.settings.compute.heartbeat_every, self._beat, at_start=False)]
            + manager.periodics()
        )

    def truth(self) -> dict[str, Any]:
        """Return what this worker finds on its host, and what waits in the broker of its process if that has one."""
        queues = self.clients.transport.depths()
        return self.manager.truth() | ({} if queues is None else {"queues": queues})

    def start(self) -> None:
        """Become the only one of this name, make the back-end ready, sweep, and only then take messages.

        :raises HostTaken: another process of this host is this worker.
        :raises NameTaken: another machine is this worker.
        """
        host_id = self.manager.take_host(self.binary)
        try:
            self._report(host_id, ready=False)
            self.manager.start_host()
            self.clients.db.write(context.admin(), hosts.ready, self._held)
        except BaseException:
            self.manager.release_host()
            raise
        self.engine.start()
        self._server.start()
        self._runner.start()
        LOG.info("%s on %s is ready", self.binary, self.host)

    def stop(self) -> None:
        """Take nothing more, let running steps end, and let go of the back-end."""
        self._runner.stop()
        try:
            self.clients.db.write(context.admin(), hosts.drain, self._held)
        except errors.Unavailable as error:
            LOG.warning("%s on %s ends without saying so: %s", self.binary, self.host, error)
        stopper = runtime.spawn(self._server.stop)
        self.engine.stop()
        stopper.wait()
        self.manager.stop_host()
        self.manager.release_host()

    def alive(self) -> bool:
        """Whether the worker has reached the database lately: what the watchdog is fed by."""
        return runtime.monotonic() - self._seen < self._beat_limit()

    def health(self) -> list[Check]:
        """Whether it beat, swept and took messages lately."""
        part, now = f"{self.binary} on {self.host}", runtime.monotonic()
        every = self.clients.settings.jobs.sweep_every
        deaf = self.engine.missed >= DEAF and not self.engine.full and self._server.idle_for() > DEAF * every
        return [
            by_age(part, "heartbeat", now - self._seen, self._beat_limit(), "The database was not reached."),
            by_age(part, "sweep", self.engine.swept_for(), 4 * every + 30.0, "Jobs nobody rang for are not found."),
            by_age(
                part, "broker", self._server.age(), BROKER_LIMIT, "The message queue is away; sweeps find the jobs."
            ),
            Check(
                part, "messages", not deaf, why="Sweeps find jobs and no message comes: it is deaf." if deaf else None
            ),
        ]

    def _beat_limit(self) -> float:
        return 6 * self.clients.settings.compute.heartbeat_every

    def _report(self, host_id: str | None, *, ready: bool) -> None:
        service = (runtime.uuid(), self.binary, self.host, self.zone)
        start = self.clients.db.write(
            context.admin(), hosts.start_service, *service, host_id=host_id, ready=ready, admin_url=self.admin_url
        )
        self._held = start if self.manager.bound else Incarnation(start.service_id, None)
        self.engine.held = self.manager.held = self._held
        self._seen = runtime.monotonic()

    def _beat(self) -> None:
        """Tell the cloud that this worker lives, and whether its driver answers."""
        with self._beating:  # what a slower beat says must not come after what a faster one says
            told = self.clients.db.write(context.admin(), hosts.beat, self._held, self.manager.calls.degraded)
            if not told and not self._superseded():
                LOG.warning("the row of %s on %s was removed; it is made anew", self.binary, self.host)
                identity = self.manager.identity
                self._report(identity.id if identity else None, ready=True)
        self._seen = runtime.monotonic()

    def _superseded(self) -> bool:
        """End if another start is the latest one now."""
        if not self.manager.bound:
            return False
        with self.clients.db.read(context.admin()) as tx:
            others = hosts.all_services(tx, binary=self.binary, host=self.host)
        for other in others:
            why = (
                f"{self.binary} on {self.host} was started again, as number {other.incarnation}; this one, number "
                f"{self._held.number}, takes no more jobs and ends."
            )
            self._end(SUPERSEDED, why)
        return bool(others)

    def _tell(self) -> None:
        """Beat now, in a task of its own: who calls must not fail because the database is away."""
        runtime.spawn(self._try_beat)

    def _try_beat(self) -> None:
        try:
            self._beat()
        except errors.Unavailable as error:
            LOG.warning("%s on %s says at its next heartbeat how it is: %s", self.binary, self.host, error)

    def _stuck(self, why: str) -> None:
        self._end(STUCK, f"{why} Only a new process of {self.binary} on {self.host} helps; this one ends.")

    def _end(self, code: int, why: str) -> None:
        LOG.critical("%s", why)
        self.engine.close()
        self.on_end(code, why)
