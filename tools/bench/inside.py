"""The controller's verbs and one scheduler in this process over any database: no HTTP, no broker, no compute hosts.

What is placed stays where it is: its job waits for a worker of its host, which does not exist.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from iaas.cmd import clients as process
from iaas.cmd import seed
from iaas.common import conf, context, rpc, runtime
from iaas.common.context import RequestContext
from iaas.compute.api import servers
from iaas.db.models.controller import CONTROLLER
from iaas.db.tx import Database
from iaas.jobs.engine import Engine
from iaas.scheduler.jobs.table import handlers
from iaas.scheduler.manager import SchedulerManager

IMAGE = "00000000-0000-4000-8000-000000000001"
#: (name, virtual CPUs, MiB of memory, GiB of disk), with the ids "1", "2", …
FLAVORS = [("small", 1, 64, 1), ("huge", 512, 1 << 22, 1 << 20)]
SMALL, HUGE = "1", "2"
FACTS = {
    "id": IMAGE, "status": "active", "disk_format": "raw", "size": 1 << 20, "virtual_size": 1 << 20,
    "min_disk_gb": 0, "min_ram_mb": 0, "hash_algo": "sha512", "hash_value": "0" * 128, "properties": {},
}  # fmt: skip
OPTIONS = {
    "jobs.max_pending": 1_000_000, "jobs.max_pending_per_project": 1_000_000,
    "scheduler.down_after": 3600.0, "quota.instances": -1, "quota.cores": -1, "quota.ram": -1,
}  # fmt: skip


class Images:
    """The image service's client; it knows one image."""

    def get(self, ctx: RequestContext, image_id: str) -> Any:
        return SimpleNamespace(**FACTS)


class Rung:
    """A doorbell that only remembers: (job, instance) of the scheduler's topic."""

    def __init__(self) -> None:
        self.jobs: list[tuple[str, str]] = []

    def ring(self, topic: str, job_id: str, resource_id: str) -> None:
        if topic == "scheduler":
            self.jobs.append((job_id, resource_id))


def prepare(url: str) -> Database:
    """Make the tables and the flavors in an empty database."""
    database = Database(url)
    CONTROLLER.create_all(database.engine)
    database.write(context.admin(), seed.flavors, FLAVORS)
    return database


def connect(url: str, **changes: Any) -> process.Clients:
    """Return a controller's connections to a prepared database.

    :param changes: options as ``group__option=value``
    """
    wanted = {**OPTIONS, "database.url": url, **{name.replace("__", "."): value for name, value in changes.items()}}
    transport = rpc.connect(f"memory://{runtime.uuid()}")
    return process.make(conf.load().replace(wanted), identity=None, image=Images(), transport=transport)


def engine(clients: process.Clients) -> Engine:
    """Return a scheduler's engine that runs what it is given."""
    manager = SchedulerManager(clients)
    return Engine("scheduler.bench", clients.db, clients.settings, ["scheduler"], handlers.table, clients.bell, manager)


def member(project_id: str) -> RequestContext:
    return RequestContext(
        request_id=context.new_request_id(), user_id="bench", project_id=project_id, roles=("member",), is_admin=False
    )


def boot(clients: process.Clients, project_id: str, flavor_id: str = SMALL, count: int = 1) -> servers.Made:
    """Accept servers by the verb that both APIs call.

    :raises QuotaExceeded: they do not fit.
    """
    wanted = servers.NewServers("bench", flavor_id, IMAGE, min_count=count, max_count=count, networks="none")
    return servers.create(clients, member(project_id), wanted)
