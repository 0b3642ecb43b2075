"""Instance actions: the jobs a server ever had, which stay after it is gone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from iaas.common import errors
from iaas.common.context import RequestContext
from iaas.db import instances, jobs
from iaas.db.instances import InstanceNotFound
from iaas.db.tx import Tx


def of_server(clients: Any, ctx: RequestContext, instance_id: str, *, deleted: bool = True) -> Sequence[Any]:
    """Return the server's jobs, newest first.

    :param deleted: also those of a server that is deleted
    :raises InstanceNotFound: there never was such a server, or it belongs to another project.
    """
    with clients.db.read(ctx) as tx:
        return _history(tx, instance_id, deleted)


def of_request(clients: Any, ctx: RequestContext, instance_id: str, request_id: str, *, deleted: bool = True) -> Any:
    """Return the job one request started.

    :param deleted: also of a server that is deleted
    :raises NotFound: the request did nothing to this server.
    """
    with clients.db.read(ctx) as tx:
        for job in _history(tx, instance_id, deleted):
            if job.request_id == request_id:
                return job
    raise errors.NotFound(what="Action", id=request_id[:64])


def _history(tx: Tx, instance_id: str, deleted: bool) -> Sequence[Any]:
    row = instances.find(tx, instance_id)
    history = jobs.of_resource(tx, instance_id)
    if row is None and not (deleted and history and _was_visible(tx, history[-1])):
        raise InstanceNotFound(instance_id=instance_id)
    return history


def _was_visible(tx: Tx, first: Any) -> bool:
    """A server's first job is its owner's; later ones may be an administrator's, of another project."""
    return tx.ctx.is_admin or first.project_id == tx.ctx.project_id
