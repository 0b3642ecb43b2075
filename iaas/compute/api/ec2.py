"""What the EC2 API asks of servers and Compute's does not: many at once, by EC2 ids, and those just terminated.

The decisions are those of the other verbs; these only take several instances in one transaction, all or none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from iaas.common.context import RequestContext
from iaas.compute import states
from iaas.compute.api import power, servers
from iaas.compute.states import INSTANCE
from iaas.db import codec, ec2, flavors, instances, security_groups
from iaas.db.ec2 import Position
from iaas.db.instances import Condition, InstanceNotFound
from iaas.db.tx import Tx
from iaas.jobs.kinds import REBOOT, START, STOP, Kind

TERMINATED = "terminated"
#: rows one page may look at: a filter that matches few gets a short page and the position to go on from
MAX_SCANNED = 10_000
CHUNK = 1000

Matcher = Callable[[Any], bool]


# -- reading -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class After:
    """Where a list goes on: behind an instance that is there, or behind one that is gone."""

    gone: bool
    position: Position


def found(clients: Any, ctx: RequestContext, ec2_ids: Sequence[str]) -> list[Any]:
    """Return the instances with these EC2 ids, in that order; those just terminated among them.

    :raises InstanceNotFound: names the ids that are nobody's, or another project's.
    """
    with clients.db.read(ctx) as tx:
        return _named(tx, ec2_ids, with_gone=True)


def get(clients: Any, ctx: RequestContext, ec2_id: str) -> Any:
    """:raises InstanceNotFound: no such instance, or it belongs to another project."""
    with clients.db.read(ctx) as tx:
        return _named(tx, [ec2_id], with_gone=False)[0]


def listed(
    clients: Any,
    ctx: RequestContext,
    conditions: Sequence[Condition],
    matches: Matcher,
    after: After | None,
    chunk: int = CHUNK,
) -> Iterator[tuple[Any, After]]:
    """Yield the project's instances, newest first, and then those just terminated; each with where to go on.

    One yield may come without an instance: so many rows did not match that the list goes on with the next page.

    :param chunk: rows fetched at once
    """
    scanned = 0
    seen: set[str] = set()  # what ended between the two queries would be there twice
    for query, gone in ((_live(conditions), False), (_gone, True)):
        if after is not None and after.gone and not gone:
            continue
        position = after.position if after is not None and after.gone == gone else None
        while True:
            with clients.db.read(ctx) as tx:
                rows = query(tx, position, chunk)
            for row in rows:
                position = (row.terminated_at if gone else row.created_at, row.id)
                if row.id not in seen and matches(row):
                    seen.add(row.id)
                    yield row, After(gone, position)
            scanned += len(rows)
            if len(rows) < chunk:
                break
            if scanned >= MAX_SCANNED and position is not None:
                yield None, After(gone, position)


def _live(conditions: Sequence[Condition]) -> Callable[[Tx, Position | None, int], Sequence[Any]]:
    return lambda tx, position, limit: ec2.page(tx, conditions, position, limit)


def _gone(tx: Tx, position: Position | None, limit: int) -> Sequence[Any]:
    return [_remembered(row) for row in ec2.terminated_page(tx, position, limit)]


def _remembered(row: Any) -> Any:
    """What is left of a terminated instance, with the attributes of an instance's row."""
    nothing = {"network_info": None, "security_groups": "[]", "image": "{}", "fault": None, "launched_at": None}
    return SimpleNamespace(
        **nothing, **codec.load(row.facts), id=row.id, ec2_id=row.ec2_id, project_id=row.project_id, hostname="",
        vm_state=TERMINATED, task_state=None, zone_wanted=None, host=None, terminated_at=row.at,
    )  # fmt: skip


def _named(tx: Tx, ec2_ids: Sequence[str], *, with_gone: bool) -> list[Any]:
    wanted = list(dict.fromkeys(ec2_ids))
    rows: dict[str, Any] = {row.ec2_id: row for row in instances.by_ec2_ids(tx, wanted)}
    missing = [ec2_id for ec2_id in wanted if ec2_id not in rows]
    if missing and with_gone:
        rows |= {row.ec2_id: _remembered(row) for row in ec2.terminated_by_ids(tx, missing)}
        missing = [ec2_id for ec2_id in missing if ec2_id not in rows]
    if missing:
        raise InstanceNotFound(instance_id=", ".join(missing)[:500])
    return [rows[ec2_id] for ec2_id in wanted]


def word(row: Any) -> str:
    """Return the EC2 word for an instance's state.

    One that never ran and never will is ``terminated``: that is what EC2 says of a launch that failed.
    """
    if row.vm_state == TERMINATED:
        return TERMINATED
    state = INSTANCE.state_of(row)
    return TERMINATED if state is states.ERROR and row.launched_at is None else state.ec2


def flavor_named(clients: Any, ctx: RequestContext, name: str) -> Any:
    """Return the flavor that is an instance type: by its name, else by its id.

    :raises FlavorNotFound: the project is offered neither.
    """
    with clients.db.read(ctx) as tx:
        rows = flavors.by_names(tx, [name])
        return rows[0] if rows else flavors.get(tx, name)


