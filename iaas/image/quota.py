"""Quotas of images: how many a project may have and how many bytes they may hold, and what it uses.

Taken by one conditional UPDATE in the transaction that makes the image, or that makes its data count.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from iaas.common import units
from iaas.common.conf import Settings
from iaas.db import image_blobs
from iaas.db.tx import Tx
from iaas.image import states


def _max_size(settings: Settings) -> int:
    limit = settings.image.max_project_gb
    return limit if limit == image_blobs.UNLIMITED else limit * units.GIB


def take(tx: Tx, settings: Settings, project_id: str | None, *, count: int = 0, size: int = 0) -> None:
    """Count ``count`` images more and ``size`` bytes more.

    :raises ImageQuotaExceeded: the project would pass a limit.
    """
    limits = {"max_count": settings.image.max_project_images, "max_size": _max_size(settings)}
    image_blobs.take(tx, project_id, count=count, size=size, **limits)


def largest_upload(tx: Tx, settings: Settings, project_id: str | None) -> int:
    """Return the bytes an upload that begins now may have."""
    cap = settings.image.max_size_gb * units.GIB
    limit = _max_size(settings)
    if limit == image_blobs.UNLIMITED:
        return cap
    return max(0, min(cap, limit - image_blobs.stored(tx, project_id)[1]))


def usage(tx: Tx, settings: Settings, project_id: str | None) -> Mapping[str, Any]:
    """Return limit and usage of each resource, as ``GET /v2/info/usage`` shows them; sizes in MiB."""
    count, size = image_blobs.stored(tx, project_id)
    limit = _max_size(settings)
    limit_mb = limit if limit == image_blobs.UNLIMITED else limit // units.MIB
    uploading = image_blobs.count_uploading(tx, project_id, states.SAVING.columns[0] or "")
    return {
        "image_size_total": {"limit": limit_mb, "usage": -(-size // units.MIB)},
        "image_stage_total": {"limit": 0, "usage": 0},  # nothing is staged: there are no import methods
        "image_count_total": {"limit": settings.image.max_project_images, "usage": count},
        "image_count_uploading": {"limit": settings.image.max_uploads, "usage": uploading},
    }
