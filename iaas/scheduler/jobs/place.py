"""Placing an instance: snapshot → filters → weights → claim by one conditional UPDATE."""

from __future__ import annotations

from typing import Any

from iaas.common import runtime
from iaas.compute.states import INSTANCE
from iaas.db import codec, ends, hosts, instances, ports
from iaas.db.models.instances import instances as table
from iaas.db.transitions import move
from iaas.db.tx import Tx
from iaas.jobs.work import Permanent, Work
from iaas.scheduler import explain, weights
from iaas.scheduler.hosts import HostState, Request, snapshot
from iaas.scheduler.jobs.table import handlers


class ClaimLost(Exception):
    """The host was sold to somebody else since the snapshot."""


@handlers.step("build", "place")
def place(work: Work) -> None:
    """Claim a host for the instance and hand the job to it.

    :raises Permanent: no host fits; the sentence says why without naming hosts.
    """
    with work.db.read(work.ctx) as tx:
        instance = instances.find(tx, work.id)
        rows = hosts.snapshot(tx)
    if instance is None:
        work.finish()
        return
    request = _request(instance, work.args)
    verdict = explain.judge(request, snapshot(rows, work.settings))
    policy_name = work.settings.scheduler.policy
    top = work.settings.scheduler.top
    for host in weights.ordered(weights.POLICIES[policy_name], request, verdict.fitting, top):
        try:
            _claim(work, instance, host, verdict, policy_name)
        except ClaimLost:
            verdict.lost.append(host.name)
        else:
            return
    work.db.write(work.ctx, _keep, work.id, policy_name, verdict, None)
    raise Permanent(reason=verdict.tenant_sentence(work.args.get("last_error")))


def _request(instance: Any, args: dict[str, Any]) -> Request:
    return Request(
        vcpus=instance.vcpus,
        memory_mb=instance.memory_mb,
        disk_gb=instance.disk_gb,
        zone=instance.zone_wanted,
        host=args.get("host"),
        excluded=frozenset(args.get("excluded", ())),
    )


def _claim(work: Work, instance: Any, host: HostState, verdict: explain.Verdict, policy_name: str) -> None:
    wired = bool(instance.network_info)

    def changes(tx: Tx) -> None:
        if not hosts.claim(tx, host, instance, work.settings.scheduler):
            raise ClaimLost
        where = {"host": host.name, "host_id": host.id, "zone": host.zone, "updated_at": runtime.time()}
        move(tx, INSTANCE, table, instance, "wire" if wired else "spawn", **where)
        if wired:
            ports.bind(tx, instance.id, host.name)
        _keep(tx, instance.id, policy_name, verdict, host.name)

    work.advance(changes, to="wire" if wired else "prepare", host=host.name)


def _keep(tx: Tx, instance_id: str, policy_name: str, verdict: explain.Verdict, chosen: str | None) -> None:
    text = codec.dump(verdict.to_dict(chosen))
    hosts.keep_placement(tx, instance_id, runtime.time(), policy_name, text)


@handlers.step("forget", "forget")
def forget(work: Work) -> None:
    """Remove an instance that never got a host."""
    work.advance(lambda tx: ends.forget_instance(tx, work.id))
