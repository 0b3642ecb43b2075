"""Requests for tokens."""

from __future__ import annotations

from iaas.common.rest.schemas import Schema

_TEXT: Schema = {"type": "string", "maxLength": 255}
_REF: Schema = {"type": "object", "properties": {"id": _TEXT, "name": _TEXT}}
_PROJECT: Schema = {"type": "object", "properties": {"id": _TEXT, "name": _TEXT, "domain": _REF}}
_USER: Schema = {
    "type": "object",
    "properties": {"id": _TEXT, "name": _TEXT, "domain": _REF, "password": {"type": "string"}},
    "required": ["password"],
}
AUTHENTICATE: Schema = {
    "type": "object",
    "properties": {
        "auth": {
            "type": "object",
            "properties": {
                "identity": {
                    "type": "object",
                    "properties": {
                        "methods": {"type": "array", "items": {"type": "string"}, "minItems": 1},
                        "password": {"type": "object", "properties": {"user": _USER}, "required": ["user"]},
                        "application_credential": {
                            "type": "object",
                            "properties": {
                                "id": _TEXT,
                                "name": _TEXT,
                                "secret": {"type": "string"},
                                "user": _PROJECT,
                            },
                            "required": ["secret"],
                        },
                        "token": {
                            "type": "object",
                            "properties": {"id": {"type": "string"}},
                            "required": ["id"],
                        },
                    },
                    "required": ["methods"],
                },
                "scope": {
                    "anyOf": [
                        {
                            "type": "object",
                            "properties": {
                                "project": _PROJECT,
                                "domain": _REF,
                                "system": {"type": "object", "properties": {"all": {"type": "boolean"}}},
                                "unscoped": {"type": "object"},
                            },
                            "additionalProperties": False,
                            "minProperties": 1,
                        },
                        {"const": "unscoped"},
                    ]
                },
            },
            "required": ["identity"],
        }
    },
    "required": ["auth"],
}
