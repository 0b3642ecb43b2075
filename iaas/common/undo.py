"""Undo: the reverse of each step, run backwards when a block fails."""

from __future__ import annotations

import logging
from collections.abc import Callable
from types import TracebackType
from typing import Any

LOG = logging.getLogger(__name__)


class Undo:
    """Collects undo steps in a ``with`` block and runs them, last first, only if the block raises.

    A step is pushed *before* the thing it undoes and must accept that the thing never happened.  A failing
    undo step is logged and skipped, so the error that is reported is the first one.
    """

    def __init__(self) -> None:
        self._steps: list[tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]] = []

    def push(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        self._steps.append((fn, args, kwargs))

    def __enter__(self) -> Undo:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            return
        for fn, args, kwargs in reversed(self._steps):
            try:
                fn(*args, **kwargs)
            except Exception:
                LOG.exception("undo step %s failed", getattr(fn, "__qualname__", fn))
