"""Filters of the Describe actions: each name reads values off a row; within one any value, and all of them must match.

``*`` and ``?`` are wildcards, a backslash takes their meaning away.  Patterns run on a linear-time engine.
Source: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Filtering.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import re2

from iaas.api.ec2 import errors

MAX_FILTERS = 50
MAX_VALUES = 200
MAX_VALUE = 1024
TAG = "tag:"

Read = Callable[[Any], Iterable[Any]]
Table = Mapping[str, Read]
Tags = Callable[[Any], Mapping[str, str]]
_WILD = re.compile(r"[*?\\]")
_PARTS = re.compile(r"\\(.)|([*?])|([^*?\\]+|\\)", re.DOTALL)


def wanted(params: Mapping[str, Any]) -> dict[str, list[str]]:
    """The filters of a request, by name.

    :raises InvalidParameterValue: one without a name or values, one given twice, or too many.
    """
    given = params.get("Filter", [])
    if len(given) > MAX_FILTERS:
        raise errors.InvalidParameterValue(name="Filter", reason=f"there are more than {MAX_FILTERS}")
    found: dict[str, list[str]] = {}
    for index, each in enumerate(given, 1):
        name, values = each.get("Name"), each.get("Value")
        if not name or not values:
            raise errors.InvalidParameterValue(name=f"Filter.{index}", reason="a filter has a name and values")
        if name in found:
            raise errors.InvalidParameterValue(name=f"Filter.{index}", reason=f"{name[:80]} was given before")
        if len(values) > MAX_VALUES or any(len(value) > MAX_VALUE for value in values):
            raise errors.InvalidParameterValue(name=f"Filter.{index}", reason="its values are too many or too long")
        found[name] = values
    return found


def exact(values: Sequence[str]) -> bool:
    """Whether these values mean themselves, so that the database may compare them."""
    return not any(map(_WILD.search, values))


def matcher(given: Mapping[str, Sequence[str]], table: Table, tags: Tags | None = None) -> Callable[[Any], bool]:
    """Whether a row passes all of the filters.

    :raises InvalidParameterValue: a filter this action does not have.
    """
    checks: list[tuple[Read, Callable[[str], bool]]] = []
    for name, values in given.items():
        if name in table:
            read = table[name]
        elif tags is not None and (name == "tag-key" or (name.startswith(TAG) and len(name) > len(TAG))):
            read = _tag_read(name, tags)
        else:
            raise errors.InvalidParameterValue(name="Filter", reason=f"The filter '{name[:80]}' is invalid")
        checks.append((read, _any_of(values)))
    return lambda row: all(any(passes(_text(value)) for value in read(row)) for read, passes in checks)


def _tag_read(name: str, tags: Tags) -> Read:
    if name == "tag-key":
        return lambda row: tags(row).keys()
    key = name[len(TAG) :]
    return lambda row: [tags(row)[key]] if key in tags(row) else []


def _any_of(values: Sequence[str]) -> Callable[[str], bool]:
    if exact(values):
        known = frozenset(values)
        return lambda text: text in known
    pattern = re2.compile("(?s:" + "|".join(map(_translated, values)) + ")")
    return lambda text: pattern.fullmatch(text) is not None


def _translated(value: str) -> str:
    found = []
    for escaped, wild, plain in _PARTS.findall(value):
        found.append({"*": ".*", "?": "."}[wild] if wild else re2.escape(escaped or plain))
    return "".join(found)


def _text(value: Any) -> str:
    """A value as a filter spells it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)
