"""Protections of the product, each with a way to remove it, to prove that the simulator would notice.

A mutation patches the product from outside for the length of one history; nothing in the product knows of it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from unittest import mock

Remove = Callable[[ExitStack], None]
MUTATIONS: dict[str, Remove] = {}


def mutation(fn: Remove) -> Remove:
    """Declare a function that removes a protection; its name and first line are shown."""
    MUTATIONS[fn.__name__.replace("_", "-")] = fn
    return fn


def patch(stack: ExitStack, where: object, name: str, instead: object) -> None:
    """Put ``instead`` in the place of an attribute of the product."""
    stack.enter_context(mock.patch.object(where, name, instead))


@contextlib.contextmanager
def removed(name: str | None) -> Iterator[None]:
    """Live without one protection, or with all of them for None."""
    with ExitStack() as stack:
        if name is not None:
            MUTATIONS[name](stack)
        yield
