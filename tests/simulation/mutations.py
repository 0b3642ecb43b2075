"""Protections of the product, each with a way to remove it, to prove that the simulator would notice.

A mutation patches the product from outside for the length of one history; nothing in the product knows of it.  Where a
protection is the second line behind another one, both are removed: one alone would change nothing anybody could see.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any
from unittest import mock

import sqlalchemy as sa

from iaas.common import context, errors, runtime
from iaas.compute import periodic as compute_periodic
from iaas.compute.jobs import build, table
from iaas.db import client_tokens, hosts, instances, ports, quotas
from iaas.db import images as image_rows
from iaas.db import jobs as rows
from iaas.db.engines import db_now
from iaas.db.models.hosts import allocations
from iaas.db.models.hosts import hosts as host_rows
from iaas.db.models.jobs import jobs
from iaas.db.models.networks import fixed_ips
from iaas.db.models.quotas import quota_usages
from iaas.db.tx import Database, GuardedUpdate
from iaas.image import sweep as image_sweep
from iaas.image import uploads
from iaas.jobs import kinds, outcomes, submit
from iaas.jobs.engine import Engine
from iaas.jobs.locks import ResourceLocks
from iaas.jobs.service import WorkerService
from iaas.jobs.work import Work
from iaas.network.jobs import converge, wire
from iaas.scheduler.jobs import place
from iaas.volume.jobs import create

Remove = Callable[[ExitStack], None]
MUTATIONS: dict[str, Remove] = {}
#: a seed that noticed once, tried first, where the first seeds did not; a wrong one costs a second
KNOWN: dict[str, int] = {
    "no-fence-in-end": 19,
    "no-claim": 5,
    "no-retry": 11,
    "delete-in-memory": 10,
    "no-capacity-guard": 10,
    "quota-given-back-later": 6,
    "no-locks-and-no-orphan-sweep": 9,
    "no-comparison-of-networks": 28,
    "no-destroying": 6,
    "no-guard-of-starts": 331,
    "no-memory-of-the-last-commit": 31,
}


def mutation(fn: Remove) -> Remove:
    """Declare a function that removes a protection; its name and first line are shown."""
    MUTATIONS[fn.__name__.replace("_", "-")] = fn
    return fn


def patch(stack: ExitStack, where: object, name: str, instead: object) -> None:
    """Put ``instead`` in the place of an attribute of the product."""
    stack.enter_context(mock.patch.object(where, name, instead))


@contextlib.contextmanager
def removed(name: str | None) -> Iterator[None]:
    """Live without one protection, or with all of them for None."""
    with ExitStack() as stack:
        if name is not None:
            MUTATIONS[name](stack)
        yield


def _no_state_guard(stack: ExitStack) -> None:
    """Whoever changes a state last wins, whatever the state was: alone, what a fence refuses hides it."""

    def move(tx: Any, machine: Any, where: Any, row: Any, event: str, **changes: Any) -> Any:
        after = machine.target(event, machine.state_of(row), row.id)
        values = {**changes, **dict(zip(machine.columns, after.columns, strict=True))}
        tx.count(sa.update(where).where(where.c.id == row.id).values(**values))
        return after

    for module in (outcomes, table, wire, place, create, compute_periodic):
        patch(stack, module, "move", move)


# -- jobs ----------------------------------------------------------------------------------------------------


@mutation
def no_sweep(stack: ExitStack) -> None:
    """Workers look for jobs nobody rang for when they start, and never again."""
    sweep = Engine.sweep

    def once(self: Engine) -> int:
        if getattr(self, "swept", False):
            return 0
        self.swept = True  # type: ignore[attr-defined]
        return sweep(self)

    patch(stack, Engine, "sweep", once)


# The ends of a step without a fence: they ask only which job it is, not who has it


def _advance(tx: Any, job: Any, owner: str, *, keep_for: float | None, **values: Any) -> bool:
    lease = 0.0 if keep_for is None else db_now() + keep_for
    state = rows.PENDING if keep_for is None else rows.RUNNING
    changes = {"lease_until": lease, "attempt": 0, "state": state, **values}
    return tx.count(sa.update(jobs).where(jobs.c.id == job.id).values(**changes)) == 1


def _end(tx: Any, job: Any, owner: str, state: str, **values: Any) -> Any:
    gone = {"state": state, "live_key": None, "owner": None, "lease_until": 0.0}
    statement = sa.update(jobs).where(jobs.c.id == sa.bindparam("row_id")).values(**gone, **values)
    return tx.update_returning(GuardedUpdate(statement, jobs.c.chain, jobs.c.host), {"row_id": job.id})


def _postpone(tx: Any, job: Any, owner: str, delay: float, **values: Any) -> bool:
    free = {"state": rows.PENDING, "owner": None, "lease_until": 0.0, "not_before": db_now() + delay}
    return tx.count(sa.update(jobs).where(jobs.c.id == job.id).values(**free, **values)) == 1


@mutation
def no_fence_in_advance(stack: ExitStack) -> None:
    """A step is ended by whoever comes, also by a worker that lost the job; and no state is compared before."""
    patch(stack, rows, "advance", _advance)
    _no_state_guard(stack)


@mutation
def no_fence_in_end(stack: ExitStack) -> None:
    """A job is ended by whoever comes, also by a worker that lost it; and no state is compared before."""
    patch(stack, rows, "end", _end)
    _no_state_guard(stack)


@mutation
def renewal_per_owner(stack: ExitStack) -> None:
    """A worker renews every job it ever claimed, not those whose handlers run."""

    def renew(self: Engine) -> None:
        mine = [jobs.c.owner == self.owner, jobs.c.state == rows.RUNNING]
        lease = {"lease_until": db_now() + self.settings.jobs.lease}
        self.db.write(context.admin(), lambda tx: tx.count(sa.update(jobs).where(*mine).values(**lease)))

    patch(stack, Engine, "renew", renew)


@mutation
def no_claim(stack: ExitStack) -> None:
    """Whoever looks at a job takes it, whether somebody has it or not; and a lost one is not noticed."""

    def claim(tx: Any, job_id: str, topics: Any, owner: str, lease: float, held: Any = None) -> Any:
        where = (jobs.c.id == sa.bindparam("row_id"), jobs.c.state.in_(rows.LIVE), jobs.c.topic.in_(topics))
        values = {"state": rows.RUNNING, "owner": owner, "lease_until": db_now() + lease}
        statement = GuardedUpdate(sa.update(jobs).where(*where).values(**values), *jobs.c)
        return tx.update_returning(statement, {"row_id": job_id})

    patch(stack, rows, "claim", claim)
    for name, unfenced in (("advance", _advance), ("end", _end), ("postpone", _postpone)):
        patch(stack, rows, name, unfenced)


@mutation
def no_chain(stack: ExitStack) -> None:
    """A deletion that should follow another job is forgotten."""
    patch(stack, submit, "follow", lambda *args: None)


@mutation
def no_supersede(stack: ExitStack) -> None:
    """A deletion that ends a build lets it go on."""

    def supersede(tx: Any, job: Any) -> bool:
        return tx.count(sa.update(jobs).where(jobs.c.id == job.id).values(live_key=None)) == 1

    patch(stack, rows, "supersede", supersede)
    _no_state_guard(stack)


@mutation
def job_after_the_commit(stack: ExitStack) -> None:
    """A request is accepted first and its job written down afterwards."""
    submit_now = submit.submit

    def later(tx: Any, bell: Any, kind: Any, resource_id: str, **words: Any) -> str:
        if rows.find_live(tx, kind.resource, resource_id) is not None:
            raise submit.Busy(resource=kind.resource, id=resource_id)
        database, ctx = tx.database, tx.ctx
        tx.on_commit(lambda: database.write(ctx, submit_now, bell, kind, resource_id, **words))
        return ""

    patch(stack, submit, "submit", later)


@mutation
def no_postponing(stack: ExitStack) -> None:
    """A step that failed for a while is kept by its worker, which has forgotten it, and renewed for ever."""
    renewal_per_owner(stack)
    patch(stack, rows, "postpone", lambda tx, job, owner, delay, **values: True)
    patch(stack, Engine, "_later", lambda *args: None)


@mutation
def no_undoing(stack: ExitStack) -> None:
    """What a failed job did is left behind."""
    patch(stack, kinds.Kind, "undo_path", lambda self, failed, ran: [])


@mutation
def no_last_attempt(stack: ExitStack) -> None:
    """A deletion gives up like everything else."""
    for kind in (kinds.DELETE, kinds.DELETE_VOLUME):
        stack.callback(object.__setattr__, kind, "max_attempts", None)
        object.__setattr__(kind, "max_attempts", 1)


# -- transactions --------------------------------------------------------------------------------------------


@mutation
def no_witness(stack: ExitStack) -> None:
    """A commit whose answer was lost is simply done again."""
    patch(stack, Database, "_committed", lambda self, tx: False)


@mutation
def no_retry(stack: ExitStack) -> None:
    """A commit whose answer was lost counts as done."""
    patch(stack, Database, "_committed", lambda self, tx: True)


@mutation
def delete_in_memory(stack: ExitStack) -> None:
    """A deletion is answered first and written down afterwards."""

    def delete(clients: Any, ctx: Any, instance_id: str) -> None:
        with clients.db.read(ctx) as tx:
            row = instances.get(tx, instance_id)
        runtime.spawn(_later, clients, ctx, row.id)

    def _later(clients: Any, ctx: Any, instance_id: str) -> None:
        runtime.sleep(0.2)
        with contextlib.suppress(errors.IaasError):
            servers_delete(clients, ctx, instance_id)

    from iaas.compute.api import servers

    servers_delete = servers.delete
    patch(stack, servers, "delete", delete)


# -- what is sold and held -------------------------------------------------------------------------------------


@mutation
def no_quota_guard(stack: ExitStack) -> None:
    """A quota is counted and never refused."""

    def take(tx: Any, project_id: str, amounts: Any, stamp: int) -> int:
        mine = sa.update(quota_usages).where(quota_usages.c.project_id == project_id)
        taken = 0
        for name, amount in amounts.items():
            values = {"used": quota_usages.c.used + amount, "stamp": stamp}
            taken += tx.count(mine.where(quota_usages.c.resource == name).values(**values))
        return taken

    patch(stack, quotas, "_take", take)


@mutation
def quota_given_back_later(stack: ExitStack) -> None:
    """What a server held of its quota is given back after the end of the server, not with it."""
    give_back = quotas.give_back

    def later(tx: Any, project_id: str, amounts: Any) -> None:
        database, ctx = tx.database, tx.ctx
        tx.on_commit(lambda: database.write(ctx, give_back, project_id, amounts))

    patch(stack, quotas, "give_back", later)


@mutation
def no_capacity_guard(stack: ExitStack) -> None:
    """A host is sold by what was read of it before."""

    def claim(tx: Any, host: Any, instance: Any, ratios: Any) -> bool:
        values = {
            "used_vcpus": host_rows.c.used_vcpus + instance.vcpus,
            "used_memory_mb": host_rows.c.used_memory_mb + instance.memory_mb,
            "used_disk_gb": host_rows.c.used_disk_gb + instance.disk_gb,
            "running": host_rows.c.running + 1,
        }
        tx.execute(sa.update(host_rows).where(host_rows.c.id == host.id).values(**values))
        tx.insert(
            allocations, instance_id=instance.id, host_id=host.id, vcpus=instance.vcpus,
            memory_mb=instance.memory_mb, disk_gb=instance.disk_gb,
        )  # fmt: skip
        return True

    patch(stack, hosts, "claim", claim)


@mutation
def no_release(stack: ExitStack) -> None:
    """A build that failed on a host keeps what it was sold there."""
    patch(stack, outcomes.hosts, "release", lambda tx, instance_id: None)


@mutation
def addresses_not_released(stack: ExitStack) -> None:
    """The ports of a server stay when it ends."""
    patch(stack, ports, "let_go", lambda tx, instance_id: {})


@mutation
def two_ports_one_address(stack: ExitStack) -> None:
    """An address that another port has is dropped in silence."""

    def take(tx: Any, wanted: Any) -> list[Any]:
        for row in wanted[1:]:
            tx.insert_new(fixed_ips, **dict(row))
        return []

    patch(stack, ports, "take_addresses", take)


@mutation
def no_client_token(stack: ExitStack) -> None:
    """The same token makes another server."""
    patch(stack, client_tokens, "find", lambda tx, project_id, token: None)
    patch(stack, client_tokens, "add", lambda *args: None)


# -- hosts -----------------------------------------------------------------------------------------------------


@mutation
def no_locks_and_no_orphan_sweep(stack: ExitStack) -> None:
    """Two handlers work on one resource at a time, and nobody looks for guests that outlived their deletion."""

    @contextlib.contextmanager
    def of(self: ResourceLocks, resource_id: str) -> Iterator[None]:
        yield

    patch(stack, ResourceLocks, "of", of)
    patch(stack, compute_periodic, "sweep_orphans", lambda manager: None)


@mutation
def no_comparison_of_power(stack: ExitStack) -> None:
    """A guest that shut itself down is not noticed."""
    patch(stack, compute_periodic, "compare_power", lambda manager: None)


@mutation
def no_comparison_of_networks(stack: ExitStack) -> None:
    """Ports are wired when a server asks, and never compared; those of a deleted one are only unbound."""
    patch(stack, converge.Converger, "compare", lambda self: None)


@mutation
def no_destroying(stack: ExitStack) -> None:
    """A guest is forgotten, not destroyed, when its host does not answer at once."""
    drive = table.drive

    def once(work: Work, method: str, *args: Any, **kwargs: Any) -> Any:
        try:
            return drive(work, method, *args, **kwargs)
        except Exception:
            if method != "destroy":
                raise
            return None

    from iaas.compute.jobs import delete

    for module in (build, delete):
        patch(stack, module, "drive", once)
    patch(stack, compute_periodic, "sweep_orphans", lambda manager: None)


@mutation
def no_guard_of_starts(stack: ExitStack) -> None:
    """A worker that another start has taken the place of works on, and learns of it by its heartbeat only."""
    patch(stack, hosts, "is_latest", lambda held: [])


@mutation
def no_word_of_later_starts(stack: ExitStack) -> None:
    """A worker that another start has taken the place of is not told by its heartbeat, and goes on for ever."""
    patch(stack, WorkerService, "_superseded", lambda self: True)


# -- images ----------------------------------------------------------------------------------------------------


@mutation
def no_sweep_of_images(stack: ExitStack) -> None:
    """What an upload leaves behind that dies stays."""
    patch(stack, image_sweep, "run", lambda clients, reports: None)


@mutation
def no_memory_of_the_last_commit(stack: ExitStack) -> None:
    """An upload whose last commit was not heard of takes its image for deleted, and its bytes away."""

    def lose(self: Any, tx: Any, done: Any) -> None:
        raise image_rows.ImageNotFound(image_id=self._row.id)

    patch(stack, uploads._Upload, "_lose_unless_done", lose)
