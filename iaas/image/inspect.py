"""The image inspector: decides from the first and last bytes of a stream whether an image may come in.

It reads headers only, in pure Python, and keeps at most 1 MiB of them.  No tool of the host sees an image
before it has passed here, because tools follow what a header names: a backing file, a data file, an extent.
The format is the one that was declared; it is never guessed, only checked.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from iaas.common import units
from iaas.image.formats import ImageRejected, qcow2, signatures

__all__ = ["ACCEPTED", "UNSUPPORTED", "ImageRejected", "Inspector", "Verdict"]

ACCEPTED = ("raw", "qcow2", "iso", "aki", "ari", "ami")
UNSUPPORTED = ("vmdk", "vhd", "vhdx", "vdi", "qed", "luks", "ploop")
HEAD_LIMIT = units.MIB


@dataclass(frozen=True)
class Verdict:
    """An accepted image: its format, and the bytes a disk made of it has."""

    disk_format: str
    virtual_size: int


class Inspector:
    """Looks at one image while it streams by, and refuses it as early as it can.

    :raises ImageRejected: from the constructor, ``feed`` or ``finish``; a refusal stands, whatever follows.
    """

    def __init__(self, declared: str) -> None:
        if declared in UNSUPPORTED:
            raise ImageRejected(reason=f"disk format {declared} is not supported; convert it to qcow2 or raw")
        if declared not in ACCEPTED:
            raise ImageRejected(reason="the disk format is unknown; use one of " + ", ".join(ACCEPTED))
        self._declared = declared
        self._seen = 0
        self._head = bytearray()
        self._tail = b""
        self._qcow2: qcow2.Header | None = None
        # What is still to check, each as soon as so many bytes are here
        self._steps: list[tuple[int, Callable[[], None]]] = [
            (signatures.FIRST, self._check_first),
            (signatures.LATE, self._check_signatures),
        ]

    def feed(self, chunk: bytes | memoryview) -> None:
        """Take the next bytes."""
        size = len(chunk)
        self._seen += size
        self._tail = bytes(chunk[-signatures.TAIL :]) if size >= signatures.TAIL else self._tail_and(chunk)
        if not self._steps:
            return
        self._head += chunk[: HEAD_LIMIT - len(self._head)]
        while self._steps and len(self._head) >= self._steps[0][0]:
            self._run_step()
        if not self._steps:
            self._head = bytearray()

    def finish(self, size: int) -> Verdict:
        """Return the verdict on the whole image, which should have ``size`` bytes."""
        if size != self._seen:
            raise ImageRejected(reason=f"{self._seen} bytes came, but {size} were announced")
        while self._steps:
            self._run_step()
        self._refuse(signatures.at_tail(self._tail))
        if self._qcow2 is None:
            return Verdict(self._declared, size)
        qcow2.check_bounds(self._qcow2, size)
        return Verdict(self._declared, self._qcow2.virtual_size)

    def _tail_and(self, chunk: bytes | memoryview) -> bytes:
        return (self._tail + bytes(chunk))[-signatures.TAIL :]

    def _run_step(self) -> None:
        self._steps[0][1]()
        self._steps.pop(0)  # only now: a step that refused must refuse again

    def _check_first(self) -> None:
        found = signatures.at_head(self._head)
        if self._declared != "qcow2":
            self._refuse(found)
            return
        if "qcow2" not in found:
            raise ImageRejected(reason="it is declared qcow2 but is not")
        self._refuse(found)
        if signatures.has_mbr(self._head):
            raise ImageRejected(reason="it is declared qcow2 but also carries a boot record")
        self._qcow2 = header = qcow2.parse(self._head)
        needed = min(header.extensions_end, HEAD_LIMIT)
        self._steps.append((needed, self._check_extensions))
        self._steps.sort(key=lambda step: step[0])  # a stable sort: the running step stays first

    def _check_extensions(self) -> None:
        if self._qcow2 is not None:
            qcow2.check_extensions(self._qcow2, self._head)

    def _check_signatures(self) -> None:
        found = signatures.at_head(self._head)
        self._refuse(found)
        if self._declared == "iso" and "iso" not in found:
            raise ImageRejected(reason="it is declared iso but is not an ISO 9660 file system")

    def _refuse(self, found: set[str]) -> None:
        """Refuse an image that looks like any format but the declared one."""
        others = sorted(found - {self._declared})
        if others:
            reason = f"it is declared {self._declared} but carries the signature of {others[0]}"
            raise ImageRejected(reason=reason)
