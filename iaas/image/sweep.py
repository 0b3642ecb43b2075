"""The sweep: the store holds the bytes of images that exist, and nothing else, whatever died when.

Three things are left behind by a process that dies: the part of an upload (the store's own sweep takes it), an
image in ``saving``, and a blob without an image.  A running upload is told by its signs of life.
"""

from __future__ import annotations

import logging
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


def table_of(clients: ImageClients) -> list[Periodic]:
    """Return the periodic work of the image service."""
    return [Periodic("image sweep", EVERY, lambda: run(clients))]


def run(clients: ImageClients) -> None:
    """Put right whatever earlier processes left half done."""
    ctx = context.admin()
    _bury_the_dead(clients, ctx)
    _requeue_silent_uploads(clients, ctx)
    _remove_orphans(clients, ctx)
    clients.store.sweep(PART_AGE)


def _bury_the_dead(clients: ImageClients, ctx: RequestContext) -> None:
    """Delete the blobs of deleted images."""
    with clients.db.read(ctx) as tx:
        rows = image_blobs.buried(tx)
    for row in rows:
        service.discard(clients, ctx, row.image_id, row.location)


def _requeue_silent_uploads(clients: ImageClients, ctx: RequestContext) -> None:
    """Return the images of dead uploads to queued, without a blob."""
    with clients.db.read(ctx) as tx:
        rows = image_blobs.silent_uploads(tx, str(states.SAVING), states.SAVING_LIMIT)
    for row in rows:
        own_id = runtime.uuid()
        if not clients.db.write(ctx, image_blobs.take_over, row, own_id):
            continue  # it lives after all, or another process was first
        clients.store.delete(clients.store.location(row.id))
        clients.db.write(ctx, _requeue, row.id, own_id)
        LOG.warning("the upload of image %s died; it is queued again", row.id)


def _requeue(tx: Tx, image_id: str, upload_id: str) -> None:
    row: Any = images.uploading(tx, image_id, upload_id)
    if row is not None:
        transitions.move(tx, states.IMAGE, table, row, "requeue", upload_id=None, upload_at=None)


def _remove_orphans(clients: ImageClients, ctx: RequestContext) -> None:
    """Delete blobs that no image has a right to."""
    found = [image_id for image_id, age in clients.store.blobs() if age > ORPHAN_AGE]
    statuses = [str(state) for state in states.WITH_DATA]
    with clients.db.read(ctx) as tx:
        orphans = image_blobs.without_right(tx, found, statuses)
    for image_id in orphans:
        LOG.warning("removing data of image %s, which has none", image_id)
        clients.store.delete(clients.store.location(image_id))
