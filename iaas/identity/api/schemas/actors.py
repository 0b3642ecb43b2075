"""Users and groups."""

from __future__ import annotations

from iaas.common.rest.schemas import Schema
from iaas.identity.api.schemas import common

_PASSWORD: Schema = {"type": ["string", "null"]}
_USER = {
    "name": common.name(255),
    "password": _PASSWORD,
    "domain_id": common.ID,
    "default_project_id": common.nullable(common.ID),
    "enabled": common.ENABLED,
    "description": common.DESCRIPTION,
    "options": common.OPTIONS,
}
CREATE_USER = common.request("user", _USER, "name")
UPDATE_USER = common.request("user", _USER)
_TEXT: Schema = {"type": "string"}
CHANGE_PASSWORD = common.request(
    "user", {"password": _TEXT, "original_password": _TEXT}, "password", "original_password"
)
_GROUP = {"name": common.name(64), "domain_id": common.ID, "description": common.DESCRIPTION}
CREATE_GROUP = common.request("group", _GROUP, "name")
UPDATE_GROUP = common.request("group", _GROUP)
