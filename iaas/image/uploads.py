"""Uploads: from a request's bytes to an active image, or to nothing at all.

An upload owns its image's row by an id of its own, ``upload_id``, and says every few seconds that it lives.  The
row becomes active in one transaction guarded by that id, after the blob is durable.  Whoever finds the row silent
takes it over under a new id first; so a deleted image, a sweep or a second process cannot be overtaken by an
upload that was thought dead.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable
from typing import Any

from iaas.common import errors, points, runtime, units
from iaas.common.context import RequestContext
from iaas.db import image_blobs, images, transitions
from iaas.db.models.images import images as table
from iaas.db.tx import Tx
from iaas.image import hashing, inspect, quota, states
from iaas.image.clients import ImageClients
from iaas.image.stores import base

LOG = logging.getLogger(__name__)
#: at most so many bytes are read before the upload looks whether it is still wanted
PIECE = 1 * units.MIB
#: fills a buffer with the next bytes and returns how many; 0 at their end
Source = Callable[[memoryview], int]


class UploadLost(errors.IaasError):
    """The image was deleted, or the upload taken for dead."""

    kind = errors.Kind.NOT_FOUND
    template = "Image {image_id} was deleted while its data was uploaded."


class ImageIncomplete(errors.IaasError):
    kind = errors.Kind.INVALID
    template = "Set disk_format and container_format of image {image_id} before its data is uploaded."


def upload(clients: ImageClients, ctx: RequestContext, image_id: str, source: Source, announced: int | None) -> None:
    """Give a queued image its data, ``announced`` bytes of them if that is known.

    :raises ImageRejected: the inspector refused it; the image is killed.
    :raises TooLarge: more bytes than one image, or the project, may have; the image is queued again.
    :raises Unavailable: too many uploads run.
    :raises UploadLost: the image was deleted meanwhile.
    """
    if not clients.slots.acquire(blocking=False):
        raise errors.Unavailable(reason=f"{clients.settings.image.max_uploads} uploads are running; try again later.")
    try:
        upload_id = runtime.uuid()
        row, limit = clients.db.write(ctx, _begin, clients, image_id, upload_id, announced)
        points.point("image.upload.begun")
        _Upload(clients, ctx, row, upload_id).run(source, announced, limit)
    finally:
        clients.slots.release()


def _begin(tx: Tx, clients: ImageClients, image_id: str, upload_id: str, announced: int | None) -> tuple[Any, int]:
    row = images.get_to_change(tx, image_id, "upload data to")
    begun = row.upload_id == upload_id  # by a commit whose answer was lost
    if not begun:
        states.IMAGE.target("upload", states.IMAGE.state_of(row), image_id)
    if row.disk_format is None or row.container_format is None:
        raise ImageIncomplete(image_id=image_id)
    limit = quota.largest_upload(tx, clients.settings, row.owner)
    if announced is not None and announced > limit:
        raise errors.TooLarge(reason=f"The image has {announced} bytes; at most {limit} may be stored.")
    if not begun:
        transitions.move(tx, states.IMAGE, table, row, "upload", upload_id=upload_id, upload_at=image_blobs.db_now())
    return row, limit


class _Upload:
    """One upload between its first and its last transaction."""

    def __init__(self, clients: ImageClients, ctx: RequestContext, row: Any, upload_id: str) -> None:
        self._clients = clients
        self._ctx = ctx
        self._row = row
        self._upload_id = upload_id
        self._lost = False
        self._commits = False  # whether the store was told to make the bytes a blob
        self._ended = runtime.event()

    def run(self, source: Source, announced: int | None, limit: int) -> None:
        runtime.spawn(self._keep_alive)
        try:
            done, location = self._store(source, announced, limit)
            points.point("image.upload.stored")
            self._activate(done, location)
        except inspect.ImageRejected:
            self._give_up("kill")
            raise
        except base.BlobExists:  # another's bytes: nothing of ours is there
            self._commits = False
            self._give_up("requeue")
            raise
        except BaseException:  # a killed task must not leave the image in saving, either
            self._give_up("requeue")
            raise
        finally:
            self._ended.set()

    def _store(self, source: Source, announced: int | None, limit: int) -> tuple[hashing.Ingested, str]:
        store = self._clients.store
        _check_free(store, self._row.id)
        with (
            store.writer(self._row.id) as writer,
            hashing.Ingest(writer, self._row.disk_format, max_size=limit) as ingest,
        ):
            while count := source(ingest.room[:PIECE]):
                ingest.took(count)
                self._check()
            if announced is not None and ingest.size != announced:
                raise errors.Invalid(reason=f"{ingest.size} bytes came, but {announced} were announced.")
            done = ingest.finish()
            self._beat()
            self._check()
            self._commits = True
            return done, writer.commit()

    def _activate(self, done: hashing.Ingested, location: str) -> None:
        """Make the image active; a blob that is nobody's goes."""

        def activate(tx: Tx) -> None:
            row = images.uploading(tx, self._row.id, self._upload_id)
            if row is None:
                self._lose_unless_done(tx, done)
                return
            quota.take(tx, self._clients.settings, row.owner, size=done.size)
            transitions.move(
                tx, states.IMAGE, table, row, "activate",
                size=done.size, virtual_size=done.verdict.virtual_size, checksum=done.checksum,
                os_hash_algo=done.os_hash_algo, os_hash_value=done.os_hash_value, location=location,
                upload_id=None, upload_at=None, updated_at=runtime.time(),
            )  # fmt: skip

        try:
            self._clients.db.write(self._ctx, activate)
        except (images.ImageNotFound, image_blobs.ImageQuotaExceeded) as error:
            # Any other error leaves open whether the transaction took place, or whose the blob is: the row is asked
            self._clients.store.delete(location)
            if isinstance(error, images.ImageNotFound):
                raise UploadLost(image_id=self._row.id) from None
            raise

    def _lose_unless_done(self, tx: Tx, done: hashing.Ingested) -> None:
        """Say what became of an image that is not this upload's any more: our own commit may not have been heard of.

        :raises ImageNotFound: it was deleted.
        :raises UploadLost: the upload was taken for dead; another one may have put its bytes where ours were.
        """
        now = images.get(tx, self._row.id)
        if states.IMAGE.state_of(now) not in states.FULL or now.os_hash_value != done.os_hash_value:
            raise UploadLost(image_id=self._row.id)

    def _give_up(self, event: str) -> None:
        """Return the row to what it may be without data; what fails here, the sweep does."""
        location = self._clients.store.location(self._row.id)

        def give_up(tx: Tx) -> None:
            row = images.uploading(tx, self._row.id, self._upload_id)
            if row is not None:
                transitions.move(tx, states.IMAGE, table, row, event, upload_id=None, upload_at=None)
                if self._commits:  # our blob may come still
                    image_blobs.give_up(tx, row.id, location)

        try:
            if self._commits and self._clients.db.write(self._ctx, image_blobs.beat, self._row.id, self._upload_id):
                self._clients.store.delete(location)  # the row is ours still: nobody was told that it is stored
            self._clients.db.write(self._ctx, give_up)
        except Exception:
            LOG.exception("image %s is left in saving to the sweep", self._row.id)

    def _keep_alive(self) -> None:
        while not self._ended.wait(states.BEAT) and not self._lost:
            try:
                self._beat()
            except errors.Unavailable:
                LOG.warning("the upload of image %s cannot say that it lives", self._row.id)

    def _beat(self) -> None:
        if not self._clients.db.write(self._ctx, image_blobs.beat, self._row.id, self._upload_id):
            self._lost = True

    def _check(self) -> None:
        if self._lost:
            raise UploadLost(image_id=self._row.id)


def _check_free(store: base.Store, image_id: str) -> None:
    """Look before a byte is read: what is found when an upload died is taken for its own, and removed.

    :raises BlobExists: the store has bytes of the image, of an upload that woke late or of which the database knows
        nothing.
    """
    with contextlib.suppress(base.BlobMissing):
        store.size(store.location(image_id))
        raise base.BlobExists(image_id=image_id)
