"""What is true of a settled cloud, read from its database and from the worlds of its fake back-ends."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from kombu import Connection

from iaas.common import errors
from iaas.common.rpc.transport import DEAD
from iaas.compute.agentapi import AgentClient
from iaas.compute.driver import Power
from iaas.db.tx import Database
from iaas.doctor import HostTruth, Truth, ask, diagnose, history
from tools import dev_cluster


class Unsettled(Exception):
    """Work did not end in time; the text says which."""


def scalar(cluster: dev_cluster.Cluster, query: str, **values: Any) -> Any:
    with cluster.sql_connection() as connection:
        return connection.execute(sa.text(query), values).scalar()


def live_jobs(cluster: dev_cluster.Cluster) -> list[str]:
    """Return the jobs that have not ended, in words."""
    query = "SELECT kind, step, topic, state, attempt, resource_id FROM jobs WHERE live_key IS NOT NULL"
    with cluster.sql_connection() as connection:
        return [" ".join(map(str, row)) for row in connection.execute(sa.text(query))]


def settle(cluster: dev_cluster.Cluster, seconds: float) -> float:
    """Wait until no job is live and return how long it took.

    :raises Unsettled: some are still live after ``seconds``.
    """
    begun = time.monotonic()
    while left := live_jobs(cluster):
        if time.monotonic() - begun > seconds:
            raise Unsettled(f"{len(left)} jobs live after {seconds:.0f} s: {left[:10]}")
        time.sleep(0.1)
    return time.monotonic() - begun


def guests(cluster: dev_cluster.Cluster) -> dict[str, dict[str, int | None]]:
    """Return the guests of each fake hypervisor, host → id → power, read from their journals."""
    found: dict[str, dict[str, int | None]] = {}
    for host in cluster.hosts:
        file = cluster.folder / host / "compute" / "fake-guests.json"
        here: dict[str, int | None] = {}
        for line in file.read_text().splitlines() if file.exists() else []:
            words = json.loads(line)
            here.pop(words["id"], None)
            if words["guest"] is not None:
                here[words["id"]] = words["guest"]["power"]
        found[host] = here
    return found


def volumes(cluster: dev_cluster.Cluster) -> dict[str, int]:
    """Return the volumes of the fake back-end, id → GiB."""
    file = cluster.folder / "volumes" / "fake-volumes.json"
    return json.loads(file.read_text()) if file.exists() else {}


def unsound(cluster: dev_cluster.Cluster, promised: history.History) -> list[str]:
    """Return every breach the doctor finds in a settled cloud, of a promise too, and whom it could not ask.

    The workers say what their hosts hold.  What the journals of the fake hypervisors say is held against that.
    """
    databases = [Database(cluster.database_url(name)) for name in ("controller", "image")]
    try:
        answers = ask.everybody(databases[0], AgentClient(cluster.settings.compute.agent_secret))
        there = Truth(hosts=answers.hosts, queues=_dead_letters(cluster), ratios=cluster.settings.scheduler)
        found = diagnose(databases[0], there, quiet=True, images=databases[1]).findings
        found += history.kept(promised, databases[0], complete=True)
        return [*map(str, found), *map(str, answers.silent), *_untold(cluster, answers.hosts)]
    except errors.Unavailable as error:
        return [f"the doctor cannot look: {error}"]
    finally:
        for database in databases:
            database.close()


def _dead_letters(cluster: dev_cluster.Cluster) -> dict[str, int]:
    with Connection(cluster.rabbit.url) as connection:
        return {DEAD: connection.channel().queue_declare(DEAD, passive=True).message_count}


def _untold(cluster: dev_cluster.Cluster, hosts: Mapping[str, HostTruth]) -> list[str]:
    """Return where a worker said something else than what its back-end keeps on disk."""
    wrong = []
    for host, here in guests(cluster).items():
        kept = {guest: Power(power).name for guest, power in here.items() if power is not None}
        said = hosts[host].guests if host in hosts else None
        if said != kept:
            wrong.append(f"host {host} says it has {said}, its journal has {kept}")
    return wrong


LEFT = {
    "live jobs": "SELECT COUNT(*) FROM jobs WHERE live_key IS NOT NULL",
    "instances": "SELECT COUNT(*) FROM instances",
    "volumes": "SELECT COUNT(*) FROM volumes",
    "allocations": "SELECT COUNT(*) FROM allocations",
    "used on hosts": "SELECT COALESCE(SUM(used_vcpus + used_memory_mb + used_disk_gb + running), 0) FROM hosts",
    "ports": "SELECT COUNT(*) FROM ports",
    "fixed IPs": "SELECT COUNT(*) FROM fixed_ips",
    "quotas": "SELECT COALESCE(SUM(used), 0) FROM quota_usages WHERE resource IN "
              "('instances', 'cores', 'ram', 'ports', 'volumes', 'gigabytes')",
}  # fmt: skip


def left_over(cluster: dev_cluster.Cluster) -> list[str]:
    """Return what is left in a cloud where everything was deleted."""
    found = {what: scalar(cluster, query) for what, query in LEFT.items()}
    found["guests"] = sum(map(len, guests(cluster).values()))
    found["volumes of the back-end"] = len(volumes(cluster))
    return [f"{count} {what} are left" for what, count in found.items() if count]
