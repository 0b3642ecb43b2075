"""Request schemas: JSON Schema 2020-12, compiled once, and the small pieces they are built from.

Schemas grow instead of being copied: ``CREATE_2_19 = with_(CREATE, "server", description=DESCRIPTION)``.
"""

from __future__ import annotations

import copy
import ipaddress
import re
from collections.abc import Mapping
from typing import Any

import jsonschema_rs

from iaas.common import errors

Schema = dict[str, Any]

_UUID = re.compile(r"[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}", re.IGNORECASE | re.ASCII)
_BASE64 = re.compile(r"[A-Za-z0-9+/\r\n]*={0,2}[\r\n]*", re.ASCII)


def is_uuid(text: str) -> bool:
    return _UUID.fullmatch(text) is not None


def _is_base64(text: str) -> bool:
    if _BASE64.fullmatch(text) is None:
        return False
    return len("".join(text.split())) % 4 == 0


def _is_cidr(text: str) -> bool:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return True


def _is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


FORMATS = {
    "uuid": is_uuid,
    "ip": _is_ip,
    "cidr": _is_cidr,
    "base64": _is_base64,
    "no-control": lambda text: text.isprintable(),
    "trimmed": lambda text: text == text.strip() and text != "",
    "not-blank": lambda text: text.strip() != "",
}

NAME: Schema = {"type": "string", "minLength": 1, "maxLength": 255, "format": "not-blank"}
UUID: Schema = {"type": "string", "format": "uuid"}
BOOLEAN: Schema = {
    "enum": [True, False, "True", "TRUE", "true", "1", "ON", "On", "on", "YES", "Yes", "yes",
             "False", "FALSE", "false", "0", "OFF", "Off", "off", "NO", "No", "no"],
}  # fmt: skip
NULL: Schema = {"type": "null"}


def integer(low: int, high: int = 2**31 - 1) -> Schema:
    """A whole number, or its digits as text, as many clients send it; convert with :func:`to_int`."""
    text = {"type": "string", "pattern": "^-?[0-9]{1,10}$"}
    return {"anyOf": [{"type": "integer", "minimum": low, "maximum": high}, text]}


def to_int(value: Any, low: int, high: int = 2**31 - 1, *, name: str = "value") -> int:
    """Return what :func:`integer` let through.

    :raises Invalid: out of range.
    """
    number = int(value)
    if not low <= number <= high:
        raise errors.Invalid(reason=f"{name} must be between {low} and {high}, not {number}.")
    return number


def to_bool(value: Any) -> bool:
    """Return what :data:`BOOLEAN` let through as True or False."""
    return value is True or (isinstance(value, str) and value.lower() in ("true", "1", "on", "yes"))


def obj(required: tuple[str, ...] = (), **properties: Schema) -> Schema:
    """An object that has these properties and no others."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


def array(items: Schema, low: int = 0, high: int = 1000) -> Schema:
    return {"type": "array", "items": items, "minItems": low, "maxItems": high}


def nullable(schema: Schema) -> Schema:
    return {"anyOf": [schema, NULL]}


def with_(schema: Schema, inside: str, **properties: Schema) -> Schema:
    """Return a copy of ``schema`` whose property ``inside`` has more properties."""
    grown = copy.deepcopy(schema)
    grown["properties"][inside]["properties"].update(properties)
    return grown


def query(*names: str, open_: bool = False, **properties: Schema) -> Schema:
    """A query string: each parameter is the list of its values; ``names`` are free text.

    ``open_`` lets unknown parameters through (and handlers ignore them), as older microversions did.
    """
    known: dict[str, Schema] = {name: {"type": "array", "items": {"type": "string"}} for name in names}
    known.update({name: {"type": "array", "items": item} for name, item in properties.items()})
    return {"type": "object", "properties": known, "additionalProperties": open_}


DIGITS: Schema = {"type": "string", "pattern": "^[0-9]{1,9}$"}
PAGING: dict[str, Schema] = {"limit": DIGITS, "marker": {"type": "string", "maxLength": 255}}


class SchemaMismatch(errors.IaasError):
    kind = errors.Kind.INVALID
    template = "Invalid input for field/attribute {path}. Value: {value}. {why}"


class Compiled:
    """A schema ready to check values."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self._validator = jsonschema_rs.validator_for(
            {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema},
            formats=FORMATS,
            validate_formats=True,
        )

    def check(self, value: Any) -> None:
        """:raises SchemaMismatch: names the field, its value (shortened) and what was expected."""
        if self._validator.is_valid(value):
            return
        error = next(iter(self._validator.iter_errors(value)))
        path = "/".join(str(part) for part in error.instance_path) or "body"
        found = value
        for part in error.instance_path:
            found = found[part]
        raise SchemaMismatch(path=path, value=_short(found), why=_short(error.message, 300))


def _short(value: Any, length: int = 80) -> str:
    text = str(value)
    return text if len(text) <= length else text[:length] + "…"


def one(params: Mapping[str, list[str]], name: str, default: str | None = None) -> str | None:
    """Return the last value of a query parameter."""
    values = params.get(name)
    return values[-1] if values else default
