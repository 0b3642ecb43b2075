"""The embedded cloud: everything it owns is one folder, made and filled when it is empty.

    DIR/iaas.conf      the configuration of this cloud, with its secrets (0600)
    DIR/openrc, DIR/clouds.yaml, DIR/ec2rc    how to be its administrator
    DIR/*.sqlite, DIR/images, DIR/compute, DIR/network, DIR/volumes, DIR/*-keys

Runs in a process of its own (``python -m iaas.cmd.embedded``), so that what only first starts need (alembic,
password hashing) is not in the memory of the cloud.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import os
import sys
from pathlib import Path

from iaas.cmd import setup
from iaas.common import errors, log
from iaas.db import migrate


def prepare(state_dir: Path, port_offset: int, driver: str) -> Path:
    """Make or complete the cloud in ``state_dir`` and return its configuration file."""
    state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    secrets = setup.secrets(state_dir)
    tag = hashlib.sha256(str(state_dir).encode()).hexdigest()[:6]
    libvirt = driver == "libvirt"
    values = {
        **setup.common_values(state_dir, port_offset, secrets),
        "compute.host": "embedded",
        "compute.driver": driver,
        "compute.libvirt_private_dir": state_dir / "libvirt" if libvirt else "",
        "compute.libvirt_namespace": f"iaas-{tag}" if libvirt else "",
        "network.driver": "flat" if libvirt else "fake",
        "network.namespace": f"iaas-{tag}",
    }
    setup.prepare(state_dir, values, secrets)
    return state_dir / "iaas.conf"


def lock(state_dir: Path) -> int:
    """Take the folder for this process.

    :raises Conflict: another cloud runs in it.
    """
    state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(state_dir / "lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise errors.Conflict(reason=f"Another iaas-all runs in {state_dir}; stop it, or use another folder.") from None
    return descriptor


def is_current(state_dir: Path, port_offset: int, driver: str) -> bool:
    """Whether the cloud in ``state_dir`` was prepared by this release for these ports and this driver."""
    mark = state_dir / ".prepared"
    return mark.exists() and mark.read_text() == fingerprint(port_offset, driver)


def fingerprint(port_offset: int, driver: str) -> str:
    heads = [migrate.head(name) for name in migrate.DATABASES]
    source = hashlib.sha256(b"".join(Path(file).read_bytes() for file in (__file__, setup.__file__))).hexdigest()
    return f"{port_offset} {driver} {heads} {source}\n"


def main() -> None:
    os.umask(0o077)
    parser = argparse.ArgumentParser(description="prepare the embedded cloud of a folder")
    parser.add_argument("state_dir", type=Path)
    parser.add_argument("port_offset", type=int)
    parser.add_argument("driver")
    args = parser.parse_args()
    log.setup("warning")
    try:
        prepare(args.state_dir, args.port_offset, args.driver)
    except errors.IaasError as error:
        sys.exit(f"iaas-all: {error}")
    setup.write(args.state_dir / ".prepared", fingerprint(args.port_offset, args.driver))


if __name__ == "__main__":
    main()
