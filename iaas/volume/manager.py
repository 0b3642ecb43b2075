"""The volume worker: serves the topics ``volume`` and ``volume.<host>``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from iaas.common import plugins, runtime
from iaas.common.periodic import Periodic
from iaas.jobs.service import Manager
from iaas.volume import periodic
from iaas.volume.driver import VolumeDriver
from iaas.volume.jobs import create, delete
from iaas.volume.jobs.table import handlers

STEPS = (create, delete)  # imported so that their steps are in the table
GROUP = "iaas.volume.drivers"
LOOK_DEADLINE = 60.0


class VolumeManager(Manager):
    """Makes and removes the volumes of one back-end.

    :ivar driver: the back-end
    :ivar clients: the process's connections
    """

    handlers = handlers.table

    def __init__(self, clients: Any, driver: VolumeDriver, host: str, folder: Path | None = None) -> None:
        self.clients = clients
        self.folder = folder
        self.driver = driver
        self.host = host

    def start_host(self) -> None:
        runtime.native(self.driver.start_host)

    def stop_host(self) -> None:
        runtime.native(self.driver.stop_host)

    def truth(self) -> dict[str, Any]:
        return {"volumes": runtime.native(self.driver.volumes, timeout=LOOK_DEADLINE)}

    def periodics(self) -> list[Periodic]:
        return [Periodic("look for orphans", 60.0, lambda: periodic.sweep_orphans(self), at_start=False)]


def _fake(settings: Any) -> Any:
    from iaas.volume.drivers.fake import World

    return World(path=Path(settings.volume.state_dir) / "fake-volumes.json")


def _file(settings: Any) -> Any:
    return Path(settings.volume.state_dir)


SETTINGS: dict[str, Callable[[Any], Any]] = {"fake": _fake, "file": _file}


def driver_from(settings: Any) -> VolumeDriver:
    """Return the configured back-end; a plugin's class gets all settings.

    :raises Invalid: no driver of that name is installed, or its library is missing.
    """
    name = settings.volume.driver
    made = plugins.load(GROUP, name, "volume driver")
    return made(SETTINGS.get(name, lambda all_: all_)(settings))
