"""Which methods of a manager a message may name: the marked ones, and no others."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from iaas.common.rpc import errors

F = TypeVar("F", bound=Callable[..., Any])
_MARK = "__rpc_endpoint__"


def endpoint(fn: F) -> F:
    """Mark a method ``(self, ctx, *, ...)`` of a manager as callable by message."""
    setattr(fn, _MARK, True)
    return fn


def table(manager: object) -> dict[str, Callable[..., Any]]:
    """Return the marked methods of ``manager``, bound, by name."""
    found = inspect.getmembers_static(type(manager), lambda member: getattr(member, _MARK, False))
    return {name: getattr(manager, name) for name, _ in found}


def bind(methods: dict[str, Callable[..., Any]], method: str, ctx: Any, args: dict[str, Any]) -> Callable[[], Any]:
    """Return the call a message asks for, ready to be made.

    :raises DeadLetter: no such endpoint, or the arguments do not fit it.
    """
    fn = methods.get(method)
    if fn is None:
        raise errors.DeadLetter(reason=f"there is no endpoint {method!r}")
    try:
        inspect.signature(fn).bind(ctx, **args)
    except TypeError as error:
        raise errors.DeadLetter(reason=f"{method}: {error}") from None
    return lambda: fn(ctx, **args)
