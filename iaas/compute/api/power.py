"""Verbs on a server's power, and its console log."""

from __future__ import annotations

from typing import Any

from iaas.common import errors, runtime
from iaas.common.context import RequestContext
from iaas.compute.api.servers import refuse_locked
from iaas.compute.states import INSTANCE
from iaas.db import hosts, instances
from iaas.db.models.instances import instances as table
from iaas.db.transitions import move
from iaas.db.tx import Tx
from iaas.jobs import submit
from iaas.jobs.kinds import REBOOT, START, STOP, Kind


def start(clients: Any, ctx: RequestContext, instance_id: str) -> None:
    """:raises InvalidTransition: the server is not stopped. :raises Unavailable: too much is under way."""
    clients.backlog.check(ctx)
    clients.db.write(ctx, accept, clients, instance_id, "start", START)


def stop(clients: Any, ctx: RequestContext, instance_id: str) -> None:
    """:raises InvalidTransition: the server is not active or in error. :raises Unavailable: too much is under way."""
    clients.backlog.check(ctx)
    clients.db.write(ctx, accept, clients, instance_id, "stop", STOP)


def reboot(clients: Any, ctx: RequestContext, instance_id: str, *, hard: bool) -> None:
    """A hard reboot overtakes a soft one that is under way.

    :raises InvalidTransition: the server cannot be rebooted from its state.
    :raises Unavailable: too much is under way.
    """
    clients.backlog.check(ctx)
    clients.db.write(ctx, accept, clients, instance_id, "reboot_hard" if hard else "reboot_soft", REBOOT)


def accept(tx: Tx, clients: Any, instance_id: str, event: str, kind: Kind, args: Any = None) -> None:
    """Accept a job on a server's power in the caller's transaction.

    :raises InvalidTransition: the server's state does not allow ``event``.
    """
    row = instances.get(tx, instance_id)
    refuse_locked(tx.ctx, row)
    if row.host is None and INSTANCE.allows(event, INSTANCE.state_of(row)):
        raise errors.Conflict(reason=f"Instance {instance_id} has no host; it can only be deleted.")
    overtakes = event == "reboot_hard" and row.task_state == "rebooting"
    move(tx, INSTANCE, table, row, event, updated_at=runtime.time())
    if not overtakes:
        submit.submit(tx, clients.bell, kind, instance_id, host=row.host, args=args)


def console_log(clients: Any, ctx: RequestContext, instance_id: str, length: int | None) -> str:
    """Return the last ``length`` lines of the guest's serial console (all that is kept for None).

    :raises Conflict: the server is not placed yet, or its host does not answer.
    """
    with clients.db.read(ctx) as tx:
        row = instances.get(tx, instance_id)
        if row.host is None:
            raise errors.Conflict(reason=f"Instance {instance_id} is not ready; it has no host yet.")
        host = hosts.get(tx, row.host)
    text = clients.agents.console_log(host.agent_url, instance_id).decode("utf-8", errors="replace")
    if length is None:
        return text
    lines = text.splitlines(keepends=True)
    return "".join(lines[-length:]) if length > 0 else ""
