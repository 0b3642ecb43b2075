"""Images on a compute host: each is downloaded once, checked, and then the base of any number of overlays.

A lock file for each image serialises downloads and evictions, between threads and between processes.  An
instance marks its base by a link ``base`` in its own folder; marked images are not evicted.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import logging
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from iaas.common import errors, shell, units
from iaas.compute.driver import HypervisorError, Image, ImageRefused
from iaas.compute.drivers.libvirt import headers

LOG = logging.getLogger(__name__)
FORMATS = ("raw", "qcow2")
LIMITS = shell.Limits(address_space=1 << 30, cpu_seconds=30)  # a hostile image must not eat the host
SPARE_BYTES = 256 * units.MIB  # a file system is never filled to its end
ROOM = "room"  # the lock of the cap
ZEROES = bytes(64 * units.KIB)


class ImageCache:
    """The images in one folder, at most ``max_bytes`` of them.

    :param instances_dir: where the marks of the images in use are
    """

    def __init__(self, folder: Path, max_bytes: int, instances_dir: Path) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._instances = instances_dir

    def sweep(self) -> None:
        """Remove what interrupted downloads left."""
        self._folder.mkdir(parents=True, exist_ok=True)
        for part in self._folder.glob("*.part"):
            with self._try_lock(part.stem) as got:
                if got:
                    part.unlink(missing_ok=True)

    def hold(self, image: Image, mark: Path) -> Path:
        """Return the file of an image, downloaded now or before, and mark it as in use by the link ``mark``.

        :raises ImageRefused: its bytes are not what was declared.
        :raises HypervisorError: no space, or the download broke off.
        """
        if image.disk_format not in FORMATS:
            raise ImageRefused(image_id=image.id, reason=f"the format {image.disk_format} is not supported.")
        key = _key(image)
        path = self._folder / f"{key}.{image.disk_format}"
        with self._lock(key):
            if not path.exists():
                part = path.with_suffix(".part")
                with self._lock(ROOM):  # two downloads must not both take the last of it
                    self._make_room(image.size)
                    _reserve(part, image.size)
                self._download(image, part, path)
            os.utime(path)
            _link(mark, path)
        return path

    def size_of(self, path: Path) -> int:
        """Return the virtual size in bytes of a cached image."""
        with path.open("rb") as file:
            head = file.read(headers.HEADER_BYTES)
        return headers.virtual_size(path.suffix[1:], head, path.stat().st_size)

    # -- download ----------------------------------------------------------------------------------------

    def _download(self, image: Image, part: Path, path: Path) -> None:
        try:
            _receive(image, part)
            _verify(image, part)
            part.chmod(0o444)
            part.replace(path)
        except OSError as error:
            LOG.warning("image %s cannot be cached: %s", image.id, error)
            raise HypervisorError(reason=f"The host could not store image {image.id}: {error.strerror}.") from error
        finally:
            part.unlink(missing_ok=True)

    # -- room --------------------------------------------------------------------------------------------

    def _make_room(self, size: int) -> None:
        """Evict the images used longest ago until ``size`` bytes fit under the cap and on the disk."""
        used = {base.name for base in _marked(self._instances)}
        files = sorted(self._images(), key=lambda path: path.stat().st_mtime)
        total = sum(map(_allocated, files)) + sum(map(_length, self._folder.glob("*.part")))
        for path in files:
            if total + size <= self._max_bytes and self._free() >= size + SPARE_BYTES:
                return
            if path.name not in used:
                total -= self._evict(path)
        if total + size > self._max_bytes:
            raise HypervisorError(
                reason=f"The host's image cache is full: {units.human(total)} are in use, "
                f"{units.human(size)} more are needed, {units.human(self._max_bytes)} are allowed."
            )
        if self._free() < size + SPARE_BYTES:
            raise HypervisorError(reason=f"The host has no space for an image of {units.human(size)}.")

    def _evict(self, path: Path) -> int:
        """Remove an image nobody uses, unless it is being used this moment; return the bytes gained."""
        with self._try_lock(path.stem) as got:
            if not got or any(base.name == path.name for base in _marked(self._instances)):
                return 0
            gained = _allocated(path)
            path.unlink(missing_ok=True)
            (self._folder / f"{path.stem}.lock").unlink(missing_ok=True)
            LOG.info("evicted %s from the image cache", path.name)
            return gained

    def _images(self) -> Iterator[Path]:
        return (path for path in self._folder.iterdir() if path.suffix[1:] in FORMATS)

    def _free(self) -> int:
        return shutil.disk_usage(self._folder).free

    # -- locks -------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _lock(self, key: str) -> Iterator[None]:
        """Hold the lock of one image; a lock file that was removed while we waited is made anew."""
        while True:
            with self._lock_file(key) as handle:
                fcntl.flock(handle, fcntl.LOCK_EX)
                if self._is_current(key, handle):
                    yield
                    return

    @contextlib.contextmanager
    def _try_lock(self, key: str) -> Iterator[bool]:
        with self._lock_file(key) as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            yield self._is_current(key, handle)

    @contextlib.contextmanager
    def _lock_file(self, key: str) -> Iterator[int]:
        handle = os.open(self._folder / f"{key}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            yield handle
        finally:
            os.close(handle)

    def _is_current(self, key: str, handle: int) -> bool:
        try:
            return os.path.samestat(os.fstat(handle), (self._folder / f"{key}.lock").stat())
        except FileNotFoundError:
            return False


def _reserve(part: Path, size: int) -> None:
    """Make the file of a download, as long as it will be and without a block: others count its length."""
    with part.open("wb") as file:
        file.truncate(size)


def _key(image: Image) -> str:
    """A file name nobody chooses, another for other bytes."""
    words = "\n".join([image.id, image.disk_format, image.hash_algo or "", image.hash_value or ""])
    return hashlib.sha256(words.encode()).hexdigest()[:40]


def _link(mark: Path, path: Path) -> None:
    fresh = mark.with_name(mark.name + ".part")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(path)
    fresh.replace(mark)


def _marked(instances_dir: Path) -> set[Path]:
    return {mark.readlink() for mark in instances_dir.glob("*/base") if mark.is_symlink()}


def _allocated(path: Path) -> int:
    try:
        return path.stat().st_blocks * 512
    except FileNotFoundError:
        return 0


def _length(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _receive(image: Image, part: Path) -> None:
    """Write the image's bytes, checking size and hash on the way; runs of zeroes become holes."""
    digest = _digest(image)
    written = 0
    with part.open("r+b") as file:
        for chunk in _chunks(image):
            written += len(chunk)
            if written > image.size:
                raise ImageRefused(image_id=image.id, reason="it has more bytes than declared.")
            if digest:
                digest.update(chunk)
            _write_sparse(file, chunk)
        if written < image.size:
            raise HypervisorError(
                reason=f"The download of image {image.id} broke off after {written} of {image.size} bytes."
            )
        file.truncate(written)
        file.flush()
        os.fsync(file.fileno())
    if digest and digest.hexdigest() != (image.hash_value or "").lower():
        raise ImageRefused(image_id=image.id, reason=f"its {image.hash_algo} hash is not the declared one.")


