"""`iaas-manage service`: the daemons that report to the controller's database."""

from __future__ import annotations

from typing import Any

import click

from iaas.cmd.manage.base import Noun, Unknown, World, pass_world
from iaas.cmd.manage.output import time
from iaas.common import errors

#: what the scheduler chooses among; disabling any other service would change nothing
CHOSEN = ("iaas-compute", "iaas-volume")
COLUMNS = {
    "binary": "Service", "host": "Host", "zone": "Zone", "state": "State", "status": "Status",
    "silent_seconds": "Silent (s)", "disabled_reason": "Reason", "degraded": "Degraded",
}  # fmt: skip


@click.group("service", cls=Noun)
def command() -> None:
    """See, enable, disable and remove the daemons' services."""


def shown(world: World, row: Any) -> dict[str, Any]:
    up = row.silent_for <= world.settings.scheduler.down_after and not row.forced_down
    state = "down" if not up else "up" if row.degraded is None else "degraded"
    status = "disabled" if row.disabled else "draining" if row.draining else "enabled"
    return {
        "id": row.id, "binary": row.binary, "host": row.host, "zone": row.zone, "state": state,
        "status": status, "disabled_reason": row.disabled_reason, "forced_down": row.forced_down,
        "silent_seconds": round(row.silent_for, 1), "seen_at": time(row.seen_at), "started_at": time(row.started_at),
        "incarnation": row.incarnation, "host_id": row.host_id, "degraded": row.degraded,
    }  # fmt: skip


@command.command("list", example="service list\nservice list --host node1")
@click.option("--host", help="Only those on this host.")
@click.option("--binary", help="Only these, such as iaas-compute.")
@pass_world
def index(world: World, host: str | None, binary: str | None) -> None:
    """List every service: whether it is up, how long it has been silent, whether it takes new work."""
    from iaas.db import hosts

    equal = {name: value for name, value in (("host", host), ("binary", binary)) if value is not None}
    with world.db.read(world.ctx) as tx:
        rows = hosts.all_services(tx, **equal)
    none = "No service has ever reported; start the daemons, on the databases of this configuration."
    world.out.rows([shown(world, row) for row in rows], COLUMNS, none=none)


def _get(tx: Any, binary: str, host: str) -> Any:
    from iaas.db import hosts

    rows = hosts.all_services(tx, binary=binary, host=host)
    if not rows:
        raise Unknown(what="service", name=f"{binary} on {host}", see="service list")
    return rows[0]


def _set(world: World, binary: str, host: str, *, disabled: bool, reason: str | None) -> None:
    from iaas.db import hosts

    if binary not in CHOSEN:
        raise errors.Invalid(
            reason=f"{binary} cannot be enabled or disabled, only {' and '.join(CHOSEN)}: nothing is placed on others; "
            "stop the daemon instead."
        )

    def write(tx: Any) -> Any:
        hosts.update_service(tx, _get(tx, binary, host).id, disabled=disabled, disabled_reason=reason)
        return _get(tx, binary, host)

    facts = shown(world, world.db.write(world.ctx, write))
    what = "gets no new work; what it has stays" if disabled else "takes new work"
    world.out.said(f"{binary} on {host} {what}.", **facts)


@command.command(example="service enable iaas-compute node1")
@click.argument("binary")
@click.argument("host")
@pass_world
def enable(world: World, binary: str, host: str) -> None:
    """Let new servers or volumes be placed on a service's host again."""
    _set(world, binary, host, disabled=False, reason=None)


@command.command(example='service disable iaas-compute node1 --reason "new memory on Friday"')
@click.argument("binary")
@click.argument("host")
@click.option("--reason", help="Why, for whoever looks next.")
@pass_world
def disable(world: World, binary: str, host: str, reason: str | None) -> None:
    """Place nothing new on a service's host; what runs there goes on."""
    _set(world, binary, host, disabled=True, reason=reason)


@command.command(example="service remove iaas-compute node9")
@click.argument("binary")
@click.argument("host")
@pass_world
def remove(world: World, binary: str, host: str) -> None:
    """Forget a service whose daemon is gone for good and, of a compute host, the host.

    A host that still has servers is not forgotten; a daemon that still runs would come back by itself.
    """
    from iaas.compute.api import hosts

    with world.db.read(world.ctx) as tx:
        facts = shown(world, _get(tx, binary, host))
    if facts["state"] != "down":
        raise errors.Conflict(reason=f"{binary} on {host} runs and would come back; stop the daemon first.")
    hosts.remove_service(world.clients, world.ctx, facts["id"])
    world.out.said(f"{binary} on {host} is forgotten.", **facts)
