"""Projects, domains and roles."""

from __future__ import annotations

from iaas.common.rest.schemas import Schema
from iaas.identity.api.schemas import common

_PROJECT = {
    "name": common.name(64),
    "domain_id": common.nullable(common.ID),
    "parent_id": common.nullable(common.ID),
    "is_domain": {"type": "boolean"},
    "enabled": common.ENABLED,
    "description": common.DESCRIPTION,
    "options": common.OPTIONS,
    "tags": common.TAGS,
}
CREATE_PROJECT = common.request("project", _PROJECT, "name")
UPDATE_PROJECT = common.request("project", _PROJECT)
SET_TAGS: Schema = {
    "type": "object",
    "properties": {"tags": common.TAGS},
    "required": ["tags"],
    "additionalProperties": False,
}
_DOMAIN = {
    "name": common.name(64),
    "enabled": common.ENABLED,
    "description": common.DESCRIPTION,
    "options": common.OPTIONS,
    "tags": common.TAGS,
}
CREATE_DOMAIN = common.request("domain", _DOMAIN, "name")
UPDATE_DOMAIN = common.request("domain", _DOMAIN)
_ROLE = {
    "name": common.name(255),
    "domain_id": common.nullable(common.ID),
    "description": common.DESCRIPTION,
    "options": common.OPTIONS,
}
CREATE_ROLE = common.request("role", _ROLE, "name")
UPDATE_ROLE = common.request("role", _ROLE)
