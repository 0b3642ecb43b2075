"""The daemons of a simulated world: the product's own workers and API, processes that die and are started again."""

from __future__ import annotations

import contextlib
import functools
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import webob

from iaas.api.compute import app as compute_app
from iaas.api.volume import app as volume_app
from iaas.cmd.clients import RULES, Clients
from iaas.common import policy, rpc
from iaas.common.rest.middleware import Bound, Guard
from iaas.common.runtime.sim_backend import Process, SimBackend
from iaas.compute.manager import ComputeManager
from iaas.jobs.bell import Bell
from iaas.jobs.service import STUCK, WorkerService
from iaas.jobs.submit import Backlog
from iaas.network.manager import NetworkManager
from iaas.scheduler.manager import SchedulerManager
from iaas.volume.manager import VolumeManager
from tests.simulation import world_drivers
from tests.simulation.world_database import SimDatabase
from tests.simulation.world_queue import SimTransport

if TYPE_CHECKING:
    from tests.simulation.world import World

REQUEST_SECONDS = 60.0  # a client hangs up then
STOP_SECONDS = 45.0  # until a daemon that was told to end is killed: TimeoutStopSec of its unit


@functools.cache
def _rules() -> policy.Policy:
    return policy.Policy(RULES)


@functools.cache
def _apps() -> dict[str, Any]:
    """The WSGI applications: they hold no state, so that every API process may share them."""
    return {
        "compute": Guard(compute_app.app_factory({}), "compute"),
        "volume": Guard(volume_app.app_factory({}), "volume"),
    }


class SilentListener:
    """A socket nobody connects to: what the compute worker's agent listens on."""

    def __init__(self, backend: SimBackend, host: str, port: int) -> None:
        self._name = (host, port or 1024)
        self._ended = backend.event()

    def getsockname(self) -> tuple[str, int]:
        return self._name

    def accept(self) -> Any:
        self._ended.wait()
        raise OSError("the listener is closed")

    def shutdown(self, how: int) -> None:
        self._ended.set()

    def __enter__(self) -> SilentListener:
        return self

    def __exit__(self, *exc: Any) -> None:
        self.shutdown(0)


class WorldBackend(SimBackend):
    """The simulated runtime with sockets nobody connects to."""

    def listen(self, host: str, port: int) -> Any:
        return SilentListener(self, host, port)


@dataclass
class Answer:
    """What a client got: ``status`` 0 if nothing came back, so that it cannot know what was done."""

    status: int
    body: Any = None
    request_id: str = ""


class Daemon:
    """One program of the cloud: started, killed and started again for as long as the world lasts.

    :ivar process: the process it is now, or was last
    :ivar up: whether that lives
    :ivar ready: whether it has started
    """

    def __init__(self, world: World, name: str, host: str) -> None:
        self.world = world
        self.name = name
        self.host = host
        self.up = self.ready = False
        self.process: Process = world.outside
        self.service: Any = None

    @property
    def label(self) -> str:
        return f"{self.name}.{self.host}"

    def start(self) -> None:
        """Start it as a new process."""
        world = self.world
        self.process = world.backend.process(self.label)
        self.process.at_kill.append(functools.partial(self._died, self.process))
        self.up, self.ready, self.service = True, False, None
        world.say(f"{self.label} starts")
        world.backend.spawn_in(self.process, self._main)

    def _main(self) -> None:
        try:
            self._run(self._clients())
            self.ready = True
        except Exception as error:
            self.world.say(f"{self.label} cannot start: {error!s:.100}")
            self.world.kill(self.process)

    def _run(self, clients: Clients) -> None:
        raise NotImplementedError

    def _died(self, process: Process) -> None:
        self.up = self.ready = False
        self.world.say(f"{self.label} is dead")
        self.world.start_later(self)

    def drain(self) -> None:
        """Tell it to end, as SIGTERM does; one that does not is killed."""
        self.world.say(f"{self.label} is told to end")
        self.world.backend.spawn_in(self.process, self._drain, self.process)
        self.world.backend.spawn_in(self.world.outside, self._end_for_sure, self.process)

    def _drain(self, process: Process) -> None:
        if self.service is not None:
            with contextlib.suppress(Exception):  # a daemon logs it and ends
                self.service.stop()
        self.world.kill(process)

    def _end_for_sure(self, process: Process) -> None:
        self.world.backend.sleep(self.world.lasting(STOP_SECONDS))
        self.world.kill(process)

    def _clients(self) -> Clients:
        world = self.world
        database = SimDatabase(world)
        transport = SimTransport(world, self.process)
        client = rpc.Client(transport)
        return Clients(
            settings=world.settings_of(self.host),
            db=database,
            policy=_rules(),
            transport=transport,
            rpc=client,
            bell=Bell(client),
            backlog=Backlog(database, world.settings),
            identity=None,
            image=world.images,
            agents=None,  # type: ignore[arg-type]  nobody asks for a console
        )


