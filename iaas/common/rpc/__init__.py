"""Messages between daemons: ``cast``, ``call`` and ``fanout`` over AMQP, or within one process.

A message is a doorbell: it carries ids and small values, may be lost and may come twice, and the job row
it points at is the truth.  A worker's side::

    class ComputeManager:
        @rpc.endpoint
        def run_job(self, ctx, *, job_id): ...

    server = rpc.RpcServer(transport, ["compute", f"compute.{host}"], ComputeManager(), pool_size=32)
    server.start()

and the other side::

    rpc.Client(transport).cast("compute.host-1", "run_job", ctx, job_id=job_id)
"""

from __future__ import annotations

from urllib.parse import urlsplit

from iaas.common import errors as _errors
from iaas.common.rpc.client import Client
from iaas.common.rpc.endpoints import endpoint
from iaas.common.rpc.errors import (
    CallTimeout,
    DeadLetter,
    MessageTooLarge,
    RemoteError,
    Unavailable,
    Undecodable,
    Unroutable,
)
from iaas.common.rpc.message import Message
from iaas.common.rpc.server import RpcServer
from iaas.common.rpc.transport import DEAD, Consumer, Inbox, Transport

__all__ = [
    "DEAD", "CallTimeout", "Client", "Consumer", "DeadLetter", "Inbox", "Message", "MessageTooLarge", "RemoteError",
    "RpcServer", "Transport", "Unavailable", "Undecodable", "Unroutable", "connect", "endpoint",
]  # fmt: skip


def connect(url: str) -> Transport:
    """Return the transport a URL names; nothing is sent yet, so the broker need not be there.

    ``memory://`` is the process's own broker, ``memory://NAME`` another one; ``amqp://`` and ``amqps://``
    may name several brokers of one cluster, separated by ``;``.

    :raises Invalid: the URL names no transport.
    """
    parts = urlsplit(url.split(";")[0])
    match parts.scheme:
        case "memory":
            from iaas.common.rpc import memory

            return memory.MemoryTransport(memory.broker(parts.netloc))
        case "amqp" | "amqps":
            from iaas.common.rpc import rabbit  # kombu costs memory an embedded cloud does not need

            return rabbit.RabbitTransport(url)
    raise _errors.Invalid(reason=f"[queue] url has the unknown scheme '{parts.scheme}'; use amqp:// or memory://.")
