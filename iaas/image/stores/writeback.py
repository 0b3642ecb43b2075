"""Early writing: ask the kernel to begin writing what a file just got, so that the final fsync is short.

Source: sync_file_range(2).  Without it the kernel gathers for up to 30 s, and fsync writes a whole image at once.
"""

from __future__ import annotations

import contextlib
import ctypes
from typing import Any

_BEGIN = 2  # SYNC_FILE_RANGE_WRITE: begin to write dirty pages, wait for none


def _sync_file_range() -> Any:
    with contextlib.suppress(OSError, AttributeError):
        function = ctypes.CDLL(None).sync_file_range
        function.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)
        return function
    return None


_call = _sync_file_range()


def begin(fd: int, offset: int, size: int) -> None:
    """Begin to write ``size`` bytes from ``offset`` on to the disk.

    It is a hint: what it could not do, and every error of the disk, shows at fsync.
    """
    if _call is not None:
        _call(fd, offset, size, _BEGIN)
