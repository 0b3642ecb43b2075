"""What the network API takes in bodies. An attribute that is not here is refused: read-only, or unknown."""

from __future__ import annotations

from iaas.common.rest.schemas import Schema

NAME: Schema = {"type": "string", "maxLength": 255}
DESCRIPTION: Schema = {"type": "string", "maxLength": 255}
PROJECT: Schema = {"type": "string", "maxLength": 64}
MOST_AT_ONCE = 100


def create(one: str, many: str, item: Schema) -> Schema:
    """A POST's body: one resource, or several at once."""
    several: Schema = {"type": "array", "items": item, "minItems": 1, "maxItems": MOST_AT_ONCE}
    return {
        "type": "object",
        "properties": {one: item, many: several},
        "minProperties": 1,
        "maxProperties": 1,
        "additionalProperties": False,
    }


def update(one: str, item: Schema) -> Schema:
    """A PUT's body."""
    return {"type": "object", "properties": {one: item}, "required": [one], "additionalProperties": False}
