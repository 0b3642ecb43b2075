"""How the C library keeps memory: a large block is given back when it is freed, whichever thread had it.

glibc raises its threshold for mapped blocks each time a large one is freed, and then keeps such blocks in an arena
per thread: hashing passwords at 19 MiB each on 24 native threads would leave 450 MB behind.
"""

from __future__ import annotations

import contextlib
import ctypes

M_MMAP_THRESHOLD, M_ARENA_MAX = -3, -8


def settle() -> None:
    """Fix the threshold at 1 MiB and the arenas at four; does nothing on another C library."""
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        libc.mallopt(M_MMAP_THRESHOLD, 1 << 20)
        libc.mallopt(M_ARENA_MAX, 4)
