"""Instance actions: the jobs a server ever had, which stay after it is gone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from iaas.common import errors
from iaas.common.context import RequestContext
from iaas.db import instances, jobs
from iaas.db.instances import InstanceNotFound
from iaas.db.tx import Tx


def of_server(clients: Any, ctx: RequestContext, instance_id: str) -> Sequence[Any]:
    """Return the server's jobs, newest first; those of a deleted server are still shown.

    :raises InstanceNotFound: there never was such a server, or it belongs to another project.
    """
    with clients.db.read(ctx) as tx:
        return _history(tx, instance_id)


def of_request(clients: Any, ctx: RequestContext, instance_id: str, request_id: str) -> Any:
    """Return the job one request started.

    :raises NotFound: the request did nothing to this server.
    """
    with clients.db.read(ctx) as tx:
        for job in _history(tx, instance_id):
            if job.request_id == request_id:
                return job
    raise errors.NotFound(what="Action", id=request_id[:64])


def _history(tx: Tx, instance_id: str) -> Sequence[Any]:
    row = instances.find(tx, instance_id)
    history = jobs.of_resource(tx, instance_id)
    if row is None and not any(tx.ctx.is_admin or job.project_id == tx.ctx.project_id for job in history):
        raise InstanceNotFound(instance_id=instance_id)
    return history
