"""Images: what the store and the quotas have against what the image service's rows say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from iaas.doctor.case import Case
from iaas.doctor.findings import Finding

#: states whose bytes are in the store, and count
WITH_BYTES = ("active", "deactivated")
UPLOADING = "saving"
WITHOUT_BYTES = ("queued", "killed")
HASH = "sha512"
DAMAGED = "Put its file back from a backup, or upload the image again as another one and delete this one."
SWEPT = "The image service removes them within a minute: see whether it runs, and what its log says of this image."
MANY = "If its log says that too many uploads died at once, look at the file, and delete the image or the file."
KEPT = (
    "Was an older database restored? Restore the newer one. Else the file of this name in [image] store_dir can be "
    "uploaded as a new image, and be removed by hand."
)
DELETED = "Deleting the image removes it, too."


def bytes_are_there(case: Case) -> Iterator[Finding]:
    """I11: an active image has its bytes in the store, all of them."""
    blobs = case.truth.blobs or {}
    for row in case.images.images:
        if row.status in WITH_BYTES and blobs.get(row.id) != row.size and case.settled(row.id, row.updated_at):
            what = f"It has {row.size} bytes, the store has {blobs.get(row.id, 'none')} of it."
            yield Finding("I11", f"image {row.id}", what, row.updated_at, "Its bytes are lost: upload it again.")


def bytes_are_unchanged(case: Case) -> Iterator[Finding]:
    """I11: an active image's bytes are those that were hashed while they were uploaded; judged of what was read."""
    digests = case.truth.digests or {}
    for row in case.images.images:
        if row.status in WITH_BYTES and row.id in digests and case.settled(row.id, row.updated_at):
            digest = digests[row.id]
            if digest != row.os_hash_value or row.os_hash_algo != HASH:
                yield Finding("I11", f"image {row.id}", _other(digest, row), case.truth.written.get(row.id), DAMAGED)


def _other(digest: str | None, row: Any) -> str:
    if digest is None:
        return "Its bytes cannot be read to their end."
    if row.os_hash_algo != HASH or not row.os_hash_value:
        return "Its row has no SHA-512 that its bytes could be compared with."
    begin = f"their SHA-512 begins with {digest[:16]}, that of its row with {row.os_hash_value[:16]}"
    return f"Its bytes are not those that were uploaded: {begin}."


def bytes_are_owned(case: Case) -> Iterator[Finding]:
    """I11: the store has no bytes but those of images.

    What the image service's sweep is about to remove is left out: it has a few passes before its work is missed.
    """
    rows = {row.id: row for row in case.images.images}
    given_up = {row.image_id: row for row in case.images.buried}
    for image_id, size in sorted((case.truth.blobs or {}).items()):
        row, proof = rows.get(image_id), given_up.get(image_id)
        if row is not None and row.status in (*WITH_BYTES, UPLOADING):
            continue
        written = case.truth.written.get(image_id)
        times = [written, row and row.updated_at, proof and proof.created_at, proof and proof.removed_at]
        touched = [at for at in times if at is not None]
        if case.settled(image_id, max(touched) if touched else None):
            yield _not_owned(image_id, size, row, proof, written)


def _not_owned(image_id: str, size: int, row: Any, proof: Any, written: float | None) -> Finding:
    has = f"The store has {size} bytes of it"
    if proof is not None and (row is None or row.status in WITHOUT_BYTES):
        why = "it was deleted" if row is None else f"its upload was given up, it is {row.status}"
        remedy = SWEPT if row is None else f"{SWEPT} {MANY}"
        return Finding("I11", f"image {image_id}", f"{has}; {why}.", max(proof.created_at, written or 0.0), remedy)
    says = "no row names it" if row is None else f"its row is {row.status}"
    what = f"{has}; {says}, and nothing proves that they may go."
    return Finding("I11", f"image {image_id}", what, written, KEPT if row is None else f"{KEPT} {DELETED}")


def usage_is_held(case: Case) -> Iterator[Finding]:
    """I8: what a project is counted to store is what its images hold."""
    held = {row.project_id: (int(row.images), int(row.size or 0)) for row in case.images.held}
    used = {row.project_id: (row.images, row.size) for row in case.images.usages}
    for project in sorted(held.keys() | used.keys()):
        counted, there = used.get(project, (0, 0)), held.get(project, (0, 0))
        if counted != there:
            what = f"images: {counted[0]} ({counted[1]} bytes) used, {there[0]} ({there[1]} bytes) held."
            remedy = "It is counted anew from the rows."
            yield Finding("I8", f"project {project or '(none)'}", what, None, remedy, "recount_images")
