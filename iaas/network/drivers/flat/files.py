"""Files that are there whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path


def write(path: Path, text: str, *, mode: int = 0o644) -> None:
    """Put a text in place of what the file held; a crash leaves the old or the new."""
    partial = path.with_name(path.name + ".new")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, mode)
    with open(descriptor, "w", encoding="utf-8") as file:  # noqa: PTH123  the descriptor refuses links
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    partial.rename(path)


def change(path: Path, text: str) -> bool:
    """Write the file if it holds something else, and say whether it did."""
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return False
    write(path, text)
    return True
