"""The pieces the requests of Identity v3 are built from."""

from __future__ import annotations

from collections.abc import Mapping

from iaas.common.rest.schemas import Schema

ID: Schema = {"type": "string", "minLength": 1, "maxLength": 64, "pattern": "^[a-zA-Z0-9._:@-]+$"}
DESCRIPTION: Schema = {"type": ["string", "null"], "maxLength": 16_384}
#: real true and false only: the string "FALSE" must not enable anybody (OSSA-2026-007)
ENABLED: Schema = {"type": "boolean"}
OPTIONS: Schema = {"type": "object"}
TAG: Schema = {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[^,/]+$"}
TAGS: Schema = {"type": "array", "items": TAG, "maxItems": 80, "uniqueItems": True}


def name(longest: int) -> Schema:
    """A name that is not blank."""
    return {"type": "string", "minLength": 1, "maxLength": longest, "format": "not-blank"}


def nullable(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def request(noun: str, properties: Mapping[str, Schema], *required: str) -> Schema:
    """A request about one ``noun``; attributes without a schema are the caller's own."""
    inner = {"type": "object", "properties": properties, "required": list(required), "minProperties": 1}
    return {"type": "object", "properties": {noun: inner}, "required": [noun], "additionalProperties": False}
