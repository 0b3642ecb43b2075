"""Regions, services and endpoints."""

from __future__ import annotations

from iaas.common.rest.schemas import Schema
from iaas.identity.api.schemas import common

_REGION_ID: Schema = {"type": "string", "minLength": 1, "maxLength": 255}
_REGION = {
    "id": common.nullable({"type": "string", "maxLength": 255}),
    "description": common.DESCRIPTION,
    "parent_region_id": common.nullable(_REGION_ID),
}
CREATE_REGION: Schema = {
    "type": "object",
    "properties": {"region": {"type": "object", "properties": _REGION}},
    "required": ["region"],
    "additionalProperties": False,
}
UPDATE_REGION = CREATE_REGION
_SERVICE = {
    "type": common.name(255),
    "name": common.nullable({"type": "string", "maxLength": 255}),
    "description": common.DESCRIPTION,
    "enabled": common.ENABLED,
}
CREATE_SERVICE = common.request("service", _SERVICE, "type")
UPDATE_SERVICE = common.request("service", _SERVICE)
_ENDPOINT = {
    "service_id": common.ID,
    "interface": {"enum": ["public", "internal", "admin"]},
    "region": common.nullable(_REGION_ID),
    "region_id": common.nullable(_REGION_ID),
    "url": {"type": "string", "minLength": 1, "maxLength": 2048, "pattern": "^[A-Za-z][A-Za-z0-9+.-]*://"},
    "enabled": common.ENABLED,
    "name": common.nullable({"type": "string", "maxLength": 255}),
    "description": common.DESCRIPTION,
}
CREATE_ENDPOINT = common.request("endpoint", _ENDPOINT, "service_id", "interface", "url")
UPDATE_ENDPOINT = common.request("endpoint", _ENDPOINT)
