"""How the C library keeps memory: one heap, and large blocks kept for the next one that needs them.

glibc makes a heap for every thread and keeps freed blocks of up to 32 MiB in it: hashing passwords at 19 MiB each on
24 native threads would leave 450 MB behind.  Mapping each block anew instead costs 8 ms of page faults a password.
One heap costs neither: what runs in Python takes turns anyway.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
MIB = 1 << 20


def settle() -> None:
    """Fix the thresholds and the number of heaps; does nothing on another C library."""
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        libc.mallopt(M_ARENA_MAX, 1)
        libc.mallopt(M_MMAP_THRESHOLD, 32 * MIB)
        libc.mallopt(M_TRIM_THRESHOLD, 48 * MIB)


def keep_start_up() -> None:
    """Have the collector not look again at what start-up made, as that stays."""
    gc.collect()
    gc.freeze()
    # an answer of 1,000 servers was looked through twelve times while it was made; 0.5 MB more wait for their end
    gc.set_threshold(10_000, 10, 10)


def tidy() -> None:
    """Collect what refers to itself, and give pages that nothing is in back to the system: some milliseconds.

    A daemon with little to do would keep the first for hours, and one with much the second for ever.
    """
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
