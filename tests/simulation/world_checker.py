"""What must hold in a simulated cloud: the doctor's invariants, told what the hosts really hold, and every promise."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iaas import doctor
from iaas.compute.drivers.fake import definition
from iaas.doctor import Finding, HostTruth, Truth, history, host_truth, merged
from iaas.network.drivers.fake import FakeDriver
from tests.simulation import world_images

if TYPE_CHECKING:
    from tests.simulation.world import World


def examine(world: World, *, quiet: bool) -> list[Finding]:
    """Return what is wrong; ``quiet`` says that nothing is under way and everything must be settled."""
    unspoilt = world.database.unspoilt
    return doctor.diagnose(unspoilt, truth(world), quiet=quiet, images=unspoilt).findings


#: what may be true at no moment, in one cheap question each: asked whenever a job moved
TORN = {
    "It is busy and has no job, or has one and is not busy.": """
        SELECT 'server ' || i.id FROM instances i LEFT JOIN jobs j ON j.live_key = 'instance:' || i.id
        WHERE (i.task_state IS NULL) != (j.id IS NULL)
        UNION ALL SELECT 'volume ' || v.id FROM volumes v LEFT JOIN jobs j ON j.live_key = 'volume:' || v.id
        WHERE (v.status NOT IN ('creating', 'deleting')) != (j.id IS NULL)""",
    "Its job is live and it is gone.": """
        SELECT resource_type || ' ' || resource_id FROM jobs WHERE live_key IS NOT NULL
        AND resource_id NOT IN (SELECT id FROM instances UNION ALL SELECT id FROM volumes)""",
}


def torn(world: World) -> list[Finding]:
    """Return what transactions tore apart: cheaper than :func:`examine`, and asked a hundred times as often."""
    raw = world.database.line.raw
    return [Finding("I2", subject, what) for what, query in TORN.items() for (subject,) in raw.execute(query)]


def truth(world: World) -> Truth:
    """Return what the drivers' worlds and the broker really hold."""
    hosts: dict[str, HostTruth] = {}
    for name, machine in world.machines.items():
        guests = {guest.id: guest.power.name for guest in machine.all.values() if guest.power is not None}
        definitions = {guest.id: definition(guest).words() for guest in machine.all.values() if guest.power is not None}
        host = HostTruth(guests=guests, definitions=definitions, disks=frozenset(machine.all))
        hosts[name] = merged(host, host_truth(FakeDriver(world.bridges[name]).holds().words()))
    for name, store in world.stores.items():
        hosts[name] = HostTruth(volumes=dict(store.all))
    queues = {queue: world.broker.depth(queue) for queue in sorted(world.broker._waiting)}
    blobs = world.disk.blobs()
    return Truth(hosts=hosts, queues=queues, ratios=world.settings.scheduler, limits_kept=True, blobs=blobs)


def kept(world: World) -> list[Finding]:
    """Return the promises that were not kept, and what is there that nobody was promised."""
    broken = history.kept(world.history, world.database.unspoilt, complete=True)
    return [*broken, *world_images.kept(world), *_twice(world)]


def _twice(world: World) -> list[Finding]:
    """Workers of which a former process lives still: it must have ended when it found that it was not the latest."""
    what = "It runs twice: a process that another one had taken the place of did not end."
    return [Finding("I6", worker.label, what) for worker in world.workers if worker.former]
