"""Request schemas of volume types and their extra specs."""

from __future__ import annotations

from iaas.common.rest.schemas import BOOLEAN, NAME, PAGING, Schema, obj, query

SPEC_KEY = "^[a-zA-Z0-9_:.-]{1,255}$"
SPECS: Schema = {
    "type": "object",
    "patternProperties": {SPEC_KEY: {"type": "string", "maxLength": 255}},
    "additionalProperties": False,
}
CREATE: Schema = obj(
    ("volume_type",),
    volume_type={
        "type": "object",
        "properties": {
            "name": NAME,
            "description": {"type": ["string", "null"], "maxLength": 255},
            "extra_specs": {"anyOf": [SPECS, {"type": "null"}]},
            "os-volume-type-access:is_public": BOOLEAN,
        },
        "required": ["name"],
        "additionalProperties": False,
    },
)
LIST: Schema = query("is_public", "sort", "sort_key", "sort_dir", open_=True, **PAGING)
ADD_SPECS: Schema = obj(("extra_specs",), extra_specs={**SPECS, "minProperties": 1})
ONE_SPEC: Schema = {**SPECS, "minProperties": 1, "maxProperties": 1}
