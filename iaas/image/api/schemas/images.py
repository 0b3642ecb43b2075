"""Images as clients may write them.

Source: https://docs.openstack.org/api-ref/image/v2/index.html#create-image
"""

from __future__ import annotations

from iaas.common.rest.schemas import Compiled, Schema, array
from iaas.image import inspect

NAME: Schema = {"type": ["string", "null"], "maxLength": 255}
TEXT: Schema = {"type": "string", "minLength": 1, "maxLength": 255}
CONTAINER_FORMATS = ("ami", "ari", "aki", "bare", "ovf", "ova", "docker", "compressed")
VISIBILITIES = ("public", "private", "shared", "community")
WHOLE: Schema = {"type": "integer", "minimum": 0, "maximum": 2**31 - 1}
UUID: Schema = {"type": "string", "pattern": "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"}
PROPERTY: Schema = {"type": "string", "maxLength": 65_535}

#: what a client may set beside properties of its own
ATTRIBUTES: dict[str, Schema] = {
    "name": NAME,
    "visibility": {"enum": list(VISIBILITIES)},
    "owner": {"type": ["string", "null"], "minLength": 1, "maxLength": 64},
    "disk_format": {"enum": [None, *inspect.ACCEPTED, *inspect.UNSUPPORTED]},
    "container_format": {"enum": [None, *CONTAINER_FORMATS]},
    "min_disk": WHOLE,
    "min_ram": WHOLE,
    "protected": {"type": "boolean"},
    "os_hidden": {"type": "boolean"},
    "tags": array(TEXT, 0, 1000),
    "kernel_id": {"anyOf": [UUID, {"type": "null"}]},
    "ramdisk_id": {"anyOf": [UUID, {"type": "null"}]},
}
#: what only the service sets; naming one of them is a 403 with a sentence, so the schema lets it through
READ_ONLY = (
    "created_at", "updated_at", "status", "checksum", "size", "virtual_size", "direct_url", "self", "file", "schema",
    "os_hash_algo", "os_hash_value", "stores", "locations",
)  # fmt: skip
#: names of properties that belong to the service
RESERVED_PREFIX = "os_glance_"

_DOCUMENT: Schema = {
    "type": "object",
    "properties": ATTRIBUTES,
    "propertyNames": {"type": "string", "minLength": 1, "maxLength": 255, "format": "no-control"},
    "additionalProperties": PROPERTY,
}
#: a whole image after a change
DOCUMENT = Compiled(_DOCUMENT)
CREATE: Schema = {
    **_DOCUMENT,
    "properties": {**ATTRIBUTES, "id": UUID, **{name: {} for name in READ_ONLY}},
}

_POINTER: Schema = {"type": "string", "pattern": "^/", "maxLength": 600}
PATCH_2_1: Schema = {
    "type": "object",
    "properties": {"op": {"enum": ["add", "replace", "remove"]}, "path": _POINTER, "value": {}},
    "required": ["op", "path"],
    "additionalProperties": False,
}
PATCH_2_0: Schema = {
    "type": "object",
    "properties": {"add": _POINTER, "replace": _POINTER, "remove": _POINTER, "value": {}},
    "oneOf": [{"required": [op]} for op in ("add", "replace", "remove")],
    "additionalProperties": False,
}
PATCH: Schema = {"type": "array", "items": {"anyOf": [PATCH_2_1, PATCH_2_0]}, "maxItems": 1000}
