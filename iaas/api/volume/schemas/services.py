"""Request schemas of services."""

from __future__ import annotations

from iaas.common.rest.schemas import NAME, Schema

_SERVICE: Schema = {"binary": NAME, "service": NAME, "host": NAME}
ENABLE: Schema = {"type": "object", "properties": _SERVICE, "required": ["host"], "additionalProperties": False}
DISABLE_WITH_REASON: Schema = {
    **ENABLE,
    "properties": {**_SERVICE, "disabled_reason": {**NAME, "format": "trimmed"}},
    "required": ["host", "disabled_reason"],
}
