"""The product's fake drivers in a simulated world: slow, failing, dying half way; what they hold stays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from iaas.common import errors
from iaas.compute.driver import Guest, HypervisorError, Power
from iaas.compute.drivers import fake as fake_compute
from iaas.compute.drivers import fake_world
from iaas.network.driver import Desired, NetworkError, Report
from iaas.network.drivers import fake as fake_network
from iaas.network.drivers import plan as planning
from iaas.volume.driver import VolumeError
from iaas.volume.drivers import fake as fake_volume

if TYPE_CHECKING:
    from tests.simulation.world import World

#: the calls that change something, and the moments of each where a daemon may die
COMPUTE: Mapping[str, tuple[str, ...]] = {
    "prepare": ("before", "middle", "after"),
    "start": ("before", "middle", "after"),
    "stop": ("before", "after"),
    "reboot": ("before", "middle", "after"),
    "destroy": ("before", "middle", "after"),
}
NETWORK: Mapping[str, tuple[str, ...]] = {"converge": ("before", "middle", "after")}
VOLUME: Mapping[str, tuple[str, ...]] = {"create": ("before", "after"), "delete": ("before", "after")}
#: calls that only look: they may be slow and fail, and have no point of their own
LOOKS = {
    "compute": ("start_host", "guests", "power_of"),
    "network": ("start_host",),
    "volume": ("start_host", "volumes"),
}
#: methods the simulator has nothing to do with, each with its reason
LEFT_OUT: Mapping[str, Mapping[str, str]] = {
    "compute": {
        "stop_host": "does nothing in the fake",
        "host_facts": "answers from settings",
        "console_log": "a read for the API's agent, which listens on a socket",
        "console": "a read for the API's agent, which listens on a socket",
        "definitions": "a read for the doctor, which looks at the machine itself here",
        "disks": "a read for the doctor, which looks at the machine itself here",
        "tidy": "housekeeping without a promise",
    },
    "network": {
        "stop_host": "does nothing in the fake",
        "metadata_listener": "returns a socket",
        "holds": "a read for the doctor, which looks at the bridges themselves here",
        "remove_all": "takes a host out of service: no daemon calls it",
    },
    "volume": {"stop_host": "does nothing in the fake", "pool_facts": "a read no job depends on"},
}
NO_SPACE = ("prepare", "create")


def points() -> list[str]:
    """Return the named points of the drivers."""
    tables = {"compute": COMPUTE, "network": NETWORK, "volume": VOLUME}
    return [
        f"driver.{driver}.{method}.{moment}"
        for driver, table in tables.items()
        for method, moments in table.items()
        for moment in moments
    ]


class Trouble:
    """The faults around the calls of one kind of driver."""

    def __init__(self, world: World, driver: str, calls: Mapping[str, tuple[str, ...]], refused: Any) -> None:
        self.world = world
        self._driver = driver
        self._calls = calls
        self._refused = refused

    def delay(self) -> float:
        """Return how long a call takes."""
        faults = self.world.faults
        if faults.happens("stuck driver"):
            return self.world.lasting(faults.between(61, 130))
        if faults.happens("slow driver"):
            return self.world.lasting(faults.between(1, 25))
        return faults.between(0.01, 0.3)

    def reach(self, method: str, moment: str) -> None:
        """Pass one moment of a call: the daemon may die here, or the call fail."""
        faults = self.world.faults
        if moment in self._calls.get(method, ()):
            self.world.at(f"driver.{self._driver}.{method}.{moment}")
        if moment == "before" and method in NO_SPACE and faults.happens("disk full"):
            raise errors.NoSpace(reason="No space left on the device.")
        if faults.happens(f"driver error {moment}"):
            self.world.say(f"{self._driver}.{method} fails {moment}")
            raise self._refused(reason=f"The simulated {self._driver} failed {moment} {method}.")


class Delays(dict[str, float]):
    """Seconds a call of the fake hypervisor takes, drawn anew for each."""

    def __init__(self, trouble: Trouble) -> None:
        super().__init__()
        self._trouble = trouble

    def get(self, method: str, default: Any = None) -> Any:
        return self._trouble.delay()


class Machine(fake_world.World):
    """One host's guests: they stay when its daemons die."""

    def __init__(self, world: World, host: str) -> None:
        super().__init__()
        self._world = world
        self.host = host
        self.trouble = Trouble(world, "compute", COMPUTE, HypervisorError)

    def reach(self, method: str, moment: fake_world.Moment) -> None:
        super().reach(method, moment)
        self.trouble.reach(method, moment)

    def boot(self, entry: fake_world.FakeGuest, guest: Guest) -> None:
        super().boot(entry, guest)
        self._world.say(f"guest {guest.id[:8]} runs on {self.host}")
        self._world.note_running(guest.id)

    def running(self) -> set[str]:
        return {guest.id for guest in self.all.values() if guest.power is Power.RUNNING}


def compute_driver(machine: Machine) -> fake_compute.FakeDriver:
    """Return a new daemon's view of a machine."""
    settings = fake_compute.FakeSettings(
        hostname=machine.host, vcpus=8, memory_mb=4096, disk_gb=40, delays=Delays(machine.trouble)
    )
    return fake_compute.FakeDriver(settings, machine)


class Bridges(fake_network.FakeDriver):
    """One host's networks, through a daemon's eyes."""

    def __init__(self, world: World, kept: fake_network.World) -> None:
        super().__init__(kept)
        self.trouble = Trouble(world, "network", NETWORK, NetworkError)

    def start_host(self) -> None:
        self._reach("start_host", "before")
        super().start_host()

    def converge(self, desired: Desired, *, anew: bool = False) -> Report:
        self._reach("converge", "before")
        half = Desired(desired.networks, desired.ports[: len(desired.ports) // 2], desired.rules, desired.groups)
        if len(desired.ports) > 1:
            self.world.plan = planning.make(half)
        self.trouble.reach("converge", "middle")
        report = super().converge(desired, anew=anew)
        self.trouble.reach("converge", "after")
        return report

    def _reach(self, method: str, moment: str) -> None:
        self.trouble.world.backend.sleep(self.trouble.delay())
        self.trouble.reach(method, moment)


class Store(fake_volume.World):
    """One volume back-end: it stays when its daemon dies."""

    def __init__(self, world: World, host: str) -> None:
        super().__init__(total_gb=20)
        self.host = host
        self.trouble = Trouble(world, "volume", VOLUME, VolumeError)

    def reach(self, method: str, moment: fake_volume.Moment) -> None:
        super().reach(method, moment)
        self.trouble.reach(method, moment)


class StoreDriver(fake_volume.FakeDriver):
    """A daemon's view of a store."""

    world: Store

    def volumes(self) -> dict[str, int]:
        self._reach("volumes", "before")
        return super().volumes()

    def _reach(self, method: str, moment: fake_volume.Moment) -> None:
        if moment == "before":
            self.world.trouble.world.backend.sleep(self.world.trouble.delay())
        super()._reach(method, moment)
