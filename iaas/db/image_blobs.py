"""What the store must hold and what it must lose: uploads, blobs to be removed, and what each project stores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Verdict:
    """What may become of blobs whose image has no right to bytes.

    :ivar deleted: rows of ``blob_gc`` whose image was deleted
    :ivar given_up: rows of ``blob_gc`` whose image is there, and whose upload was given up
    :ivar unproven: image id → the status of its row, or None where there is none; nothing proves that they may go
    """

    deleted: list[sa.Row[Any]]
    given_up: list[sa.Row[Any]]
    unproven: dict[str, str | None]


def bury(tx: Tx, image_id: str, location: str) -> None:
    """Note a blob that must go, in the transaction that deletes its image."""
    values = {"location": location, "created_at": runtime.time()}
    if not tx.insert_new(blob_gc, image_id=image_id, **values):  # an upload of it was given up before
        where = blob_gc.c.image_id == image_id
        tx.execute(sa.update(blob_gc).where(where).values(removed_at=None, **values))


def give_up(tx: Tx, image_id: str, location: str) -> None:
    """Note that nobody is promised the bytes an upload may still leave of an image: in the transaction that deletes
    the image, or takes the upload's right away."""
    bury(tx, image_id, location)
    removed(tx, image_id)


def buried(tx: Tx, limit: int = 1000) -> Sequence[sa.Row[Any]]:
    """Return the blobs that must go, oldest first."""
    query = sa.select(blob_gc).where(blob_gc.c.removed_at.is_(None))
    return tx.all(query.order_by(blob_gc.c.created_at).limit(limit))


def removed(tx: Tx, image_id: str) -> None:
    """Note that a blob is gone; that it had to go is remembered."""
    where = (blob_gc.c.image_id == image_id, blob_gc.c.removed_at.is_(None))
    tx.execute(sa.update(blob_gc).where(*where).values(removed_at=db_now()))


def judge(tx: Tx, image_ids: Sequence[str], with_data: Sequence[str], without: Sequence[str], rest: float) -> Verdict:
    """Say what may become of the blobs of these images; those that have a right to theirs are left out.

    :param with_data: the states of images that have a right to bytes
    :param without: those of images that have none
    :param rest: seconds for which a proof must not have changed: whoever changed it may be removing the blob
    """
    found = Verdict([], [], {})
    for at in range(0, len(image_ids), _BATCH):
        ids = image_ids[at : at + _BATCH]
        there = sa.select(images.c.id, images.c.status).where(images.c.id.in_(ids))
        status = {row.id: row.status for row in tx.all(there)}
        lost = [image_id for image_id in ids if status.get(image_id) not in with_data]
        proofs = _proofs(tx, lost, rest) if lost else {}
        for image_id in lost:
            known = image_id not in status or status[image_id] in without
            if image_id not in proofs or not known:
                found.unproven[image_id] = status.get(image_id)
            elif proofs[image_id].ripe:
                (found.given_up if image_id in status else found.deleted).append(proofs[image_id])
    return found


def _proofs(tx: Tx, image_ids: Sequence[str], rest: float) -> dict[str, sa.Row[Any]]:
    ripe = (blob_gc.c.removed_at < db_now() - rest).label("ripe")  # NULL: it is among the buried
    rows = tx.all(sa.select(blob_gc, ripe).where(blob_gc.c.image_id.in_(image_ids)))
    return {row.image_id: row for row in rows}


def claim(tx: Tx, proof: Any, without: Sequence[str]) -> bool:
    """Let the caller be the one that removes a blob, if its image has no right to it still, and nobody was first.

    :param proof: its row of ``blob_gc``, as it was judged
    :param without: the states of images that have no right to bytes
    """
    rightful = sa.exists().where(images.c.id == blob_gc.c.image_id, images.c.status.not_in(without))
    where = (blob_gc.c.image_id == proof.image_id, blob_gc.c.removed_at == proof.removed_at, ~rightful)
    return tx.count(sa.update(blob_gc).where(*where).values(removed_at=db_now())) == 1


def forgettable(tx: Tx, seconds: float, limit: int = _BATCH) -> list[str]:
    """Return some images that are not there, whose bytes went so long ago that no upload of them can wake any more."""
    there = sa.exists().where(images.c.id == blob_gc.c.image_id)
    query = sa.select(blob_gc.c.image_id).where(blob_gc.c.removed_at < db_now() - seconds, ~there)
    return [row.image_id for row in tx.all(query.limit(limit))]


def forget(tx: Tx, image_ids: Sequence[str], seconds: float) -> None:
    """Forget images whose bytes went so long ago; never in the transaction of a deletion, which would wait."""
    where = (blob_gc.c.image_id.in_(image_ids), blob_gc.c.removed_at < db_now() - seconds)
    tx.execute(sa.delete(blob_gc).where(*where))


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
