"""Console logs: QEMU appends to a file that the guest's restarts do not truncate.

A guest can write without end, so :func:`trim` keeps the file small.  The file is never followed through a link.
"""

from __future__ import annotations

import os
from pathlib import Path


def tail(path: Path, max_bytes: int) -> bytes:
    """Return the last ``max_bytes`` of a log, or nothing if there is no log yet."""
    if max_bytes <= 0:
        return b""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return b""
    try:
        size = os.fstat(handle).st_size
        return os.pread(handle, max_bytes, max(0, size - max_bytes))
    finally:
        os.close(handle)


def trim(path: Path, max_bytes: int) -> bool:
    """Cut a log that is larger than ``max_bytes`` to its last half of that; say whether it was.

    QEMU has it open for appending, so it goes on at the new end; what it writes in between is lost.
    """
    try:
        handle = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        size = os.fstat(handle).st_size
        if size <= max_bytes:
            return False
        kept = os.pread(handle, max_bytes // 2, size - max_bytes // 2)
        os.ftruncate(handle, 0)
        os.pwrite(handle, kept, 0)
        return True
    finally:
        os.close(handle)
