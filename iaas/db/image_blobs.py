"""What the store must hold and what it must lose: uploads, blobs to be removed, and what each project stores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from iaas.common import errors, runtime
from iaas.db.engines import db_now
from iaas.db.models.images import blob_gc, image_usages, images
from iaas.db.tx import Tx

UNLIMITED = -1
_BATCH = 500


class ImageQuotaExceeded(errors.IaasError):
    kind = errors.Kind.TOO_LARGE
    template = "Quota exceeded: the project stores {used} of at most {limit} {what}."


# -- uploads ----------------------------------------------------------------------------------------------


def beat(tx: Tx, image_id: str, upload_id: str) -> bool:
    """Say that an upload lives; return whether it still may finish."""
    where = (images.c.id == image_id, images.c.upload_id == upload_id)
    return tx.count(sa.update(images).where(*where).values(upload_at=db_now())) == 1


def take_over(tx: Tx, row: Any, upload_id: str) -> bool:
    """Let ``upload_id`` be the only one that may finish, if the upload in ``row`` said nothing since."""
    where = (images.c.id == row.id, images.c.upload_id == row.upload_id, images.c.upload_at == row.upload_at)
    return tx.count(sa.update(images).where(*where).values(upload_id=upload_id, upload_at=db_now())) == 1


def silent_uploads(tx: Tx, status: str, seconds: float) -> Sequence[sa.Row[Any]]:
    """Return the images in ``status`` whose upload said nothing for so long."""
    late = sa.or_(images.c.upload_at.is_(None), images.c.upload_at < db_now() - seconds)
    return tx.all(sa.select(images).where(images.c.status == status, late))


# -- blobs ------------------------------------------------------------------------------------------------


def bury(tx: Tx, image_id: str, location: str) -> None:
    """Note a blob that must go, in the transaction that deletes its image."""
    tx.insert_new(blob_gc, image_id=image_id, location=location, created_at=runtime.time())


def buried(tx: Tx, limit: int = 1000) -> Sequence[sa.Row[Any]]:
    """Return the blobs that must go, oldest first."""
    return tx.all(sa.select(blob_gc).order_by(blob_gc.c.created_at).limit(limit))


def forget(tx: Tx, image_id: str) -> None:
    """Note that a blob is gone."""
    tx.execute(sa.delete(blob_gc).where(blob_gc.c.image_id == image_id))


def without_right(tx: Tx, image_ids: Sequence[str], statuses: Sequence[str]) -> list[str]:
    """Return those of ``image_ids`` that are not images in one of ``statuses``: their blobs are nobody's."""
    rightful: set[str] = set()
    for at in range(0, len(image_ids), _BATCH):
        ids = image_ids[at : at + _BATCH]
        query = sa.select(images.c.id).where(images.c.id.in_(ids), images.c.status.in_(statuses))
        rightful.update(row.id for row in tx.all(query))
    return [image_id for image_id in image_ids if image_id not in rightful]


# -- what a project stores --------------------------------------------------------------------------------


def take(tx: Tx, project_id: str | None, *, count: int = 0, size: int = 0, max_count: int, max_size: int) -> None:
    """Add to what a project stores.

    :raises ImageQuotaExceeded: it would pass a limit; names it.
    """
    key = project_id or ""
    tx.insert_new(image_usages, project_id=key, images=0, size=0)
    where = [image_usages.c.project_id == key]
    if count and max_count != UNLIMITED:
        where.append(image_usages.c.images + count <= max_count)
    if size and max_size != UNLIMITED:
        where.append(image_usages.c.size + size <= max_size)
    more = {"images": image_usages.c.images + count, "size": image_usages.c.size + size}
    if tx.count(sa.update(image_usages).where(*where).values(**more)) != 1:
        images_used, size_used = stored(tx, project_id)
        if count and max_count != UNLIMITED and images_used + count > max_count:
            raise ImageQuotaExceeded(used=images_used, limit=max_count, what="images")
        raise ImageQuotaExceeded(used=size_used, limit=max_size, what="bytes")


def give_back(tx: Tx, project_id: str | None, *, count: int = 0, size: int = 0) -> None:
    """Take off what a project stores; the table's CHECK refuses to go below nothing."""
    less = {"images": image_usages.c.images - count, "size": image_usages.c.size - size}
    tx.execute(sa.update(image_usages).where(image_usages.c.project_id == (project_id or "")).values(**less))


def stored(tx: Tx, project_id: str | None) -> tuple[int, int]:
    """Return how many images a project has, and of how many bytes."""
    row = tx.one(sa.select(image_usages).where(image_usages.c.project_id == (project_id or "")))
    return (row.images, row.size) if row is not None else (0, 0)


def count_uploading(tx: Tx, project_id: str | None, status: str) -> int:
    where = (images.c.owner == project_id, images.c.status == status)
    return int(tx.scalar(sa.select(sa.func.count()).select_from(images).where(*where)) or 0)
