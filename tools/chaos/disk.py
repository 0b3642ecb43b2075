"""Full disks: the image store, the folder of a host's guests and a database on small file systems of their own.

A lab for these has tmpfs mounted below its folder before anything starts (:func:`mounts`); that needs root.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tools.chaos.cases import Breach, Case, Facts, Say
from tools.chaos.lab import Lab, until
from tools.chaos.load import Load, running_load

SIZE = "64m"
IMAGES, GUESTS, DATABASE = "images", "node1", "db"
REFUSALS = {413, 503, 507}


class CannotMount(Exception):
    """Small file systems cannot be mounted here; the text says why."""


@contextlib.contextmanager
def mounts(folder: Path, database: str) -> Iterator[dict[str, str]]:
    """Small file systems for the duration of the block; yields the options of a cluster that uses them.

    :raises CannotMount: not root, or not allowed to.
    """
    mounted: list[Path] = []
    try:
        for name in (IMAGES, GUESTS, DATABASE):
            path = folder / name
            path.mkdir(parents=True, exist_ok=True)
            done = subprocess.run(
                ["mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=0755", "iaas-chaos", str(path)],
                capture_output=True, text=True, check=False,
            )  # fmt: skip
            if done.returncode:
                raise CannotMount(f"NO SMALL FILE SYSTEMS ON THIS MACHINE, {done.stderr.strip()}")
            mounted.append(path)
        yield {"database.url": f"sqlite:///{folder / DATABASE}/controller.sqlite"} if database == "sqlite" else {}
    finally:
        for path in reversed(mounted):
            subprocess.run(["umount", "-l", str(path)], check=False)


@contextlib.contextmanager
def _full(folder: Path, leave: int = 0) -> Iterator[None]:
    """Fill a file system but for ``leave`` bytes, for the duration of the block."""
    filler = folder / "chaos-filler"
    piece = b"\0" * 65536
    with filler.open("wb", buffering=0) as out:
        with contextlib.suppress(OSError):
            while True:
                out.write(piece)
        if leave:
            out.truncate(max(0, out.tell() - leave))
    try:
        yield
    finally:
        filler.unlink()


def images(lab: Lab, say: Say) -> Facts:
    """An upload larger than what is left is refused, leaves no file, and succeeds when there is room."""
    store, client = lab.cluster.folder / IMAGES, lab.client
    before = _files(store)
    made = client.insist("POST", "image", "/images", {"name": "big", "disk_format": "raw", "container_format": "bare"})
    path, data = f"/images/{made['id']}/file", os.urandom(16 << 20)
    with _full(store, leave=1 << 20):
        say("the image store is full")
        status, answer = client.ask("PUT", "image", path, data=data, allowed=frozenset(REFUSALS))
        if status not in REFUSALS:
            raise Breach(f"an upload into a full store was answered {status} {answer}")
        left = _files(store) - before - {"chaos-filler"}
        if left:
            raise Breach(f"a refused upload left {sorted(left)}")
        shown = client.insist("GET", "image", f"/images/{made['id']}")
        if shown["status"] != "queued":
            raise Breach(f"the image is {shown['status']} after a refused upload")
    client.insist("PUT", "image", path, data=data)
    client.insist("DELETE", "image", f"/images/{made['id']}")
    until(lambda: not _files(store) - before, 30, "the bytes of a deleted image are gone")
    return {"refused with": status}


def _files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def guests(lab: Lab, say: Say) -> Facts:
    """A host without room for guests: requests end in servers or in reasons, and work goes on when there is room."""
    with Load(lab) as load:
        running_load(lab, load)
        with _full(lab.cluster.folder / GUESTS):
            say("the disk of host 1 is full")
            running_load(lab, load, servers=10)
        running_load(lab, load)
    return {}


def database(lab: Lab, say: Say) -> Facts:
    """SQLite without room refuses with 503, keeps every promise, and takes work again when there is room."""
    with Load(lab) as load:
        running_load(lab, load)
        seen = lab.book.seen.copy()
        with _full(lab.cluster.folder / DATABASE):
            say("the database's disk is full")
            until(lambda: (lab.book.seen - seen)[503] >= 5, 60, "requests are refused with 503")
        running_load(lab, load)
    return {"refused": (lab.book.seen - seen)[503]}


def cases(long: bool, kind: str) -> list[Case]:
    if kind == "sqlite":
        return [Case("disk", "database full", database)]
    return [Case("disk", "image store full", images), Case("disk", "a host's disk full", guests)]
