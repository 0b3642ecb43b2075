"""Drivers and other plugins, found by their entry points."""

from __future__ import annotations

from importlib import metadata
from typing import Any

from iaas.common import errors


def load(group: str, name: str, what: str) -> Any:
    """Return the object that an installed package offers as ``name`` in ``group``.

    :param what: what it is, for the sentence: ``compute driver``
    :raises Invalid: nobody offers it (those that are offered are named), or a library of it is missing.
    """
    offered = metadata.entry_points(group=group)
    for entry in offered:
        if entry.name == name:
            try:
                return entry.load()
            except ImportError as error:
                raise errors.Invalid(reason=f"The {what} {name} cannot be loaded: {error}") from error
    known = ", ".join(sorted(offered.names)) or "none"
    raise errors.Invalid(reason=f"There is no {what} {name!r}; installed are: {known}.")


def load_all(group: str, what: str) -> dict[str, Any]:
    """Return every object that installed packages offer in ``group``, by name in the order of the names.

    :raises Invalid: a library of one is missing.
    """
    names = sorted(entry.name for entry in metadata.entry_points(group=group))
    return {name: load(group, name, what) for name in names}
