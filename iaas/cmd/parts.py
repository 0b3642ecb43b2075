"""The parts of each daemon: composition only."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from iaas.cmd import clients as connections
from iaas.cmd.clients import Clients
from iaas.cmd.daemon import Closing, HttpPart, Part
from iaas.common import errors
from iaas.common.rest import pipeline
from iaas.db import migrate
from iaas.identity.client import IdentityClient
from iaas.image.client import ImageClient
from iaas.jobs.service import WorkerService

API_PORTS = {name: f"{name}_port" for name in ("compute", "ec2", "metadata", "volume", "network")}


def host_name(settings: Any) -> str:
    """Return what this host is called in the rows."""
    return settings.compute.host or socket.gethostname()


def controller(settings: Any) -> Clients:
    """Return the controller's connections, the database checked to be of this release.

    :raises NotCurrent: the database must be synchronised first.
    """
    identity = IdentityClient(settings)
    made = connections.make(settings, identity=identity, image=ImageClient(settings, identity))
    migrate.wait_until_current("controller", made.db.engine)
    return made


def identity(settings: Any) -> list[Part]:
    """The identity service."""
    from iaas.identity import app

    clients = app.make_clients(settings)
    migrate.wait_until_current("identity", clients.db.engine)
    served = pipeline.load("identity", clients, settings.api.paste_file)
    s = settings.identity
    return [HttpPart("identity", served, s.listen, s.port, settings.api.max_clients)]


def image(settings: Any) -> list[Part]:
    """The image service."""
    from iaas.image import app

    clients = app.make_clients(settings)
    migrate.wait_until_current("image", clients.db.engine)
    served = pipeline.load("image", clients, settings.api.paste_file)
    s = settings.image
    return [app.Upkeep(clients), HttpPart("image", served, s.listen, s.port, settings.api.max_clients)]


def api(settings: Any, clients: Clients | None = None) -> list[Part]:
    """The controller's APIs, those that are enabled."""
    made = clients or controller(settings)
    parts: list[Part] = [Closing(made.close)]
    for name in settings.api.enabled:
        if name not in API_PORTS:
            raise errors.Invalid(reason=f"[api] enabled names {name!r}; known are {', '.join(API_PORTS)}.")
        served = pipeline.load(name, made, settings.api.paste_file)
        port = getattr(settings.api, API_PORTS[name])
        parts.append(HttpPart(name, served, settings.api.listen, port, settings.api.max_clients))
    return parts


def scheduler(settings: Any, clients: Clients | None = None) -> list[Part]:
    """A scheduler."""
    from iaas.scheduler.manager import SchedulerManager

    made = clients or controller(settings)
    manager = SchedulerManager(made)
    return _worker(made, clients, WorkerService("scheduler", made, host=host_name(settings), manager=manager))


def compute(settings: Any, clients: Clients | None = None) -> list[Part]:
    """A compute host."""
    from iaas.compute.manager import ComputeManager, driver_from

    made, host = clients or controller(settings), host_name(settings)
    manager = ComputeManager(made, driver_from(settings), host)
    service = WorkerService("compute", made, host=host, manager=manager, zone=settings.compute.zone)
    return _worker(made, clients, service)


def network(settings: Any, clients: Clients | None = None) -> list[Part]:
    """The networks of a host."""
    from iaas.network.manager import NetworkManager, driver_from

    made, host = clients or controller(settings), host_name(settings)
    folder = None if settings.network.driver == "fake" else Path(settings.network.state_dir)  # it keeps nothing
    manager = NetworkManager(made, driver_from(settings), host, folder)
    return _worker(made, clients, WorkerService("network", made, host=host, manager=manager))


def volume(settings: Any, clients: Clients | None = None) -> list[Part]:
    """A volume back-end."""
    from iaas.volume.manager import VolumeManager, driver_from

    made, host = clients or controller(settings), host_name(settings)
    manager = VolumeManager(made, driver_from(settings), host, Path(settings.volume.state_dir))
    service = WorkerService("volume", made, host=host, manager=manager, zone=settings.compute.zone)
    return _worker(made, clients, service)


def console(settings: Any, clients: Clients | None = None) -> list[Part]:
    """The console proxy."""
    from iaas.console.app import ConsoleProxy

    made = clients or controller(settings)
    proxy = ConsoleProxy(made)
    return [proxy] if clients is not None else [Closing(made.close), proxy]


def _worker(made: Clients, given: Clients | None, service: WorkerService) -> list[Part]:
    """A worker whose connections are its own are closed with it."""
    return [service] if given is not None else [Closing(made.close), service]


def everything(settings: Any) -> Sequence[Part]:
    """All daemons in one process, with one set of connections."""
    clients = controller(settings)
    return [
        *identity(settings),
        *image(settings),
        *api(settings, clients),
        *scheduler(settings, clients),
        *network(settings, clients),
        *compute(settings, clients),
        *volume(settings, clients),
        *console(settings, clients),
    ]
