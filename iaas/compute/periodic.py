"""What a compute host does by itself: compare the hypervisor with the rows, and find what nobody owns."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from iaas.common import context, errors, runtime
from iaas.compute.driver import Power
from iaas.compute.states import ACTIVE, INSTANCE, STOPPED
from iaas.db import instances, jobs
from iaas.db.models.instances import instances as table
from iaas.db.transitions import move
from iaas.db.tx import Tx

if TYPE_CHECKING:
    from iaas.compute.manager import ComputeManager

LOG = logging.getLogger(__name__)
MAX_REMOVALS = 5
OFF = (Power.SHUTDOWN, Power.CRASHED)


def compare_power(manager: ComputeManager) -> None:
    """Record guests that shut themselves down or were started behind our back; never start or stop one."""
    with manager.clients.db.read(context.admin()) as tx:
        rows = instances.on_host(tx, manager.host)
    known = manager.calls.make(manager.driver.guests, timeout=30.0)
    for row in rows:
        power = known.get(row.id)
        state = INSTANCE.state_of(row)
        if not state.known:
            LOG.error("server %s is %s, which no state table knows; its power is not written down", row.id, state)
            continue
        if power is None or state not in (ACTIVE, STOPPED):
            continue
        event = None
        if state is ACTIVE and power in OFF:
            event = "power_lost"
        elif state is STOPPED and power is Power.RUNNING:
            event = "power_found"
        if event is not None:
            LOG.info("guest %s is %s at the hypervisor: %s", row.id, power.name, event)
            _record(manager, row, event, power)


def _record(manager: ComputeManager, row: Any, event: str, power: Power) -> None:
    def write(tx: Tx) -> None:
        move(tx, INSTANCE, table, row, event, power_state=power.value, updated_at=runtime.time())

    try:
        manager.clients.db.write(context.admin(), write)
    except errors.StateConflict:
        LOG.info("guest %s was changed by a request meanwhile", row.id)


def sweep_orphans(manager: ComputeManager) -> None:
    """Remove guests whose deletion ended on this host; report, never remove, what no row ever named.

    At most five a pass: a wrong database must not be able to empty a host.
    """
    known = manager.calls.make(manager.driver.guests, timeout=30.0)
    with manager.clients.db.read(context.admin()) as tx:
        strangers = [guest for guest in known if instances.find(tx, guest) is None]
        ours = [guest for guest in strangers if _was_deleted(tx, guest, manager.host)]
    for guest in sorted(set(strangers) - set(ours)):
        LOG.error("guest %s on this host has no row; an administrator must decide about it", guest)
    for guest in ours[:MAX_REMOVALS]:
        LOG.warning("guest %s outlived its deletion and is removed", guest)
        with manager.engine.exclusively(guest):
            manager.calls.make(manager.driver.destroy, guest, timeout=60.0)


def _was_deleted(tx: Tx, guest_id: str, host: str) -> bool:
    history = jobs.of_resource(tx, guest_id)
    ended = all(job.state not in jobs.LIVE for job in history)
    return (
        ended
        and any(job.kind in ("delete", "forget") and job.state == jobs.DONE for job in history)
        and any(job.host == host for job in history)
    )
