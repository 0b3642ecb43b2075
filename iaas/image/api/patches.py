"""Patches: a list of add, replace and remove, applied to an image's document.

Two dialects, by media type: 2.1 writes ``{"op": "replace", "path": "/name", "value": …}``, 2.0 writes
``{"replace": "/name", "value": …}`` and refuses to add what is there.
Source: https://docs.openstack.org/api-ref/image/v2/index.html#update-image
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from iaas.common import errors
from iaas.db.images import ImageForbidden
from iaas.image.api.schemas import images as schemas
from iaas.image.service import COLUMNS, Document

MEDIA_2_1 = "application/openstack-images-v2.1-json-patch"
MEDIA_2_0 = "application/openstack-images-v2.0-json-patch"
MEDIA = (MEDIA_2_1, MEDIA_2_0)
_FIXED = frozenset(COLUMNS) | {"tags"}


@dataclass(frozen=True)
class Change:
    """One line of a patch; ``strict`` is the older dialect's ``add``."""

    op: str
    name: str
    value: Any = None
    strict: bool = False


def parse(lines: Sequence[Mapping[str, Any]]) -> list[Change]:
    """Return the changes of a body that has passed its schema.

    :raises Invalid: a value is missing, or a path does not name one attribute.
    :raises ImageForbidden: an attribute that only the service sets.
    """
    return [_change(line) for line in lines]


def _change(line: Mapping[str, Any]) -> Change:
    strict = "op" not in line
    op = next(word for word in ("add", "replace", "remove") if word in line) if strict else line["op"]
    name = _name(line[op] if strict else line["path"])
    check_settable(name)
    if op == "remove":
        if name in _FIXED:
            raise ImageForbidden(reason=f"Property {name} may not be removed.")
        return Change(op, name)
    if "value" not in line:
        raise errors.Invalid(reason=f"The operation on {name} has no value.")
    return Change(op, name, line["value"], strict)


def _name(path: str) -> str:
    """Return the attribute a JSON pointer of one step names."""
    step = path[1:]
    if step.split("/", 1)[0] == "locations":
        step = "locations"
    if not step or "/" in step or "~" in step.replace("~0", "").replace("~1", ""):
        raise errors.Invalid(reason=f"{path[:80]!r} does not name one attribute of an image.")
    return step.replace("~1", "/").replace("~0", "~")


def check_settable(name: str) -> None:
    """:raises ImageForbidden: the service sets it, or keeps the name for itself."""
    if name in schemas.READ_ONLY or name == "id":
        raise ImageForbidden(reason=f"Attribute '{name}' is read-only.")
    if name.startswith(schemas.RESERVED_PREFIX):
        raise ImageForbidden(reason=f"Attribute '{name}' is reserved.")


def apply(changes: Sequence[Change], document: Document) -> Document:
    """Return the document after the changes.

    :raises Conflict: a change of a property that is not there, or an older ``add`` of one that is.
    :raises SchemaMismatch: the outcome is not an image.
    """
    after = dict(document)
    for change in changes:
        there = change.name in after
        if change.op == "add" and change.strict and there and change.name not in _FIXED:
            raise errors.Conflict(reason=f"Property {change.name} already present.")
        if change.op != "add" and not there:
            raise errors.Conflict(reason=f"Property {change.name} does not exist.")
        if change.op == "remove":
            del after[change.name]
        else:
            after[change.name] = change.value
    schemas.DOCUMENT.check(after)
    return after
