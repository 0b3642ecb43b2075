"""Images and members as the API shows them."""

from __future__ import annotations

import datetime
from typing import Any

from iaas.db.images import Image

_PLAIN = (
    "id", "name", "status", "visibility", "owner", "disk_format", "container_format", "size", "virtual_size",
    "checksum", "os_hash_algo", "os_hash_value", "min_disk", "min_ram", "protected", "os_hidden",
)  # fmt: skip


def moment(seconds: float) -> str:
    """Return a time as ``2026-01-02T03:04:05Z``."""
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def image(found: Image) -> dict[str, Any]:
    row = found.row._mapping
    link = f"/v2/images/{row['id']}"
    return {
        **found.properties,
        **{name: row[name] for name in _PLAIN},
        "tags": found.tags,
        "created_at": moment(row["created_at"]),
        "updated_at": moment(row["updated_at"]),
        "self": link,
        "file": link + "/file",
        "schema": "/v2/schemas/image",
    }


def member(row: Any) -> dict[str, Any]:
    return {
        "image_id": row.image_id,
        "member_id": row.member_id,
        "status": row.status,
        "created_at": moment(row.created_at),
        "updated_at": moment(row.updated_at),
        "schema": "/v2/schemas/member",
    }
