#!/usr/bin/env python3
"""Build a tiny Linux guest out of Debian packages: cloud kernel, busybox, dropbear.

No root, loop device or mount is needed, only apt with its lists (`apt-get update`) and a few tools; what is
missing is named.  Once built, a second run returns at once until this recipe changes; `--force` asks apt for news.

    tools/build_guest.py OUTDIR      guest.qcow2, guest-vmlinuz, guest-initrd, guest.manifest
    qemu-system-x86_64 -m 96 -nographic -drive file=OUTDIR/guest.qcow2,if=virtio
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import gzip
import hashlib
import json
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from guest import disk, host, packages, rootfs

KERNEL = "linux-image-cloud-amd64"
CMDLINE = "console=tty0 console=ttyS0 quiet panic=5 net.ifnames=0 edd=off"
OUTPUTS = ("guest.qcow2", "guest-vmlinuz", "guest-initrd")
MANIFEST = "guest.manifest"
STEPS = 6


def recipe() -> str:
    """A checksum of everything of ours that decides what comes out."""
    here = Path(__file__).parent
    digest = hashlib.sha256()
    for path in sorted([Path(__file__), *(here / "guest").rglob("*")]):
        if path.is_file() and "__pycache__" not in path.parts:
            digest.update(f"{path.relative_to(here)} {path.stat().st_mode & 0o100}\n".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


def is_current(out: Path, kernel: str) -> bool:
    """Whether `out` holds the complete, undamaged output of this very recipe."""
    try:
        manifest = json.loads((out / MANIFEST).read_text())
        wanted = manifest["recipe"], manifest["kernel_package"]
        sums = manifest["files"]
    except (OSError, ValueError, KeyError, TypeError):
        return False
    if wanted != (recipe(), kernel) or set(sums) != set(OUTPUTS):
        return False
    return all((out / name).is_file() and _sha256(out / name) == sums[name]["sha256"] for name in OUTPUTS)


def build(out: Path, work: Path, kernel_package: str) -> None:
    """Leave the guest in `out`; each file is replaced in one go, so a running guest keeps its own.

    :raises BuildError: something is missing or failed; nothing in `out` has changed.
    """
    _progress(1, "checking the tools of this machine")
    host.check_needed()
    tree, root, made = work / "tree", work / "root", work / "made"
    for directory in (tree, root, made):
        shutil.rmtree(directory, ignore_errors=True)
    made.mkdir(parents=True)

    _progress(2, f"asking apt for {kernel_package}, {', '.join(packages.PROGRAMS)}")
    image = packages.real_kernel(kernel_package)
    chosen = packages.resolve([image, *packages.closure(packages.PROGRAMS)])
    count = packages.fetch(chosen, work / "packages")

    _progress(3, f"unpacking the kernel and {len(chosen) - 1} packages ({count} downloaded)")
    packages.unpack(chosen, work / "packages", tree)
    kernel = _kernel_version(tree)

    _progress(4, f"packing the initramfs for {kernel}")
    modules = rootfs.lay_out(tree, kernel, root)
    vmlinuz, initrd = made / "guest-vmlinuz", made / "guest-initrd"
    shutil.copyfile(tree / "boot" / f"vmlinuz-{kernel}", vmlinuz)
    initrd.write_bytes(gzip.compress(rootfs.pack(root), compresslevel=9, mtime=0))

    _progress(5, "making the disk")
    disk.build(vmlinuz, initrd, CMDLINE, work, made / "guest.qcow2")

    _progress(6, f"moving everything to {out}")
    manifest: dict[str, Any] = {
        "recipe": recipe(),
        "kernel_package": kernel_package,
        "kernel": kernel,
        "cmdline": CMDLINE,
        "drivers": modules,
        "packages": {package.name: package.version for package in chosen},
        "files": {name: _facts(made / name) for name in OUTPUTS},
    }
    (made / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n")
    for name in (*OUTPUTS, MANIFEST):  # the manifest last: it vouches for the others
        _replace(made / name, out / name)
    for directory in (tree, root, made):
        shutil.rmtree(directory)


def _kernel_version(tree: Path) -> str:
    versions = [path.name for path in (tree / "lib/modules").iterdir()]
    if len(versions) != 1:
        raise host.BuildError(f"expected one kernel in the packages, found {versions}")
    return versions[0]


def _facts(path: Path) -> dict[str, Any]:
    return {"sha256": _sha256(path), "bytes": path.stat().st_size}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _replace(source: Path, target: Path) -> None:
    """Put `source` in the place of `target`, also across file systems, never half of it."""
    fresh = target.with_name(f".{target.name}.new")
    shutil.copyfile(source, fresh)
    fresh.replace(target)


def _progress(step: int, what: str) -> None:
    print(f"[{step}/{STEPS}] {what} ...", flush=True)


@contextlib.contextmanager
def _alone(out: Path) -> Iterator[None]:
    """Hold `out`: a second builder waits here, and then finds everything done."""
    with (out / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def main(argv: list[str] | None = None) -> int:
    """The exit status: 0 built or there already, 1 not built."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", metavar="OUTDIR", type=Path, help="where the guest goes")
    parser.add_argument("--work", metavar="DIR", type=Path, help="scratch and downloads (OUTDIR/work)")
    parser.add_argument("--kernel", metavar="PACKAGE", default=KERNEL, help="kernel package (%(default)s)")
    parser.add_argument("--force", action="store_true", help="build even if it is there already")
    options = parser.parse_args(argv)
    out, work = options.out.resolve(), (options.work or options.out / "work").resolve()
    started = time.monotonic()
    try:
        out.mkdir(parents=True, exist_ok=True)
        with _alone(out):
            if not options.force and is_current(out, options.kernel):
                print(f"the guest is in {out} already")
                return 0
            build(out, work, options.kernel)
    except (host.BuildError, OSError) as error:
        print(f"the guest was not built: {error}", file=sys.stderr)
        return 1
    sizes = ", ".join(f"{name} {(out / name).stat().st_size / disk.MIB:.1f} MiB" for name in OUTPUTS)
    print(f"built in {time.monotonic() - started:.1f} s: {sizes}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
