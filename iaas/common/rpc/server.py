"""The worker's side: messages of some topics become calls of a manager's endpoints."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

from iaas.common import context, runtime
from iaas.common import errors as common_errors
from iaas.common.rpc import endpoints, errors
from iaas.common.rpc.message import Message
from iaas.common.rpc.transport import Consumer, Transport

LOG = logging.getLogger(__name__)


class RpcServer:
    """Serves the endpoints of ``manager``, at most ``pool_size`` messages at the same time.

    An endpoint is given the context the message carries; a ring for the cloud's own work carries none and runs
    as admin.  Whoever may write to the queue is trusted.
    """

    def __init__(self, transport: Transport, topics: Sequence[str], manager: object, *, pool_size: int = 32) -> None:
        self._transport = transport
        self._topics = tuple(topics)
        self._methods = endpoints.table(manager)
        self._pool_size = pool_size
        self._consumer: Consumer | None = None
        self._took = runtime.monotonic()

    def start(self) -> None:
        """Take messages from now on; returns at once, whether the broker is there or not."""
        if self._consumer is None:
            self._consumer = self._transport.consume(self._topics, self._handle, prefetch=self._pool_size)

    def ready(self, timeout: float = 0) -> bool:
        """Whether messages are taken now, or are within ``timeout`` seconds."""
        return self._consumer is not None and self._consumer.ready(timeout)

    def age(self) -> float | None:
        """Return for how many seconds the broker was not heard of, None if it never was."""
        return None if self._consumer is None else self._consumer.age()

    def idle_for(self) -> float:
        """Return for how many seconds no message came."""
        return runtime.monotonic() - self._took

    def stop(self) -> None:
        """Take no more messages and let running ones end, for at most 5 seconds."""
        if self._consumer is not None:
            self._consumer.stop()
            self._consumer = None

    def _handle(self, message: Message) -> None:
        self._took = runtime.monotonic()
        ctx = context.RequestContext.from_dict(message.ctx) if message.ctx else context.admin(message.request_id)
        if message.reply_to is None:
            endpoints.bind(self._methods, message.method, ctx, message.args)()
        else:
            self._answer(message.reply_to, message, ctx)

    def _answer(self, address: str, message: Message, ctx: context.RequestContext) -> None:
        answer = _outcome(message.method, lambda: endpoints.bind(self._methods, message.method, ctx, message.args)())
        try:
            self._reply(address, message, answer)
        except (errors.MessageTooLarge, TypeError) as error:
            LOG.error("the result of %s cannot be sent: %s", message.method, error)
            self._reply(address, message, _failure("internal", f"The result of {message.method} cannot be sent."))

    def _reply(self, address: str, message: Message, answer: dict[str, Any]) -> None:
        try:
            self._transport.reply(address, Message("reply", answer, message.request_id, id=message.id))
        except (errors.Unroutable, errors.Unavailable) as error:
            LOG.warning("nobody got the answer to %s %s: %s", message.method, message.id, error)


def _outcome(method: str, call: Callable[[], Any]) -> dict[str, Any]:
    try:
        return {"result": call()}
    except errors.DeadLetter as error:
        LOG.error("a call was refused: %s", error)
        return _failure("invalid", str(error))
    except common_errors.IaasError as error:
        return _failure(error.kind.value, error.message)
    except Exception:
        LOG.exception("%s failed", method)
        return _failure("internal", common_errors.IaasError.template)


def _failure(kind: str, words: str) -> dict[str, Any]:
    return {"error": {"kind": kind, "message": words[:2000]}}
