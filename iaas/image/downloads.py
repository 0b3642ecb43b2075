"""Downloads: the bytes of an image, or a part of them."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass

from iaas.common import errors, runtime, units
from iaas.common.context import RequestContext
from iaas.db import images
from iaas.image import states
from iaas.image.clients import ImageClients
from iaas.image.stores import base

LOG = logging.getLogger(__name__)
#: under 1 MiB, from which on memory is returned to the kernel and fetched anew for each chunk (runtime.memory);
#: a download holds two chunks; a thousand slow clients must not hold gigabytes, so only some get large ones
CHUNK = 960 * units.KIB
SMALL_CHUNK = 64 * units.KIB
_RANGE = re.compile(r"bytes=(\d{0,19})-(\d{0,19})", re.ASCII)


class ImageDamaged(errors.IaasError):
    """The store does not hold what was uploaded; an operator has to look."""

    template = "The data of image {image_id} is damaged."


@dataclass(frozen=True)
class Span:
    """A part of an image: bytes ``start`` to ``end``, the latter not included, of ``total``."""

    start: int
    end: int
    total: int

    @property
    def whole(self) -> bool:
        return self.start == 0 and self.end == self.total


def span_of(header: str | None, total: int) -> Span | None:
    """Return what a Range header asks for, the whole if it is none we know; None if nothing of it exists.

    Source: https://www.rfc-editor.org/rfc/rfc9110#section-14.2 — several ranges may be answered with the whole.
    """
    match = _RANGE.fullmatch(header.strip()) if header else None
    if match is None or match.groups() == ("", ""):
        return Span(0, total, total)
    first, last = match.groups()
    if first == "":
        start, end = max(0, total - int(last)), total
    else:
        start, end = int(first), min(int(last) + 1, total) if last else total
        if last and int(last) < start:
            return Span(0, total, total)
    return Span(start, end, total) if start < end else None


def data_of(clients: ImageClients, ctx: RequestContext, image_id: str, *, may_deactivated: bool) -> images.Image | None:
    """Return an image whose data can be read, or None if it has none yet.

    :raises ImageForbidden: it is deactivated.
    :raises ImageDamaged: the store has other bytes, or none.
    """
    with clients.db.read(ctx) as tx:
        image = images.get(tx, image_id)
    state = states.IMAGE.state_of(image)
    if state is states.DEACTIVATED and not may_deactivated:
        raise images.ImageForbidden(reason=f"The data of image {image_id} cannot be downloaded: it is deactivated.")
    if state not in (states.ACTIVE, states.DEACTIVATED):
        return None
    try:
        size = clients.store.size(image.location)
    except base.BlobMissing:
        size = -1
    if size != image.size:
        LOG.error("image %s should have %s bytes, but its store has %s", image_id, image.size, size)
        raise ImageDamaged(image_id=image_id)
    return image


def read(clients: ImageClients, image: images.Image, span: Span, send: runtime.FileSender | None = None) -> base.Reader:
    """Return the bytes of a part of an image, in chunks; only the first one, if ``send`` can do the rest."""
    length = span.end - span.start
    if length <= SMALL_CHUNK or send is not None:
        reader = clients.store.read(image.location, span.start, length, chunk_size=min(SMALL_CHUNK, length))
        return reader if send is None else _Sent(reader, send)
    if not clients.lanes.acquire(blocking=False):
        return clients.store.read(image.location, span.start, length, chunk_size=SMALL_CHUNK)
    try:
        reader = clients.store.read(image.location, span.start, length, chunk_size=min(CHUNK, length))
    except BaseException:
        clients.lanes.release()
        raise
    return _Fast(reader, clients.lanes)


class _Sent(base.Reader):
    """A reader whose first chunk goes with the headers, and what is behind it around this process."""

    def __init__(self, reader: base.Reader, send: runtime.FileSender) -> None:
        self._reader = reader
        self._send: runtime.FileSender | None = send
        self._begun = False

    def __next__(self) -> bytes:
        if self._begun and self._send is not None:
            send, self._send = self._send, None
            if self._reader.send_rest(send):
                raise StopIteration
        self._begun = True
        return next(self._reader)

    def close(self) -> None:
        self._reader.close()


class _Fast(base.Reader):
    """A reader that gives its lane back when it ends, however it ends."""

    def __init__(self, reader: base.Reader, lanes: runtime.Semaphore) -> None:
        self._reader = reader
        self._lanes: runtime.Semaphore | None = lanes

    def __next__(self) -> bytes:
        try:
            return next(self._reader)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        lanes, self._lanes = self._lanes, None
        if lanes is not None:
            self._reader.close()
            lanes.release()

    def __del__(self) -> None:
        self.close()  # a server may drop an answer it never began to send
