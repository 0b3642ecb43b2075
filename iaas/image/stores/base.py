"""Image stores: where the bytes of images are kept.

A store knows ids and bytes, nothing of projects, states or hashes.  Its methods may be called from green and
from native threads alike; what blocks, a store runs in native threads itself.
"""

from __future__ import annotations

import abc
import re
from collections.abc import Iterator
from types import TracebackType
from typing import ClassVar

from iaas.common import errors, units
from iaas.common.runtime import FileSender

CHUNK = units.MIB

_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class BlobMissing(errors.IaasError):
    """The store has nothing at a location; for an active image that is a fault of ours."""

    kind = errors.Kind.NOT_FOUND
    template = "The data of image {image_id} could not be found in its store."


class BlobExists(errors.IaasError):
    """The image has its bytes, and those never change."""

    kind = errors.Kind.CONFLICT
    template = "Image {image_id} already has data."


class StoreUnusable(errors.IaasError):
    """The store is not set up as it must be; an operator has to look."""

    template = "The image store cannot be used: {reason}"


class Writer(abc.ABC):
    """One upload, used in a ``with`` block: leaving the block without ``commit`` leaves no trace."""

    @abc.abstractmethod
    def __enter__(self) -> Writer: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.abort()

    @abc.abstractmethod
    def write(self, chunk: bytes | memoryview) -> None:
        """Append ``chunk``.

        :raises NoSpace: the store is full; nothing of the upload is left.
        """

    @abc.abstractmethod
    def commit(self) -> str:
        """Make the blob durable and visible, all at once, and return its location.

        :raises BlobExists: another upload of this image was first.
        :raises NoSpace: the store is full; nothing of the upload is left.
        """

    @abc.abstractmethod
    def abort(self) -> None:
        """Throw away what was written; does nothing after ``commit`` or another ``abort``."""


class Reader(Iterator[bytes], abc.ABC):
    """The chunks of a blob; ``close`` it, or read to its end."""

    def send_rest(self, send: FileSender) -> bool:
        """Send what was not read yet through ``send`` and return whether that is done, as only a file can be sent."""
        return False

    @abc.abstractmethod
    def close(self) -> None: ...


class Store(abc.ABC):
    """A place for blobs, each named by the id of its image."""

    scheme: ClassVar[str]

    @abc.abstractmethod
    def writer(self, image_id: str) -> Writer:
        """Return a writer of the blob of an image.

        :raises Invalid: ``image_id`` is not a UUID.
        """

    @abc.abstractmethod
    def read(self, location: str, offset: int = 0, length: int | None = None, chunk_size: int = CHUNK) -> Reader:
        """Return the bytes from ``offset`` on, at most ``length``, in chunks; none past the end.

        :raises BlobMissing: nothing is there.
        """

    @abc.abstractmethod
    def size(self, location: str) -> int:
        """Return the bytes of a blob.

        :raises BlobMissing: nothing is there.
        """

    @abc.abstractmethod
    def delete(self, location: str) -> None:
        """Remove a blob; one that is gone is not an error. Readers that have it open read on."""

    @abc.abstractmethod
    def blobs(self) -> Iterator[tuple[str, float]]:
        """Yield the image id and age in seconds of every blob."""

    @abc.abstractmethod
    def sweep(self, older_than: float = 60.0) -> int:
        """Remove what uploads that died left behind, older than so many seconds, and return how many.

        Uploads that still run, in whatever process of this host, are left alone.
        """

    @abc.abstractmethod
    def close(self) -> None:
        """End what the store holds open; nothing may be called after it."""

    def location(self, image_id: str) -> str:
        """Return where the blob of an image is, or would be.

        :raises Invalid: ``image_id`` is not a UUID.
        """
        return f"{self.scheme}:{checked(image_id)}"

    def image_id(self, location: str) -> str:
        """Return the image id in one of this store's locations.

        :raises Invalid: it is not one of them.
        """
        scheme, _, image_id = location.partition(":")
        if scheme != self.scheme:
            raise errors.Invalid(reason=f"The location is not one of the {self.scheme} store.")
        return checked(image_id)


def checked(image_id: str) -> str:
    """Return ``image_id`` if it is a UUID in its canonical form, the only thing that ever becomes a name.

    :raises Invalid: it is not.
    """
    if _UUID.fullmatch(image_id) is None:
        raise errors.Invalid(reason="An image id must be a UUID.")
    return image_id
