"""Credentials and requests signed with them."""

from __future__ import annotations

from iaas.common.rest.schemas import Schema
from iaas.identity.api.schemas import common

_BLOB: Schema = {"type": "string", "minLength": 1, "maxLength": 16_384}
_CREDENTIAL = {
    "type": common.name(255),
    "blob": _BLOB,
    "user_id": common.ID,
    "project_id": common.nullable(common.ID),
}
CREATE = common.request("credential", _CREDENTIAL, "type", "blob")
UPDATE = common.request("credential", _CREDENTIAL)
_ROLE: Schema = {
    "type": "object",
    "properties": {"id": common.ID, "name": common.name(255)},
    "minProperties": 1,
    "maxProperties": 1,
    "additionalProperties": False,
}
_RULE: Schema = {
    "type": "object",
    "properties": {
        "service": {"type": "string", "minLength": 1, "maxLength": 64},
        "method": {"enum": ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]},
        "path": {"type": "string", "pattern": "^/", "maxLength": 255},
    },
    "required": ["service", "method", "path"],
    "additionalProperties": False,
}
_APPLICATION = {
    "name": common.name(255),
    "description": common.DESCRIPTION,
    "secret": common.nullable({"type": "string", "minLength": 1, "maxLength": 4096}),
    "expires_at": common.nullable({"type": "string", "maxLength": 40}),
    "roles": {"type": "array", "items": _ROLE, "minItems": 1, "maxItems": 100},
    "unrestricted": common.nullable({"type": "boolean"}),
    "access_rules": {"type": "array", "items": _RULE, "maxItems": 100},
    "project_id": common.ID,
}
CREATE_APPLICATION: Schema = {
    "type": "object",
    "properties": {
        "application_credential": {
            "type": "object",
            "properties": _APPLICATION,
            "required": ["name"],
            "additionalProperties": False,
        }
    },
    "required": ["application_credential"],
    "additionalProperties": False,
}
CREATE_EC2: Schema = {
    "type": "object",
    "properties": {"tenant_id": common.ID},
    "required": ["tenant_id"],
    "additionalProperties": False,
}
_SIGNED: Schema = {
    "type": "object",
    "properties": {"access": {"type": "string", "maxLength": 128}, "signature": {"type": "string", "maxLength": 256}},
    "required": ["access", "signature"],
}
EC2_TOKEN: Schema = {
    "type": "object",
    "properties": {"credentials": _SIGNED, "ec2Credentials": _SIGNED, "auth": {"type": "object"}},
    "anyOf": [{"required": ["credentials"]}, {"required": ["ec2Credentials"]}],
}
