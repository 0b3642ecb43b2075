"""What an ended job means for its resource: the last write of a job that failed or goes to another host."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from iaas.common import runtime
from iaas.compute.states import INSTANCE
from iaas.db import codec, hosts, instances, ports, volumes
from iaas.db.models.instances import instances as instance_rows
from iaas.db.models.volumes import volumes as volume_rows
from iaas.db.transitions import move
from iaas.db.tx import Tx
from iaas.volume.states import VOLUME

Outcome = Callable[..., None]


def public_fault(fault: Mapping[str, Any]) -> str:
    """The fault as the resource keeps it, JSON text."""
    return codec.dump({"code": fault["code"], "message": fault["message"], "created": fault["at"]})


def _instance_failed(tx: Tx, job: Any, fault: Mapping[str, Any]) -> None:
    row = instances.find(tx, job.resource_id)
    if row is None:
        return
    event = "fail" if job.kind == "build" else "give_up"
    changes: dict[str, Any] = {"fault": public_fault(fault), "updated_at": runtime.time()}
    if event == "fail":
        hosts.release(tx, row.id)
        ports.bind(tx, row.id, None)
        changes.update(host=None, host_id=None)
    move(tx, INSTANCE, instance_rows, row, event, **changes)


def _instance_released(tx: Tx, job: Any) -> None:
    row = instances.find(tx, job.resource_id)
    if row is not None:
        hosts.release(tx, row.id)
        ports.bind(tx, row.id, None)
        move(tx, INSTANCE, instance_rows, row, "replace", host=None, host_id=None, updated_at=runtime.time())


def _volume_failed(tx: Tx, job: Any, fault: Mapping[str, Any]) -> None:
    row = volumes.find(tx, job.resource_id)
    if row is not None:
        move(tx, VOLUME, volume_rows, row, "fail", fault=public_fault(fault), updated_at=runtime.time())


def _volume_released(tx: Tx, job: Any) -> None:
    volumes.update(tx, job.resource_id, host=None)


FAILED: dict[str, Outcome] = {"instance": _instance_failed, "volume": _volume_failed}
RELEASED: dict[str, Outcome] = {"instance": _instance_released, "volume": _volume_released}
