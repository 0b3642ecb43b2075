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
TAKEN_BACK = "compute_discard"  # the event of an undo step that was done


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
    """Remove guests and files that jobs prove to have been given up on this host; report, never remove, all others.

    A worker that stood still may make a guest's files after its build was taken back, or its deletion done.
    At most five a pass: a wrong database must not be able to empty a host.
    """
    known = manager.calls.make(manager.driver.guests, timeout=30.0)
    found = {*known, *manager.calls.make(manager.driver.disks, timeout=30.0)}
    with manager.clients.db.read(context.admin()) as tx:
        strangers = sorted(found - {row.id for row in instances.on_host(tx, manager.host)})
        given_up = [guest for guest in strangers if _is_given_up(tx, guest, manager.host)]
    for guest in given_up[:MAX_REMOVALS]:
        with manager.engine.exclusively(guest):
            _remove(manager, guest)


def _remove(manager: ComputeManager, guest: str) -> None:
    with manager.clients.db.read(context.admin()) as tx:
        still = _is_given_up(tx, guest, manager.host)
    if still:
        LOG.warning("server %s was given up on this host; what is left of it here is removed", guest)
        manager.calls.make(manager.driver.destroy, guest, timeout=60.0)


def _is_given_up(tx: Tx, guest_id: str, host: str) -> bool:
    """Say whether a server's jobs prove that nothing of it belongs on this host; what they leave open is logged."""
    history, row = jobs.of_resource(tx, guest_id), instances.find(tx, guest_id)
    if any(job.state in jobs.LIVE for job in history):
        return False
    taken_back = any(_was_taken_back(job, host) for job in history)
    if row is None:
        deleted = any(job.kind in ("delete", "forget") and job.state == jobs.DONE for job in history)
        proven = deleted and (taken_back or any(job.host == host for job in history))
    else:
        proven = taken_back and row.host != host
    if not proven and (row is None or row.host != host):
        belongs = "has no row" if row is None else f"belongs to {row.host or 'no host'}"
        LOG.error("server %s is found on this host and %s; an administrator must decide about it", guest_id, belongs)
    return proven


def _was_taken_back(job: Any, host: str) -> bool:
    """Say whether a build was undone on this host: it is not tried here again."""
    return any(event["event"] == TAKEN_BACK and event["host"] == host for event in jobs.events_of(job))
