"""Who a worker's host is: an id kept in the worker's state folder, and a lock that only one process can hold.

A host that is renamed keeps its id, so that it can never be taken for a new, empty one.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from iaas.common import errors, runtime


class HostTaken(errors.IaasError):
    kind = errors.Kind.CONFLICT
    template = "Another {binary} serves {folder} already; stop it before starting this one."


class HostIdentity:
    """The id of this host, locked for this process."""

    def __init__(self, state_dir: Path, binary: str) -> None:
        """:raises HostTaken: another process serves the same folder."""
        state_dir.mkdir(parents=True, exist_ok=True)
        path = state_dir / "host-id"
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._file)
            raise HostTaken(binary=binary, folder=state_dir) from None
        text = os.read(self._file, 64).decode().strip()
        if not text:
            text = runtime.uuid()
            os.write(self._file, text.encode() + b"\n")
            os.fsync(self._file)
        self.id = text

    def release(self) -> None:
        """Let another process be this host."""
        os.close(self._file)
