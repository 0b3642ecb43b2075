"""The compute worker: serves the topics ``compute`` and ``compute.<host>``."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from iaas.common import context, plugins, runtime
from iaas.common.periodic import Periodic
from iaas.compute import periodic
from iaas.compute.agent import Agent
from iaas.compute.driver import ComputeDriver, HostFacts
from iaas.compute.jobs import build, delete, power
from iaas.compute.jobs.table import handlers
from iaas.db import hosts
from iaas.jobs.service import Manager

LOG = logging.getLogger(__name__)
STEPS = (build, delete, power)  # imported so that their steps are in the table
GROUP = "iaas.compute.drivers"
LOOK_DEADLINE = 30.0


class ComputeManager(Manager):
    """Builds, runs and removes the guests of one host.

    :ivar driver: the hypervisor
    :ivar clients: the process's connections
    """

    handlers = handlers.table

    def __init__(self, clients: Any, driver: ComputeDriver, host: str) -> None:
        self.clients = clients
        self.driver = driver
        self.host = host
        self.folder = Path(clients.settings.compute.state_dir)
        self._agent: Agent | None = None

    def take_host(self, binary: str) -> str | None:
        host_id = super().take_host(binary)
        Path(self.clients.settings.compute.state_dir).chmod(0o711)  # the hypervisor's own user passes to its disks
        return host_id

    def start_host(self) -> None:
        """Make the hypervisor ready, and report what the host has."""
        settings = self.clients.settings.compute
        runtime.native(self.driver.start_host)
        sock = runtime.listen(settings.agent_listen, settings.agent_port)
        idle = self.clients.settings.console.idle_timeout
        self._agent = Agent(sock, self.driver, settings.agent_secret, idle_seconds=idle)
        self.report()

    def stop_host(self) -> None:
        if self._agent is not None:
            self._agent.stop()
        runtime.native(self.driver.stop_host)

    def report(self) -> None:
        """Tell the scheduler what this host has."""
        settings = self.clients.settings.compute
        facts: HostFacts = self.calls.make(self.driver.host_facts, timeout=30.0)
        if self.identity is None or self._agent is None:
            raise RuntimeError("start_host comes first")
        self.clients.db.write(
            context.admin(),
            hosts.keep_host,
            self.identity.id,
            self.host,
            runtime.time(),
            self.held,
            zone=settings.zone,
            hypervisor_hostname=facts.hostname,
            hypervisor_type=facts.hypervisor_type,
            hypervisor_version=facts.hypervisor_version,
            cpu_info=facts.cpu_info,
            vcpus=facts.vcpus,
            memory_mb=facts.memory_mb,
            disk_gb=facts.disk_gb,
            reserved_memory_mb=settings.reserved_memory_mb,
            host_ip=settings.agent_listen,
            agent_url=f"http://{settings.agent_listen}:{self._agent.port}",
        )

    def truth(self) -> dict[str, Any]:
        guests = runtime.native(self.driver.guests, timeout=LOOK_DEADLINE)
        disks = runtime.native(self.driver.disks, timeout=LOOK_DEADLINE)
        definitions = runtime.native(self.driver.definitions, timeout=LOOK_DEADLINE)
        return {
            "guests": {guest: power.name for guest, power in guests.items()},
            "disks": sorted(disks),
            "definitions": {guest: found.words() for guest, found in definitions.items()},
        }

    def periodics(self) -> list[Periodic]:
        return [
            Periodic("report the host", 60.0, self.report, at_start=False),
            Periodic("compare power states", 60.0, lambda: periodic.compare_power(self), at_start=False),
            Periodic("look for orphans", 30.0, lambda: periodic.sweep_orphans(self)),
        ]


def _fake(settings: Any) -> Any:
    from iaas.compute.drivers.fake import FakeSettings

    c = settings.compute
    return FakeSettings(
        hostname=c.host or "fake",
        vcpus=c.fake_vcpus,
        memory_mb=c.fake_memory_mb,
        disk_gb=c.fake_disk_gb,
        state_file=Path(c.state_dir) / "fake-guests.json",
    )


def _libvirt(settings: Any) -> Any:
    from iaas.compute.drivers.libvirt.settings import LibvirtSettings

    c = settings.compute
    state = Path(c.state_dir)
    return LibvirtSettings(
        instances_dir=state / "instances",
        cache_dir=state / "cache",
        uri=c.libvirt_uri,
        virt_type=c.virt_type,
        hostname=c.host,
        cache_max_gb=c.cache_max_gb,
        qemu_user=c.libvirt_user,
        private_dir=Path(c.libvirt_private_dir) if c.libvirt_private_dir else None,
        netns=c.libvirt_namespace or None,
    )


SETTINGS: dict[str, Callable[[Any], Any]] = {"fake": _fake, "libvirt": _libvirt}


def driver_from(settings: Any) -> ComputeDriver:
    """Return the configured hypervisor driver; a plugin's class gets all settings.

    :raises Invalid: no driver of that name is installed, or its library is missing.
    """
    name = settings.compute.driver
    made = plugins.load(GROUP, name, "compute driver")
    return made(SETTINGS.get(name, lambda all_: all_)(settings))
