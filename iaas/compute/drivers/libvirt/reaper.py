"""Runs a program and takes in the processes it leaves behind, so that each is gone when it ends.

Guests are orphans: libvirtd lets go of them so that they outlive it.  Process 1 should collect them, but in
containers and small virtual machines it often looks only every few seconds, and libvirt waits for that at
each destroy.  This small parent adopts them instead, and ends when the last one has.

Run by path, with nothing but the standard library: ``python -I -S reaper.py PROGRAM ARGUMENT...``
"""

from __future__ import annotations

import ctypes
import os
import sys

PR_SET_CHILD_SUBREAPER = 36


def main(argv: list[str]) -> int:
    """Run ``argv`` and return its exit code, after the last of its descendants has ended."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")
    first = os.posix_spawnp(argv[0], argv, os.environ)
    code = 1
    while True:
        try:
            pid, status = os.wait()
        except ChildProcessError:
            return code
        if pid == first:
            code = os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
