"""Request schemas of volumes and their metadata.

A body may have members this API does not know, as published: clients send those of other versions.
"""

from __future__ import annotations

from iaas.common.rest.schemas import BOOLEAN, DIGITS, PAGING, Schema, integer, nullable, obj, query

TEXT: Schema = {"type": ["string", "null"], "maxLength": 255}
ITEM_KEY = "^[a-zA-Z0-9_:. /-]{1,255}$"
METADATA: Schema = {
    "type": "object",
    "patternProperties": {ITEM_KEY: {"type": "string", "maxLength": 255}},
    "additionalProperties": False,
}
#: members that ask for what is not there, unless they are null
SOURCES = ("snapshot_id", "source_volid", "source_replica", "consistencygroup_id", "image_id", "imageRef", "backup_id",
           "group_id")  # fmt: skip

_TEXTS = dict.fromkeys(("name", "display_name", "description", "display_description"), TEXT)

CREATE: Schema = {
    "type": "object",
    "properties": {
        "volume": {
            "type": "object",
            "properties": {
                **_TEXTS,
                "size": nullable(integer(1)),
                "volume_type": TEXT,
                "availability_zone": {"type": ["string", "null"], "minLength": 1, "maxLength": 64},
                "metadata": nullable(METADATA),
                "multiattach": nullable(BOOLEAN),
            },
        },
        "OS-SCH-HNT:scheduler_hints": {"type": ["object", "null"]},
    },
    "required": ["volume"],
    "additionalProperties": False,
}
UPDATE: Schema = {
    "type": "object",
    "properties": {
        "volume": {"type": "object", "properties": {**_TEXTS, "metadata": nullable(METADATA)}, "minProperties": 1}
    },
    "required": ["volume"],
    "additionalProperties": False,
}
LIST: Schema = query(
    "name", "status", "metadata", "bootable", "all_tenants", "sort", "sort_key", "sort_dir",
    open_=True, offset=DIGITS, **PAGING,
)  # fmt: skip
ITEMS: Schema = obj(("metadata",), metadata=METADATA)
ITEM: Schema = obj(("meta",), meta={**METADATA, "minProperties": 1, "maxProperties": 1})
