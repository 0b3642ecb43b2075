"""The end of an embedded cloud: its guests, its networks, its daemons and its folder, all gone from this host.

python -m iaas.cmd.destroy DIR        or: make cloud-destroy
"""

from __future__ import annotations

import argparse
import logging
import shutil
import sys
from pathlib import Path

from iaas.cmd import embedded
from iaas.common import conf, errors, log

LOG = logging.getLogger(__name__)


def destroy(state_dir: Path) -> int:
    """Remove everything and return how many guests there were.

    :raises Conflict: the cloud runs.
    :raises Invalid: the folder is not a cloud's.
    """
    file = state_dir / "iaas.conf"
    if not file.exists():
        raise errors.Invalid(reason=f"{state_dir} is not the folder of a cloud: it has no iaas.conf.")
    embedded.lock(state_dir)
    settings = conf.load([file])
    from iaas.compute import manager as compute
    from iaas.network import manager as network

    networks = network.driver_from(settings)
    networks.start_host()
    hypervisor = compute.driver_from(settings)
    hypervisor.start_host()
    guests = hypervisor.guests()
    for guest_id in guests:
        hypervisor.destroy(guest_id)
    hypervisor.stop_host()
    networks.remove_all()
    shutil.rmtree(state_dir)
    return len(guests)


def main() -> None:
    parser = argparse.ArgumentParser(description="remove an embedded cloud from this host, with all it holds")
    parser.add_argument("state_dir", type=Path)
    args = parser.parse_args()
    log.setup("error")
    try:
        count = destroy(args.state_dir.resolve())
    except errors.IaasError as error:
        sys.exit(f"iaas: {error}")
    print(f"removed {args.state_dir}: {count} guests, their disks, networks and images")


if __name__ == "__main__":
    main()
