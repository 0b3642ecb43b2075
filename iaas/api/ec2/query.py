"""From the parameters of a Query request to the nested, typed values the model declares.

Source: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/Query-Requests.html

Nothing is guessed: a value has the type of its parameter or is refused, and a name the model does not have
is refused.  All dotted names are known here and nowhere else.
"""

from __future__ import annotations

import base64
import binascii
import datetime
import re
from collections.abc import Callable, Iterable
from typing import Any

from iaas.api.ec2 import errors, model

MAX_PARAMETERS = 1000
MAX_DEPTH = 32
MAX_NAME = 256

#: Of the protocol, not of the action: what carries the request and who signed it.
COMMON = {"Action", "Version", "AWSAccessKeyId", "Timestamp", "Expires", "SecurityToken"}
COMMON_PREFIXES = ("X-Amz-", "Signature")

_INDEX = re.compile(r"[1-9][0-9]{0,3}", re.ASCII)
_INTEGER = re.compile(r"-?[0-9]{1,19}", re.ASCII)
_DECIMAL = re.compile(r"-?[0-9]{1,19}(\.[0-9]{1,19})?", re.ASCII)
_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:\d\d)", re.ASCII)
#: Characters that no XML answer could carry back.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")

Tree = dict[str, "Tree | str"]


def parse(pairs: Iterable[tuple[str, str]], action: model.Action) -> dict[str, Any]:
    """The parameters of ``action``, nested, each of its declared type, by their names on the wire.

    ``InstanceId.1=i-1&InstanceId.2=i-2`` becomes ``{"InstanceId": ["i-1", "i-2"]}``.  What was not given
    is not there.  Timestamps are aware, blobs are bytes.  Enumerations are strings: the handler knows
    which of them it can do.

    :raises UnknownParameter: a name the model does not declare.
    :raises InvalidParameterValue: a value not of its type, a name given twice, a gap in a list, or more
        or deeper names than are allowed.
    :raises MissingParameter: a required one was not given.
    """
    return _structure("", _fold(pairs), action.request)


def decode_base64(name: str, text: str) -> bytes:
    """The bytes of a parameter that the model calls a string and its prose base64 (``UserData``).

    :raises InvalidParameterValue: not base64.
    """
    try:
        return base64.b64decode(text.encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error) as exc:
        raise errors.InvalidParameterValue(name=name, reason="it is not valid base64") from exc


def _fold(pairs: Iterable[tuple[str, str]]) -> Tree:
    tree: Tree = {}
    for count, (name, value) in enumerate(pairs):
        if count >= MAX_PARAMETERS:
            raise errors.InvalidRequest(message=f"More than {MAX_PARAMETERS} parameters were given.")
        if name not in COMMON and not name.startswith(COMMON_PREFIXES):
            _put(tree, name, value)
    return tree


def _put(tree: Tree, name: str, value: str) -> None:
    """Hang ``value`` into the tree, under the parts of ``name``."""
    parts = name.split(".")
    if len(name) > MAX_NAME or len(parts) > MAX_DEPTH or not all(parts) or _UNPRINTABLE.search(name):
        raise errors.UnknownParameter(name=_short(name))
    node = tree
    for part in parts[:-1]:
        below = node.setdefault(part, {})
        if isinstance(below, str):
            raise errors.InvalidParameterValue(name=name, reason="a part of the name has a value of its own")
        node = below
    if parts[-1] in node:
        raise errors.InvalidParameterValue(name=name, reason="it was given more than once")
    node[parts[-1]] = value


def _short(name: str) -> str:
    return _UNPRINTABLE.sub("\ufffd", name if len(name) <= 80 else name[:77] + "...")


def _value(name: str, given: Tree | str, shape: model.Shape) -> Any:
    if isinstance(shape, model.Scalar):
        if not isinstance(given, str):
            raise errors.UnknownParameter(name=f"{name}.{next(iter(given))}")
        return SCALARS[shape.type](name, given)
    if isinstance(given, str):
        kind = "a list" if isinstance(shape, model.ListOf) else "a structure"
        raise errors.InvalidParameterValue(name=name, reason=f"it is {kind}")
    if isinstance(shape, model.ListOf):
        return _list(name, given, shape)
    return _structure(name + ".", given, shape)


def _structure(prefix: str, given: Tree, shape: model.Structure) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, below in given.items():
        member = shape.members.get(name)
        if member is None:
            raise errors.UnknownParameter(name=_short(prefix + name))
        values[name] = _value(prefix + name, below, member)
    for name in sorted(shape.required - values.keys()):
        raise errors.MissingParameter(name=prefix + name)
    return values


def _list(name: str, given: Tree, shape: model.ListOf) -> list[Any]:
    for index in given:
        if not _INDEX.fullmatch(index):
            raise errors.UnknownParameter(name=_short(f"{name}.{index}"))
    indexes = sorted(given, key=int)
    if int(indexes[-1]) != len(indexes):
        raise errors.InvalidParameterValue(name=name, reason="its members are not numbered from 1 without gaps")
    return [_value(f"{name}.{index}", given[index], shape.item) for index in indexes]


def _string(name: str, text: str) -> str:
    if _UNPRINTABLE.search(text):
        raise errors.InvalidParameterValue(name=name, reason="it contains control characters")
    return text


def _whole(bits: int) -> Callable[[str, str], int]:
    limit = 1 << (bits - 1)

    def parse_whole(name: str, text: str) -> int:
        value = int(text) if _INTEGER.fullmatch(text) else None
        if value is None or not -limit <= value < limit:
            raise errors.InvalidParameterValue(name=name, reason=f"it is not a {bits}-bit integer")
        return value

    return parse_whole


def _decimal(name: str, text: str) -> float:
    if not _DECIMAL.fullmatch(text):
        raise errors.InvalidParameterValue(name=name, reason="it is not a decimal number")
    return float(text)


def _boolean(name: str, text: str) -> bool:
    if text not in ("true", "false"):
        raise errors.InvalidParameterValue(name=name, reason="it is neither true nor false")
    return text == "true"


def _timestamp(name: str, text: str) -> datetime.datetime:
    try:
        if _TIMESTAMP.fullmatch(text):
            return datetime.datetime.fromisoformat(text).astimezone(datetime.UTC)
    except (ValueError, OverflowError):
        pass  # a date no calendar has: the same answer as for what is not a date at all
    raise errors.InvalidParameterValue(name=name, reason="it is not an ISO 8601 time with a zone")


#: How the text of each scalar type is read.
SCALARS: dict[str, Callable[[str, str], Any]] = {
    "string": _string,
    "integer": _whole(32),
    "long": _whole(64),
    "float": _decimal,
    "double": _decimal,
    "boolean": _boolean,
    "timestamp": _timestamp,
    "blob": decode_base64,
}
