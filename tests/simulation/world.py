"""A whole cloud in a simulator: unmodified product code, in processes that die, with everything that stays around them.

    world = World(seed=7)
    result = world.run()

Three hosts with a compute and a network worker each, one volume host, two schedulers, two API and two image processes,
and clients that boot, delete, stop, start and reboot servers, make and delete volumes, and upload images.  The
database, the broker's queues, files, and what the drivers hold outlive the daemons.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

from iaas.common import conf, errors, points, runtime
from iaas.common.runtime.sim_backend import Process
from iaas.doctor import Finding
from iaas.doctor.history import History
from iaas.image.client import ImageFacts
from iaas.image.stores import file as file_store
from iaas.network.driver import Desired
from iaas.network.drivers import fake as fake_network
from iaas.network.drivers import plan as planning
from tests.simulation import world_clients, world_daemons, world_drivers, world_images
from tests.simulation.world_checker import examine, kept, torn
from tests.simulation.world_database import Server
from tests.simulation.world_faults import Faults
from tests.simulation.world_queue import SimBroker

HOSTS = ("host1", "host2", "host3")
STORE = "store1"
QUIET = 160.0  # seconds after the last fault until everything must be settled
SHM = Path("/dev/shm")


@dataclass
class Result:
    """What a seed came to.

    :ivar findings: what is wrong at the end, or was wrong at a moment when it may never be
    :ivar trace: what happened, a line each
    """

    seed: int
    findings: list[Finding]
    trace: list[str]
    digest: str
    seconds: float
    coverage: Any
    requests: int
    steps: int
    plan: dict[str, Any] = field(default_factory=dict)


def _image() -> ImageFacts:
    return ImageFacts.of(
        {
            "id": "00000000-0000-4000-8000-000000000001", "name": "image", "status": "active", "visibility": "public",
            "owner": "admin", "disk_format": "qcow2", "container_format": "bare", "size": 1 << 20,
            "virtual_size": 1 << 20, "checksum": "0" * 32, "os_hash_algo": "sha512", "os_hash_value": "0" * 128,
            "min_disk": 0, "min_ram": 0, "protected": False, "os_hidden": False, "tags": [],
            "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z",
        }
    )  # fmt: skip


class Images:
    """The image service, which may be out of order."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.image = _image()

    def get(self, ctx: Any, image_id: str) -> ImageFacts:
        if self.world.faults.happens("image 503"):
            raise errors.Unavailable(reason="The image service does not answer.")
        return self.image


