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
