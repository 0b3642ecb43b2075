"""Debian packages for the guest: chosen by apt, checked by its checksum, unpacked without installing."""

from __future__ import annotations

import hashlib
import re
import shlex
import tempfile
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from guest import host

# A key-only login server and a userland; apt adds the libraries they are linked with.
PROGRAMS = ("busybox-static", "dropbear-bin")


@dataclass(frozen=True)
class Package:
    """One .deb as apt would fetch it."""

    name: str
    version: str
    filename: str
    sha256: str


def real_kernel(package: str) -> str:
    """The image package behind a meta package such as linux-image-cloud-amd64; an image package is itself.

    :raises BuildError: apt does not know it.
    """
    if re.match(r"linux-image-\d", package):
        return package
    found = re.findall(r"^\s*Depends: (linux-image-\d\S*)", _depends(package), re.MULTILINE)
    if not found:
        raise host.BuildError(f"{package} is not a kernel meta package: it depends on no linux-image-<version>")
    return found[0]


def _depends(package: str, *options: str) -> str:
    try:
        return host.run(["apt-cache", "depends", "--important", *options, package])
    except host.BuildError as error:
        raise host.BuildError(f"apt knows no package {package}\n  type: apt-get update\n  ({error})") from error


def closure(names: tuple[str, ...]) -> list[str]:
    """`names` and everything they need at run time, sorted; virtual packages left out."""
    lines = [line for name in names for line in _depends(name, "--recurse").splitlines()]
    return sorted({line for line in lines if re.match(r"[a-z0-9]", line)})


def resolve(names: list[str]) -> list[Package]:
    """The versions apt would fetch now.

    :raises BuildError: apt has no candidate, or its lists are empty.
    """
    # In an empty folder: apt leaves out what the current one has already.
    try:
        with tempfile.TemporaryDirectory() as empty:
            listing = host.run(["apt-get", "download", "--print-uris", *names], cwd=Path(empty))
    except host.BuildError as error:
        raise host.BuildError(f"apt cannot fetch the packages\n  type: apt-get update\n  ({error})") from error
    packages = parse_uris(listing)
    silent = set(names) - {package.name for package in packages}
    if silent:
        raise host.BuildError(f"apt did not say where to fetch {', '.join(sorted(silent))}")
    return packages


def parse_uris(listing: str) -> list[Package]:
    """The packages in the output of `apt-get download --print-uris`."""
    packages = []
    for line in listing.splitlines():
        _uri, filename, _size, checksum = shlex.split(line)
        kind, _, digest = checksum.partition(":")
        if kind != "SHA256":
            raise host.BuildError(f"apt gives no SHA256 for {filename}, but {kind or 'nothing'}")
        name, version, _rest = filename.split("_")
        packages.append(Package(name, unquote(version), filename, digest))
    return sorted(packages, key=lambda package: package.name)


def fetch(packages: list[Package], store: Path) -> int:
    """Make `store` hold every package, checked; returns how many had to be downloaded."""
    store.mkdir(parents=True, exist_ok=True)
    absent = [package for package in packages if not _is_good(package, store)]
    if absent:
        # As root apt would drop to user _apt, who may not write here: it warns and does it as root anyway.
        user = ["-o", "APT::Sandbox::User=root"]
        host.run(["apt-get", "-q", *user, "download", *[f"{p.name}={p.version}" for p in absent]], cwd=store)
    broken = [package.filename for package in absent if not _is_good(package, store)]
    if broken:
        raise host.BuildError(f"downloaded, but not what apt promised: {', '.join(broken)} (in {store})")
    return len(absent)


def _is_good(package: Package, store: Path) -> bool:
    path = store / package.filename
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == package.sha256


def unpack(packages: list[Package], store: Path, tree: Path) -> None:
    """Lay the files of the packages out under `tree`."""
    tree.mkdir(parents=True)
    for package in packages:
        host.run(["dpkg-deb", "-x", store / package.filename, tree])
