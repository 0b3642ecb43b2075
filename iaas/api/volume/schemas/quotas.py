"""Request schemas of quota sets."""

from __future__ import annotations

from iaas.common.rest.schemas import BOOLEAN, Schema, integer, obj

LIMIT = integer(-1)
UPDATE: Schema = obj(
    ("quota_set",),
    quota_set=obj(
        volumes=LIMIT, gigabytes=LIMIT, snapshots=LIMIT, tenant_id={"type": "string", "maxLength": 255}, force=BOOLEAN
    ),
)