class Worker(Daemon):
    """A scheduler, compute, network or volume worker."""

    def _run(self, clients: Clients) -> None:
        manager = MANAGERS[self.name](self, clients)
        zone = "internal" if self.name in ("scheduler", "network") else "nova"
        self.process.at_kill.append(functools.partial(_let_go, manager))
        self.service = WorkerService(self.name, clients, host=self.host, manager=manager, zone=zone)
        self.service.on_end = self._end
        self.service.start()

    def _end(self, code: int, why: str) -> None:
        """The worker has found out that it must not go on."""
        self.world.say(f"{self.label} ends with code {code}: {why}")
        if code == STUCK:
            self.world.kill(self.process)
        self.drain()

    def _folder(self) -> Path:
        """Return where it keeps the host's id, in memory."""
        return self.world.folder / self.host / self.name

    def compute(self, clients: Clients) -> ComputeManager:
        driver = world_drivers.compute_driver(self.world.machines[self.host])
        return ComputeManager(clients, driver, self.host)

    def network(self, clients: Clients) -> NetworkManager:
        driver = world_drivers.Bridges(self.world, self.world.bridges[self.host])
        return NetworkManager(clients, driver, self.host, self._folder())

    def volume(self, clients: Clients) -> VolumeManager:
        driver = world_drivers.StoreDriver(self.world.stores[self.host])
        return VolumeManager(clients, driver, self.host, self._folder())

    def scheduler(self, clients: Clients) -> SchedulerManager:
        return SchedulerManager(clients)


MANAGERS: dict[str, Callable[[Worker, Clients], Any]] = {
    "scheduler": Worker.scheduler,
    "compute": Worker.compute,
    "network": Worker.network,
    "volume": Worker.volume,
}


class Api(Daemon):
    """An API process: it answers requests, each in a task of its own, and may die in the middle of one."""

    def _run(self, clients: Clients) -> None:
        self.clients = clients
        self.apps = {name: Bound(app, clients) for name, app in _apps().items()}

    def _drain(self, process: Process) -> None:
        self.world.kill(process)

    def call(self, serve: Callable[[Api], Answer]) -> Answer:
        """Run a request in this process and wait for its answer, for a minute."""
        world, process = self.world, self.process
        came, answers = world.backend.event(), []
        process.at_kill.append(came.set)

        def handle() -> None:
            world.at("http.before")
            answer = serve(self)
            world.at("http.after")
            answers.append(answer)
            came.set()

        world.backend.spawn_in(process, handle)
        came.wait(REQUEST_SECONDS)
        if came.set in process.at_kill:
            process.at_kill.remove(came.set)
        return answers[0] if answers else Answer(0)

    def serve(self, service: str, ctx: Any, method: str, path: str, body: Any) -> Answer:
        """Answer one request by the product's WSGI application."""
        prefix, version = {"compute": ("/v2.1", "compute 2.37"), "volume": ("/v3", "volume 3.0")}[service]
        request = webob.Request.blank(prefix + path, method=method)
        request.headers["OpenStack-API-Version"] = version
        if body is not None:
            request.content_type = "application/json"
            request.body = json.dumps(body).encode()
        request.environ["iaas.context"] = ctx
        response = request.get_response(self.apps[service])
        found = json.loads(response.body) if response.body else None
        return Answer(response.status_int, found)


def _let_go(manager: Any) -> None:
    """Close the files of a dead process, as its kernel does."""
    if manager.identity is not None:
        with contextlib.suppress(OSError):
            os.close(manager.identity._file)