class World:
    """One simulated cloud.

    :param seed: decides everything
    :param without: kinds of faults that are left out
    :param clients: only these of the clients, by number; None for all
    :param operations: at most so many operations of each client
    """

    def __init__(
        self,
        seed: int,
        *,
        without: Collection[str] = (),
        clients: Collection[int] | None = None,
        operations: int | None = None,
    ) -> None:
        self.seed = seed
        self.backend = world_daemons.WorldBackend(seed)
        self.faults = Faults(seed, without)
        self.trace: list[str] = []
        self.findings: list[Finding] = []
        self._well_from = 0.0
        self._latest: dict[str, Process] = {}  # worker → the process that was recorded last as started
        self.outside = self.backend.process("outside")  # networks, operators and clients: nobody kills them
        self.before = runtime.install(self.backend)
        self.folder = Path(tempfile.mkdtemp(prefix="sim-", dir=SHM if SHM.is_dir() else None))
        self.settings = _settings()
        self.database = Server(self.backend)
        self.broker = SimBroker(self)
        self.images = Images(self)
        self.machines = {host: world_drivers.Machine(self, host) for host in HOSTS}
        self.bridges = {host: fake_network.World() for host in HOSTS}
        self.stores = {STORE: world_drivers.Store(self, STORE)}
        self.disk = world_images.Disk(self, self.folder / "images")
        self.library = world_images.Library()
        self.webs: list[world_daemons.Web] = [
            *[world_daemons.Api(self, "api", f"api{number}") for number in (1, 2)],
            *[world_daemons.ImageApi(self, "image", f"image{number}") for number in (1, 2)],
        ]
        self.workers = [
            *[world_daemons.Worker(self, "scheduler", f"control{number}") for number in (1, 2)],
            *[world_daemons.Worker(self, name, host) for host in HOSTS for name in ("network", "compute")],
            world_daemons.Worker(self, "volume", STORE),
        ]
        self.history = History()
        self.crowd = world_clients.crowd(self, clients, operations)

    @property
    def daemons(self) -> list[world_daemons.Daemon]:
        return [*self.webs, *self.workers]

    # -- what the parts call -------------------------------------------------------------------------------

    def say(self, words: str) -> None:
        """Add a line to the trace."""
        self.trace.append(f"{self.backend.monotonic():9.3f} {self.backend.current.process.name:17} {words}")

    def at(self, point: str, *, pausing: bool = True) -> None:
        """Pass a named point: whoever passes it may die or be stopped.

        :param pausing: False within a transaction: a server would not wait for a client that is stopped
        """
        faults, process = self.faults, self.backend.current.process
        faults.coverage.passed[point] += 1
        self.say(point)
        if point.endswith((".advanced", ".accepted")):
            self._find(torn(self))
        if faults.over or process is self.outside or process is self.backend.root:
            return
        if faults.crashes_at(point):
            self.say(f"killed at {point}")
            self.kill(process)
        elif pausing and faults.happens("pause"):
            seconds = faults.between(2, 20) if faults.chance.random() < 0.5 else faults.between(25, 40)
            self.say(f"stopped for {seconds:.1f} s")
            self.backend.pause(process, self.lasting(seconds))

    def lasting(self, seconds: float) -> float:
        """Note that a fault of now has its effect in so many seconds: until then things do not go well."""
        self._well_from = max(self._well_from, self.backend.monotonic() + seconds)
        return seconds

    def kill(self, process: Process) -> None:
        self.backend.kill(process)

    def start_later(self, daemon: world_daemons.Daemon) -> None:
        """The supervisor starts a daemon that died, after a while."""
        wait = 1.0 if self.faults.over else self.faults.between(0.5, 20)
        self.backend.spawn_in(self.outside, self._restart, daemon, wait)

    def _restart(self, daemon: world_daemons.Daemon, wait: float) -> None:
        self.backend.sleep(wait)
        if not daemon.up:
            daemon.start()

    def note_running(self, guest_id: str) -> None:
        """A guest was started somewhere: it may run nowhere else (I6, at every moment)."""
        where = [host for host, machine in self.machines.items() if guest_id in machine.running()]
        if len(where) > 1:
            self._find([Finding("I6", f"server {guest_id}", f"It runs on {' and '.join(where)}.")])

    def note_start(self) -> None:
        """A worker is recorded as started: no process that was it before may do its work any more."""
        process = self.backend.current.process
        self._latest[process.name] = process

    def note_work(self, done: Any) -> None:
        """A process took or kept jobs, if ``done`` says so: it must be the latest start of its worker."""
        process = self.backend.current.process
        if process.name.startswith("scheduler."):
            return  # any number of processes may be one
        if done and self._latest.get(process.name) is not process:
            what = "A process of it took or kept a job after another one had taken its place."
            self._find([Finding("I6", process.name, what)])

    def complain(self, what: str) -> None:
        """An answer no client may ever get."""
        self._find([Finding("I12", "answer", what)])

    def forget_network(self, host: str) -> None:
        """What a host had in its kernel is gone."""
        kept = self.bridges[host]
        kept.plan, kept.desired = planning.make(Desired()), Desired()

    def settings_of(self, host: str) -> Any:
        return self.settings.replace({"compute.host": host, "compute.state_dir": str(self.folder / host)})

    # -- a history -----------------------------------------------------------------------------------------

    def run(self) -> Result:
        """Let the history of this seed happen and look at what is left."""
        watcher = points.watch(self.at)
        try:
            with mock.patch.object(file_store, "os", self.disk):
                self._happen()
        finally:
            points.watch(watcher)
            runtime.install(self.before) if self.before is not None else None
            shutil.rmtree(self.folder, ignore_errors=True)
        text = "\n".join(self.trace)
        return Result(
            seed=self.seed,
            findings=self.findings,
            trace=self.trace,
            digest=hashlib.sha256(text.encode()).hexdigest(),
            seconds=self.backend.monotonic(),
            coverage=self.faults.coverage,
            requests=len(self.history.promises),
            steps=self.backend.steps,
        )

    def _happen(self) -> None:
        for daemon in self.daemons:
            daemon.start()
        runtime.sleep(2)
        clients = [self.backend.spawn_in(self.outside, client.live) for client in self.crowd]
        self.backend.spawn_in(self.outside, world_clients.misfortune, self)
        until = runtime.monotonic() + 400
        while not all(client.done for client in clients) and runtime.monotonic() < until:
            runtime.sleep(25)
            self._glance()
        self.end_faults()
        for client in clients:
            client.wait()
        self._settle()

    def end_faults(self) -> None:
        """Things go well from now on."""
        self.say("the faults are over")
        self.faults.over = True
        self.lasting(0.0)

    def _settle(self) -> None:
        """Wait until nothing is wrong any more, for as long as it may take; what is wrong then, is."""
        while True:
            runtime.sleep(10)
            late = runtime.monotonic() - self._well_from >= QUIET
            wrong = examine(self, quiet=True) + kept(self) if late or self._idle() else None
            if late or wrong == []:
                self._find(wrong or [])
                self.say("all is well" if not wrong else "it is not well")
                return

    def _idle(self) -> bool:
        found = self.database.line.raw.execute("SELECT 1 FROM jobs WHERE live_key IS NOT NULL LIMIT 1").fetchone()
        return found is None

    def _glance(self) -> None:
        """Look for what may never be wrong, not even for a moment."""
        self._find(examine(self, quiet=False))

    def _find(self, found: list[Finding]) -> None:
        for finding in found:
            if finding not in self.findings:
                self.say(f"WRONG: {finding}")
                self.findings.append(finding)


def _settings() -> conf.Settings:
    return conf.load().replace(
        {
            "compute.agent_secret": "secret",
            "compute.reserved_memory_mb": 0,
            "quota.instances": 6,
            "quota.cores": 12,
            "quota.ram": 8192,
            "quota.ports": 8,
            "quota.volumes": 4,
            "quota.gigabytes": 12,
            "image.max_uploads": 2,
        }
    )
