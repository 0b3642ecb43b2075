"""The image store as the doctor looks at it: a folder of this machine that we may read."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from iaas.common import runtime
from iaas.image.stores.base import BlobMissing, Store, StoreUnusable
from iaas.image.stores.file import FileStore


@dataclass(frozen=True)
class Blobs:
    """What the store holds, by image id.

    :ivar sizes: bytes
    :ivar written: when they were written last, in seconds since the epoch
    """

    sizes: dict[str, int]
    written: dict[str, float]


def listed(folder: Path) -> Blobs | None:
    """Return what the store holds, or None where it is not here, or not ours to read."""
    with _opened(folder) as store:
        if store is None:
            return None
        found, now = Blobs({}, {}), runtime.time()
        for image_id, age in store.blobs():
            with contextlib.suppress(BlobMissing):  # deleted since
                found.sizes[image_id] = store.size(store.location(image_id))
                found.written[image_id] = now - age
        return found


def digests(folder: Path, rows: Sequence[Any], tell: Callable[[int], None]) -> dict[str, str | None] | None:
    """Read the bytes of images and return their SHA-512 by image id, None where they cannot be read to their end;
    or None for all where the store is not here.

    :param rows: have ``id``; those the store has nothing of are left out
    :param tell: is told how many bytes were read, again and again
    """
    with _opened(folder) as store:
        if store is None:
            return None
        found: dict[str, str | None] = {}
        for row in rows:
            with contextlib.suppress(BlobMissing):
                try:
                    found[row.id] = _digest(store, row.id, tell)
                except OSError:
                    found[row.id] = None
        return found


def _digest(store: Store, image_id: str, tell: Callable[[int], None]) -> str:
    digest = hashlib.sha512()
    with contextlib.closing(store.read(store.location(image_id))) as chunks:
        for chunk in chunks:
            digest.update(chunk)
            tell(len(chunk))
    return digest.hexdigest()


@contextlib.contextmanager
def _opened(folder: Path) -> Iterator[Store | None]:
    try:
        store = FileStore(folder) if folder.is_dir() else None
    except (StoreUnusable, PermissionError):
        store = None
    try:
        yield store
    finally:
        if store is not None:
            store.close()