def _chunks(image: Image) -> Iterator[bytes]:
    try:
        yield from image.read()
    except errors.IaasError:
        raise
    except Exception as error:
        LOG.warning("the download of image %s failed", image.id, exc_info=True)
        raise HypervisorError(reason=f"The image service did not deliver image {image.id}.") from error


def _digest(image: Image) -> hashlib._Hash | None:
    if not image.hash_algo:
        return None
    try:
        return hashlib.new(image.hash_algo, usedforsecurity=False)
    except ValueError:
        raise ImageRefused(image_id=image.id, reason=f"this host does not know the hash {image.hash_algo}.") from None


def _write_sparse(file: object, chunk: bytes) -> None:
    for start in range(0, len(chunk), len(ZEROES)):
        piece = chunk[start : start + len(ZEROES)]
        if piece == ZEROES:
            file.seek(len(piece), os.SEEK_CUR)  # type: ignore[attr-defined]
        else:
            file.write(piece)  # type: ignore[attr-defined]


def _verify(image: Image, part: Path) -> None:
    """Make sure the file is of its declared format and refers to no other file."""
    with part.open("rb") as file:
        head = file.read(headers.HEADER_BYTES)
    why = headers.objection(image.disk_format, head)
    if why:
        raise ImageRefused(image_id=image.id, reason=why)
    try:
        out = shell.run(
            ["qemu-img", "info", "-f", image.disk_format, "--output=json", part], timeout=60, limits=LIMITS
        ).out
    except shell.CommandFailed as error:
        LOG.warning("image %s: %s", image.id, error)
        raise ImageRefused(image_id=image.id, reason="it cannot be read.") from error
    info = json.loads(out)
    extra = info.get("format-specific", {}).get("data", {})
    named = [key for key in ("backing-filename", "full-backing-filename") if key in info]
    if named or "data-file" in extra or info.get("encrypted") or info.get("format") != image.disk_format:
        raise ImageRefused(image_id=image.id, reason="it refers to other files or is encrypted.")
    declared = headers.virtual_size(image.disk_format, head, image.size)
    if image.disk_format == "qcow2" and info["virtual-size"] != declared:
        raise ImageRefused(image_id=image.id, reason="its header is damaged.")