def group_ids(clients: Any, ctx: RequestContext, names: Sequence[str]) -> dict[str, str]:
    """Return the ids of the project's security groups of these names."""
    if not names:
        return {}
    with clients.db.read(ctx) as tx:
        return {row.name: row.id for row in security_groups.named(tx, ctx.project_id, list(names))}


def starting(clients: Any, ctx: RequestContext, kind: str, prefixes: Sequence[str]) -> Sequence[Any]:
    """Return the visible rows of a kind (a ``security_group``, ``subnet`` or ``keypair``) whose ids begin so."""
    query = {
        "security_group": ec2.groups_starting,
        "subnet": ec2.subnets_starting,
        "keypair": ec2.keypairs_starting,
    }[kind]
    with clients.db.read(ctx) as tx:
        return query(tx, prefixes) if prefixes else []


# -- changing ----------------------------------------------------------------------------------------------------

Changed = tuple[Any, Any]
Act = Callable[[Tx, Any], None]


def terminate(clients: Any, ctx: RequestContext, ec2_ids: Sequence[str]) -> list[Changed]:
    """Accept the deletion of all these or of none, and return each as it was and as it is now.

    :raises InstanceNotFound: one of them is not there; terminated ones are, for an hour.
    """

    def act(tx: Tx, row: Any) -> None:
        if row.vm_state != TERMINATED:
            servers.accept_delete(tx, clients, row.id)

    return clients.db.write(ctx, _each, ec2_ids, act, with_gone=True)


def start(clients: Any, ctx: RequestContext, ec2_ids: Sequence[str]) -> list[Changed]:
    """Start all these or none; what runs or starts already is left as it is.

    :raises InvalidTransition: one of them can be neither.
    """
    return _powered(clients, ctx, ec2_ids, "start", START, ("running", "pending"))


def stop(clients: Any, ctx: RequestContext, ec2_ids: Sequence[str], *, force: bool) -> list[Changed]:
    """Stop all these or none; what is stopped or stopping already is left as it is.

    :param force: cut the power in place of asking the guest
    :raises InvalidTransition: one of them can be neither.
    """
    return _powered(clients, ctx, ec2_ids, "stop", STOP, ("stopped", "stopping"), {"force": force})


def reboot(clients: Any, ctx: RequestContext, ec2_ids: Sequence[str]) -> None:
    """Reboot all these or none; a reboot that is under way is enough.

    :raises InvalidTransition: one of them does not run.
    """

    clients.backlog.check(ctx)

    def act(tx: Tx, row: Any) -> None:
        if INSTANCE.state_of(row).openstack not in ("REBOOT", "HARD_REBOOT"):
            power.accept(tx, clients, row.id, "reboot_soft", REBOOT)

    clients.db.write(ctx, _each, ec2_ids, act)


def _powered(
    clients: Any,
    ctx: RequestContext,
    ec2_ids: Sequence[str],
    event: str,
    kind: Kind,
    enough: Sequence[str],
    args: Mapping[str, Any] | None = None,
) -> list[Changed]:
    clients.backlog.check(ctx)

    def act(tx: Tx, row: Any) -> None:
        # only an instance that is where it should be is left alone: building is no kind of starting
        settled = INSTANCE.state_of(row).openstack not in ("BUILD", "ERROR") and word(row) in enough
        if not settled:
            power.accept(tx, clients, row.id, event, kind, args)

    return clients.db.write(ctx, _each, ec2_ids, act)


def _each(tx: Tx, ec2_ids: Sequence[str], act: Act, with_gone: bool = False) -> list[Changed]:
    before = _named(tx, ec2_ids, with_gone=with_gone)
    for row in before:
        act(tx, row)
    return list(zip(before, _named(tx, ec2_ids, with_gone=with_gone), strict=True))


# -- tags: the metadata of an instance ---------------------------------------------------------------------------


def set_tags(clients: Any, ctx: RequestContext, ec2_ids: Sequence[str], items: Mapping[str, str]) -> None:
    """Merge ``items`` into the metadata of all these instances, or of none.

    :raises QuotaExceeded: one of them would have more items than the project may have.
    """

    def change(now: dict[str, str]) -> dict[str, str]:
        merged = {**now, **items}
        servers.check_metadata(clients, merged)
        return merged

    clients.db.write(ctx, _each, ec2_ids, _retagged(change))


def remove_tags(
    clients: Any, ctx: RequestContext, ec2_ids: Sequence[str], wanted: Sequence[tuple[str, str | None]] | None
) -> None:
    """Take items off the metadata of all these instances, or of none; what is not there is fine.

    :param wanted: keys, each with the value it must have or None; no list at all means every item
    """

    def change(now: dict[str, str]) -> dict[str, str]:
        if wanted is None:
            return {}
        gone = {key for key, value in wanted if key in now and value in (None, now[key])}
        return {key: value for key, value in now.items() if key not in gone}

    clients.db.write(ctx, _each, ec2_ids, _retagged(change))


def _retagged(change: Callable[[dict[str, str]], dict[str, str]]) -> Act:
    def act(tx: Tx, row: Any) -> None:
        servers.change_metadata(tx, row.id, change)

    return act
