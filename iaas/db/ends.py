"""The last transaction of a resource: everything it held is given back with its row."""

from __future__ import annotations

from iaas.db import consoles, ec2, hosts, instances, ports, quotas, volumes
from iaas.db.transitions import removed
from iaas.db.tx import Tx


def forget_instance(tx: Tx, instance_id: str) -> None:
    """Remove an instance: its row, allocations, ports, addresses and quota. Doing it twice is fine."""
    row = instances.remove(tx, instance_id)
    if row is None:
        return
    removed(tx, "instance", row.id, row.vm_state, row.task_state)
    ec2.keep_terminated(tx, row)
    hosts.forget_placement(tx, instance_id)
    consoles.forget(tx, instance_id)
    gone = ports.let_go(tx, instance_id) if row.network_info else {}
    # Last, as everybody of the project and of the host waits for these rows until this is committed: the project's
    # before the host's, as more wait for them; those of servers before those of ports, as a boot takes them, because
    # two that lock in different orders deadlock
    if row.quota_held:
        quotas.give_back(tx, row.project_id, {"instances": 1, "cores": row.vcpus, "ram": row.memory_mb})
    for project_id, count in gone.items():
        quotas.give_back(tx, project_id, {"ports": count})
    hosts.release(tx, instance_id)


def forget_volume(tx: Tx, volume_id: str) -> None:
    """Remove a volume: its row and its quota. Doing it twice is fine."""
    row = volumes.remove(tx, volume_id)
    if row is not None:
        removed(tx, "volume", row.id, row.status)
        quotas.give_back(tx, row.project_id, {"volumes": 1, "gigabytes": row.size_gb})
