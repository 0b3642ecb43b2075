"""The daemons of a simulated world: the product's own workers and API, processes that die and are started again."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import webob

from iaas.api.compute import app as compute_app
from iaas.api.volume import app as volume_app
from iaas.cmd.clients import RULES, Clients
from iaas.common import policy, rpc
from iaas.common.rest.middleware import Bound, Guard
from iaas.common.runtime.sim_backend import Process, SimBackend
from iaas.compute.manager import ComputeManager
from iaas.identity.client import IdentityClient
from iaas.identity.middleware import TokenFilter
from iaas.image import app as image_app
from iaas.image import clients as image_clients
from iaas.image.stores.file import FileStore
from iaas.jobs.bell import Bell
from iaas.jobs.service import STUCK, WorkerService
from iaas.jobs.submit import Backlog
from iaas.network.manager import NetworkManager
from iaas.scheduler.manager import SchedulerManager
from iaas.volume.manager import VolumeManager
from tests.simulation import world_drivers, world_identity
from tests.simulation.world_database import SimDatabase
from tests.simulation.world_queue import SimTransport

if TYPE_CHECKING:
    from tests.simulation.world import World

REQUEST_SECONDS = 60.0  # a client hangs up then
STOP_SECONDS = 45.0  # until a daemon that was told to end is killed: TimeoutStopSec of its unit
OCTETS = "application/octet-stream"
PIECES = 3  # in which the bytes of an upload come


@functools.cache
def _rules() -> policy.Policy:
    return policy.Policy(RULES)


@functools.cache
def _apps() -> dict[str, Any]:
    """The WSGI applications: they hold no state, so that every API process may share them."""
    return {
        "compute": Guard(TokenFilter(compute_app.app_factory({})), "compute"),
        "volume": Guard(TokenFilter(volume_app.app_factory({})), "volume"),
        "image": Guard(TokenFilter(image_app.app_factory({})), "image"),
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
    :ivar former: processes it was before and that live still: another one was started beside them
    :ivar up: whether that lives
    :ivar ready: whether it has started
    """

    def __init__(self, world: World, name: str, host: str) -> None:
        self.world = world
        self.name = name
        self.host = host
        self.up = self.ready = False
        self.process: Process = world.outside
        self.former: list[Process] = []
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
        if process in self.former:
            self.former.remove(process)
            self.world.say(f"the {self.label} of before is dead")
            return
        self.up = self.ready = False
        self.world.say(f"{self.label} is dead")
        self.world.start_later(self)

    def drain(self) -> None:
        """Tell it to end, as SIGTERM does; one that does not is killed."""
        self._tell_to_end(self.process, self.service)

    def _tell_to_end(self, process: Process, service: Any) -> None:
        self.world.say(f"{self.label} is told to end")
        self.world.backend.spawn_in(process, self._drain, process, service)
        self.world.backend.spawn_in(self.world.outside, self._end_for_sure, process)

    def _drain(self, process: Process, service: Any) -> None:
        if service is not None:
            with contextlib.suppress(Exception):  # a daemon logs it and ends
                service.stop()
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
        self.service.on_end = functools.partial(self._end, self.process, self.service)
        self.service.start()

    def _end(self, process: Process, service: WorkerService, code: int, why: str) -> None:
        """A worker has found out that it must not go on."""
        self.world.say(f"{self.label} ends with code {code}: {why}")
        if code == STUCK:
            self.world.kill(process)
        self._tell_to_end(process, service)

    @property
    def may_start_beside(self) -> bool:
        """Whether it is there once, with a host of its own, and none of its driver's calls is on its way.

        What a call that is on its way does to the host, nobody can call back: that is what the lock is for.
        """
        calls = any(task.native for task in self.process.tasks)
        return self.ready and not self.former and not calls and self.service.manager.identity is not None

    def start_beside(self, seconds: float) -> None:
        """Start it a second time while the first process is stopped, and its lock of the state folder lost.

        A file server that starts again loses locks, and a virtual machine that was moved is stopped for a while.

        :param seconds: until the first process goes on
        """
        process, identity = self.process, self.service.manager.identity
        self.world.say(f"{self.label} is stopped for {seconds:.1f} s and starts a second time")
        self.world.backend.pause(process, seconds)
        fcntl.flock(identity._file, fcntl.LOCK_UN)
        self.former.append(process)
        self.start()

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


class Web(Daemon):
    """A process that answers requests, each in a task of its own, and may die in the middle of one."""

    #: service → where its paths begin, and the version clients ask for
    services: Mapping[str, tuple[str, str]] = {}

    def _run(self, clients: Any) -> None:
        connection: Any = world_identity.Connection(self.world)
        clients.identity = IdentityClient(clients.settings, connection)
        self.clients = clients
        self.apps = {name: Bound(app, clients) for name, app in _apps().items() if name in self.services}

    def _drain(self, process: Process, service: Any) -> None:
        self.world.kill(process)

    def call(self, serve: Callable[[Self], Answer]) -> Answer:
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

    def serve(self, service: str, token: str, method: str, path: str, body: Any) -> Answer:
        """Answer one request by the product's WSGI application.

        :param body: a JSON value, or a :class:`Body` of bytes
        """
        prefix, version = self.services[service]
        request = webob.Request.blank(prefix + path, method=method)
        request.headers["OpenStack-API-Version"] = version
        if isinstance(body, Body):
            request.environ |= {"wsgi.input": body, "CONTENT_LENGTH": str(body.announced)}
            request.content_type = OCTETS
        elif body is not None:
            request.content_type = "application/json"
            request.body = json.dumps(body).encode()
        request.headers["X-Auth-Token"] = token
        response = request.get_response(self.apps[service])
        plain = response.content_type == OCTETS
        found = response.body if plain or not response.body else json.loads(response.body)
        return Answer(response.status_int, found, response.headers["x-openstack-request-id"])


class Body:
    """The bytes of an upload on their way to a server, as slow as its client.

    :param announced: how many the client said there are; if fewer come, the connection broke
    """

    def __init__(self, backend: SimBackend, data: bytes, announced: int, seconds: float) -> None:
        self.announced = announced
        self._backend = backend
        self._rest = memoryview(data)
        self._piece = -(-len(data) // PIECES) or 1
        self._seconds = seconds / PIECES

    def __str__(self) -> str:
        return f"({len(self._rest)} of {self.announced} bytes)"

    def readinto(self, room: memoryview) -> int:
        self._backend.sleep(self._seconds)
        count = min(len(room), self._piece, len(self._rest))
        room[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count


class Api(Web):
    """An API process of the controller."""

    services = {"compute": ("/v2.1", "compute 2.37"), "volume": ("/v3", "volume 3.0")}


class ImageApi(Web):
    """An image process: it answers, and sweeps what others left behind; the files are on a disk of the world."""

    services = {"image": ("/v2", "image 2.9")}

    def _run(self, clients: Clients) -> None:
        disk = self.world.disk
        self.process.at_kill.append(functools.partial(disk.let_go, self.process))
        super()._run(image_clients.make(clients.settings, None, clients.db, FileStore(disk.folder)))
        image_app.Upkeep(self.clients).start()


def _let_go(manager: Any) -> None:
    """Close the files of a dead process, as its kernel does."""
    if manager.identity is not None:
        with contextlib.suppress(OSError):
            os.close(manager.identity._file)
