"""Programs of the build machine: are they there, and running one so that its failure can be read."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

# Inputs of the same version give the same bytes: every tool that writes a date is told this one (2024-01-01).
EPOCH = 1704067200
ENVIRONMENT = {
    "LC_ALL": "C",
    "TZ": "UTC",
    "SOURCE_DATE_EPOCH": str(EPOCH),
    "E2FSPROGS_FAKE_TIME": str(EPOCH),
    "MTOOLS_SKIP_CHECK": "1",
}
SBIN = "/usr/sbin:/sbin"

MBR = Path("/usr/lib/syslinux/mbr/mbr.bin")
# What must be there -> the apt package that brings it.
NEEDED: Mapping[str, str] = {
    "apt-get": "apt",
    "dpkg-deb": "dpkg",
    "depmod": "kmod",
    "mcopy": "mtools",
    "mkfs.vfat": "dosfstools",
    "mke2fs": "e2fsprogs",
    "syslinux": "syslinux",
    str(MBR): "syslinux-common",
    "qemu-img": "qemu-utils",
}


class BuildError(Exception):
    """The guest cannot be built; the message says what to do about it."""


def find(program: str) -> str | None:
    """The path of `program`, looked for in the administrator's directories too."""
    return shutil.which(program, path=f"{os.environ.get('PATH', os.defpath)}:{SBIN}")


def check_needed(needed: Mapping[str, str] = NEEDED) -> None:
    """Return if every tool is there.

    :raises BuildError: names each missing tool and the command that installs its package.
    """
    missing = {name: package for name, package in needed.items() if find(name) is None and not _is_data(name)}
    if missing:
        names = ", ".join(sorted(missing))
        packages = " ".join(sorted(set(missing.values())))
        raise BuildError(f"missing: {names}\n  type: apt-get install --no-install-recommends {packages}")


def _is_data(name: str) -> bool:
    return name.startswith("/") and os.access(name, os.R_OK)


def run(argv: Iterable[str | Path], *, cwd: Path | None = None) -> str:
    """What the program printed.

    :raises BuildError: it failed; carries the command and the end of what it said.
    """
    words = [str(word) for word in argv]
    path = f"{os.environ.get('PATH', os.defpath)}:{SBIN}"
    done = subprocess.run(
        words,
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **ENVIRONMENT, "PATH": path},
    )
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip() or "no output")[-2000:]
        raise BuildError(f"{' '.join(words)}\n  ended with {done.returncode}: {said}")
    return done.stdout
