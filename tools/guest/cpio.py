"""An initramfs archive written without root: cpio "newc", owners and device nodes as we say.

Format: https://docs.kernel.org/driver-api/early-userspace/buffer-format.html
"""

from __future__ import annotations

import stat
from pathlib import Path

from guest import host

CONSOLE = (5, 1)
_FIELDS = 13


class Archive:
    """Entries in the order they are added; everything belongs to root and has the same date."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._count = 0

    def add_tree(self, root: Path) -> None:
        """Add all under `root`, parents first, in the order of their names."""
        for path in sorted(root.rglob("*")):
            name, mode = str(path.relative_to(root)), path.lstat().st_mode
            if stat.S_ISLNK(mode):
                self.add(name, stat.S_IFLNK | 0o777, str(path.readlink()).encode())
            elif stat.S_ISDIR(mode):
                self.add(name, stat.S_IFDIR | stat.S_IMODE(mode))
            elif stat.S_ISREG(mode):
                self.add(name, stat.S_IFREG | stat.S_IMODE(mode), path.read_bytes())
            else:
                raise host.BuildError(f"{path} is neither file, directory nor link")

    def add_device(self, name: str, major: int, minor: int, mode: int = 0o600) -> None:
        """Add a character device."""
        self.add(name, stat.S_IFCHR | mode, device=(major, minor))

    def add(self, name: str, mode: int, data: bytes = b"", *, device: tuple[int, int] = (0, 0)) -> None:
        """Add one entry of any kind; `mode` includes the type bits."""
        self._count += 1
        links = 2 if stat.S_ISDIR(mode) else 1
        self._parts.append(_entry(self._count, mode, links, name, data, device))

    def finish(self) -> bytes:
        """The whole archive."""
        return b"".join([*self._parts, _entry(0, 0, 1, "TRAILER!!!", b"", (0, 0))])


def _entry(inode: int, mode: int, links: int, name: str, data: bytes, device: tuple[int, int]) -> bytes:
    raw_name = name.encode() + b"\0"
    date = host.EPOCH if inode else 0
    fields = (inode, mode, 0, 0, links, date, len(data), 0, 0, *device, len(raw_name), 0)
    assert len(fields) == _FIELDS
    head = b"070701" + b"".join(b"%08X" % field for field in fields) + raw_name
    return _padded(head) + _padded(data)


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)
