"""The sweep: the store holds the bytes of images that exist, and nothing else, whatever died when.

Three things are left behind by a process that dies: the part of an upload (the store's own sweep takes it), an
image in ``saving``, and a blob that nobody is promised.  A running upload is told by its signs of life.

A blob is removed on proof only: a row of ``blob_gc`` says that its image was deleted, or its upload given up.  Where
an older database was restored, blobs it knows nothing of, or takes for not uploaded yet, are reported and kept.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from typing import Any

from iaas.common import context, runtime
from iaas.common.context import RequestContext
from iaas.common.periodic import Periodic
from iaas.db import image_blobs, images, transitions
from iaas.db.models.images import images as table
from iaas.db.tx import Tx
from iaas.image import service, states
from iaas.image.clients import ImageClients

LOG = logging.getLogger(__name__)
EVERY = 15.0
#: seconds a blob may be without an image: a link is made just before its row is committed
ORPHAN_AGE = 30.0
#: seconds a part may be without a writer: the store knows the living by their locks
PART_AGE = 10.0
#: where blobs of more images that are there would have to go, and more than a tenth of the store, none does
MAX_REMOVALS, MAX_SHARE = 5, 0.1
#: seconds a deleted image is remembered: a process that was stopped that long may still link the blob it worked on
REMEMBERED = 86_400.0
#: transactions of one pass that forget images, each of at most 500
FORGETS = 20
WITH_DATA = [str(state) for state in states.WITH_DATA]
WITHOUT = [str(state) for state in states.STATES if state not in states.WITH_DATA]


class Reports:
    """What an administrator was told, so that it is not said again with every pass."""

    AGAIN = 3600.0
    AT_ONCE = 20

    def __init__(self) -> None:
        self._said: dict[str, float] = {}

    def due(self, things: Collection[str]) -> list[str]:
        """Return those of ``things``, which are wrong now, that were not returned within the hour; a few at a time."""
        now = runtime.monotonic()
        self._said = {thing: at for thing, at in self._said.items() if thing in things and at > now - self.AGAIN}
        due = [thing for thing in things if thing not in self._said][: self.AT_ONCE]
        self._said.update(dict.fromkeys(due, now))
        return due


def table_of(clients: ImageClients) -> list[Periodic]:
    """Return the periodic work of the image service."""
    reports = Reports()
    return [Periodic("image sweep", EVERY, lambda: run(clients, reports))]


def run(clients: ImageClients, reports: Reports | None = None) -> None:
    """Put right whatever earlier processes left half done."""
    ctx = context.admin()
    _bury_the_dead(clients, ctx)
    blobs = dict(clients.store.blobs())
    most = max(MAX_REMOVALS, int(MAX_SHARE * len(blobs)))
    _requeue_silent_uploads(clients, ctx, blobs, most)
    _remove_leftovers(clients, ctx, blobs, most, reports or Reports())
    _forget(clients, ctx, blobs)
    clients.store.sweep(PART_AGE)


def _bury_the_dead(clients: ImageClients, ctx: RequestContext) -> None:
    """Delete the blobs of deleted images."""
    with clients.db.read(ctx) as tx:
        rows = image_blobs.buried(tx)
    for row in rows:
        service.discard(clients, ctx, row.image_id, row.location)


def _requeue_silent_uploads(clients: ImageClients, ctx: RequestContext, blobs: Mapping[str, float], most: int) -> None:
    """Return the images of dead uploads to queued, without a blob, or with theirs where more than ``most`` have one."""
    with clients.db.read(ctx) as tx:
        rows = image_blobs.silent_uploads(tx, str(states.SAVING), states.SAVING_LIMIT)
    remove = sum(row.id in blobs for row in rows) <= most
    for row in rows:
        own_id = runtime.uuid()
        if not clients.db.write(ctx, image_blobs.take_over, row, own_id):
            continue  # it lives after all, or another process was first
        location = clients.store.location(row.id)
        if remove:
            clients.store.delete(location)
        clients.db.write(ctx, _requeue, row.id, own_id, location)
        LOG.warning("the upload of image %s died; it is queued again", row.id)


def _requeue(tx: Tx, image_id: str, upload_id: str, location: str) -> None:
    row: Any = images.uploading(tx, image_id, upload_id)
    if row is not None:
        transitions.move(tx, states.IMAGE, table, row, "requeue", upload_id=None, upload_at=None)
        image_blobs.give_up(tx, image_id, location)


def _remove_leftovers(
    clients: ImageClients, ctx: RequestContext, blobs: Mapping[str, float], most: int, reports: Reports
) -> None:
    """Remove blobs that provably are nobody's; report those of which nothing is proven.

    Deletions were asked for, however many.  But that an image was not uploaded is what the rows of an older database
    say, too: if there is data of more than ``most`` of those, none of it is removed.
    """
    found = sorted(image_id for image_id, age in blobs.items() if age > ORPHAN_AGE)
    with clients.db.snapshot(ctx) as tx:
        verdict = image_blobs.judge(tx, found, WITH_DATA, WITHOUT, states.SAVING_LIMIT)
    wrong = dict.fromkeys(verdict.unproven, "no row names it")
    wrong |= {image_id: f"its row is {status}" for image_id, status in verdict.unproven.items() if status}
    doomed = verdict.deleted
    if len(verdict.given_up) <= most:
        doomed = [*doomed, *verdict.given_up]
    else:
        wrong |= {row.image_id: "too many uploads died at once" for row in verdict.given_up}
    for image_id in reports.due(wrong):
        LOG.error("data of image %s is kept: %s; iaas-manage doctor says what to do", image_id, wrong[image_id])
    for proof in doomed:
        if clients.db.write(ctx, image_blobs.claim, proof, WITHOUT):
            LOG.warning("removing data of image %s, which has none", proof.image_id)
            clients.store.delete(clients.store.location(proof.image_id))


def _forget(clients: ImageClients, ctx: RequestContext, blobs: Mapping[str, float]) -> None:
    """Forget images that were deleted long ago and of which the store has nothing, a few hundred at a time."""
    for _ in range(FORGETS):
        with clients.db.read(ctx) as tx:
            found = image_blobs.forgettable(tx, REMEMBERED)
        old = [image_id for image_id in found if image_id not in blobs]
        if not old:
            return
        clients.db.write(ctx, image_blobs.forget, old, REMEMBERED)
