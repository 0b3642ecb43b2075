"""The asking side: casts, calls and fanouts."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
from collections.abc import Iterator, Mapping
from typing import Any

from iaas.common import metrics, runtime
from iaas.common.context import RequestContext
from iaas.common.rpc import errors
from iaas.common.rpc.message import Message
from iaas.common.rpc.transport import Inbox, Transport

LOG = logging.getLogger(__name__)
Context = RequestContext | Mapping[str, Any] | None


class _Waiting:
    """A call whose answer has not come."""

    def __init__(self) -> None:
        self.came = runtime.event()
        self.answer: dict[str, Any] = {}


class Client:
    """Sends messages; one per process and transport is enough, and any task may use it."""

    def __init__(self, transport: Transport, *, publish_timeout: float = 5.0, call_timeout: float = 30.0) -> None:
        self._transport = transport
        self._publish_timeout = publish_timeout
        self._call_timeout = call_timeout
        self._lock = runtime.lock()
        self._inbox: Inbox | None = None
        self._waiting: dict[str, _Waiting] = {}

    def cast(self, topic: str, method: str, ctx: Context = None, **args: Any) -> None:
        """Ask one worker of ``topic`` to run ``method``; returns when the broker has the message for good.

        :raises Unavailable: the broker did not confirm it within the publish time-out.
        """
        message = _message(method, ctx, args)
        with _measured():
            self._transport.publish(topic, message, timeout=self._publish_timeout)

    def fanout(self, topic: str, method: str, ctx: Context = None, **args: Any) -> None:
        """Ask every worker of ``topic`` that is there now.

        :raises Unavailable: the broker did not confirm it within the publish time-out.
        """
        message = _message(method, ctx, args)
        with _measured():
            self._transport.fanout(topic, message, timeout=self._publish_timeout)

    def call(self, topic: str, method: str, ctx: Context = None, *, timeout: float | None = None, **args: Any) -> Any:
        """Ask one worker of ``topic`` and return its result.

        :raises RemoteError: the worker raised, or has no such endpoint.
        :raises CallTimeout: no answer within ``timeout`` seconds.
        :raises Unavailable: the broker did not take the message.
        """
        limit = self._call_timeout if timeout is None else timeout
        deadline = runtime.monotonic() + limit
        inbox = self._own_inbox()
        if not inbox.ready(limit):
            raise errors.Unavailable(reason="The message queue is not reachable.")
        message = dataclasses.replace(_message(method, ctx, args), reply_to=inbox.address)
        waiting = self._waiting[message.id] = _Waiting()
        try:
            left = max(deadline - runtime.monotonic(), 0.001)
            with _measured():
                self._transport.publish(topic, message, timeout=min(left, self._publish_timeout))
            if not waiting.came.wait(max(deadline - runtime.monotonic(), 0)):
                raise errors.CallTimeout(topic=topic, method=method, timeout=limit)
        finally:
            del self._waiting[message.id]
        return _result(waiting.answer)

    def close(self) -> None:
        """Take no more answers."""
        with self._lock:
            inbox, self._inbox = self._inbox, None
        if inbox is not None:
            inbox.stop()

    def _own_inbox(self) -> Inbox:
        with self._lock:
            if self._inbox is None:
                self._inbox = self._transport.inbox(self._on_answer)
            return self._inbox

    def _on_answer(self, message: Message) -> None:
        waiting = self._waiting.get(message.id)
        if waiting is None:
            LOG.info("the answer to %s came too late", message.id)
            return
        waiting.answer = message.args
        waiting.came.set()


@contextlib.contextmanager
def _measured() -> Iterator[None]:
    began = runtime.monotonic()
    try:
        yield
    except Exception:
        metrics.RPC_PUBLISH_FAILURES.add()
        raise
    metrics.RPC_PUBLISH_SECONDS.see(runtime.monotonic() - began)


def _message(method: str, ctx: Context, args: dict[str, Any]) -> Message:
    fields = ctx.to_dict() if isinstance(ctx, RequestContext) else dict(ctx) if ctx is not None else None
    return Message(method, args, request_id=(fields or {}).get("request_id"), ctx=fields)


def _result(answer: dict[str, Any]) -> Any:
    error = answer.get("error")
    if error is not None:
        raise errors.RemoteError(error["kind"], error["message"])
    return answer.get("result")
