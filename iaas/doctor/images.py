"""Images: what the store and the quotas have against what the image service's rows say."""

from __future__ import annotations

from collections.abc import Iterator

from iaas.doctor.case import Case
from iaas.doctor.findings import Finding

#: states whose bytes are in the store, and count
WITH_BYTES = ("active", "deactivated")
UPLOADING = "saving"


def bytes_are_there(case: Case) -> Iterator[Finding]:
    """I11: an active image has its bytes in the store, all of them."""
    blobs = case.truth.blobs or {}
    for row in case.images.images:
        if row.status in WITH_BYTES and blobs.get(row.id) != row.size and case.settled(row.id, row.updated_at):
            what = f"It has {row.size} bytes, the store has {blobs.get(row.id, 'none')} of it."
            yield Finding("I11", f"image {row.id}", what, row.updated_at, "Its bytes are lost: upload it again.")


def bytes_are_owned(case: Case) -> Iterator[Finding]:
    """I11: the store has no bytes but those of images."""
    rows = {row.id: row for row in case.images.images}
    buried = {row.image_id for row in case.images.buried}
    for image_id in sorted(case.truth.blobs or {}):
        row = rows.get(image_id)
        if image_id in buried or (row is not None and row.status in (*WITH_BYTES, UPLOADING)):
            continue
        if case.settled(image_id, row.updated_at if row is not None else None):
            what = f"The store has its bytes, its row is {row.status if row is not None else 'not there'}."
            yield Finding("I11", f"image {image_id}", what, None, "The image service's sweep removes them.")


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
