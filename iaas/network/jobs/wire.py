"""Wiring a server's ports on its host, and taking them away."""

from __future__ import annotations

from collections.abc import Sequence

from iaas.common import errors, runtime
from iaas.compute.states import INSTANCE
from iaas.db import ends, instances, ports, security_groups
from iaas.db.models.instances import instances as table
from iaas.db.transitions import move
from iaas.db.tx import Tx
from iaas.jobs.work import Elsewhere, Work
from iaas.network import rpcapi
from iaas.network.jobs.table import handlers


@handlers.step("build", "wire")
def wire(work: Work) -> None:
    """Let the server's ports carry frames, filtered, before the guest is there.

    :raises Elsewhere: the host cannot carry one of them.
    """
    found = work.worker.converger.converge()
    mine = [row for row in found.rows if row.device_id == work.id]
    for row in mine:
        if row.id in found.report.failed:
            raise Elsewhere(reason=f"Port {row.id} cannot be opened: {found.report.failed[row.id]}")
    if len(mine) != len(work.read(ports.of_instance, work.id)):
        raise Elsewhere(reason="Not all ports of the server are bound to the host.")
    wired = [row.id for row in mine if row.id in found.report.wired]

    def changes(tx: Tx) -> None:
        row = instances.find(tx, work.id)
        if row is None:
            raise errors.StateConflict(machine=INSTANCE.name, id=work.id)
        if wired:
            ports.wired(tx, work.job.host, wired)
        move(tx, INSTANCE, table, row, "spawn", updated_at=runtime.time())
        _tell_others(tx, work, [port.id for port in mine])

    work.advance(changes)


@handlers.step("build", "unwire")
def undo(work: Work) -> None:
    """Take back what a failed build left on this host."""
    _unwire(work)
    work.advance()


@handlers.step("delete", "unwire")
def unwire(work: Work) -> None:
    """Take the ports of a guest that is gone off the host, and end the server."""
    _unwire(work)
    work.advance(lambda tx: ends.forget_instance(tx, work.id))


def _unwire(work: Work) -> None:
    """Unbind first: a pass of somebody else must not bring the ports back."""

    def unbind(tx: Tx) -> None:
        _tell_others(tx, work, [row.id for row in ports.of_instance(tx, work.id)])
        ports.unbind(tx, work.id, work.job.host)

    work.db.write(work.ctx, unbind)
    work.worker.converger.converge(leaving=work.id)


def _tell_others(tx: Tx, work: Work, port_ids: Sequence[str]) -> None:
    """Let the hosts know whose rules name the security groups of ports that come or go."""
    if not port_ids:
        return
    groups = sorted({row.group_id for row in security_groups.of_ports(tx, port_ids)})
    hosts = [host for host in security_groups.hosts_naming(tx, groups) if host != work.job.host] if groups else []
    tx.on_commit(lambda: rpcapi.changed(work.worker.clients.rpc, hosts))
