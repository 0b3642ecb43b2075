"""Placing an instance: look → filters → weights → claim by one conditional UPDATE."""

from __future__ import annotations

from typing import Any

from iaas.common import errors, runtime
from iaas.compute.states import INSTANCE
from iaas.db import codec, ends, hosts, instances, ports
from iaas.db.models.instances import instances as table
from iaas.db.transitions import move
from iaas.db.tx import Tx
from iaas.jobs.work import Permanent, Work
from iaas.scheduler import explain, search, weights
from iaas.scheduler.hosts import HostState, Request
from iaas.scheduler.jobs.table import handlers

#: looks at the hosts before the job is put back: all that fitted were sold each time
LOOKS = 10


class ClaimLost(Exception):
    """The host was sold to somebody else since it was looked at."""


@handlers.step("build", "place")
def place(work: Work) -> None:
    """Claim a host for the instance and hand the job to it.

    :raises Permanent: no host fits; the sentence says why without naming hosts.
    :raises Unavailable: hosts fitted, but others were always faster.
    """
    settings, lost = work.settings.scheduler, []
    for _ in range(LOOKS):
        with work.db.read(work.ctx) as tx:
            instance = instances.find(tx, work.id)
            if instance is None:
                break
            request = _request(instance, work.args)
            verdict = search.look(tx, request, settings)
        verdict.lost = lost
        if not verdict.fitting:
            work.db.write(work.ctx, _keep, work.id, settings.policy, verdict, None)
            raise Permanent(reason=verdict.tenant_sentence(work.args.get("last_error")))
        policy = weights.POLICIES[settings.policy]
        for host in weights.ordered(policy, request, verdict.fitting, settings.top):
            try:
                _claim(work, instance, host, verdict, settings.policy)
            except ClaimLost:
                lost.append(host.name)
            else:
                return
    else:
        raise errors.Unavailable(reason="Every host that fitted was sold to another request first.")
    work.finish()


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
