"""What an operator may choose about libvirt hosts, as plain values."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class LibvirtSettings:
    """How this host runs its guests.

    :param instances_dir: a folder for each guest; :param cache_dir: downloaded images
    :param uri: where libvirt listens; not used with ``private_dir``
    :param virt_type: ``kvm``, ``qemu``, or ``auto``: the first of the two that runs a self-test guest
    :param cache_max_gb: how much the image cache may hold; images that guests use are never evicted
    :param qemu_user: who owns the guests' disks, as ``user`` in ``qemu.conf``
    :param cpu_mode: empty for the hypervisor's default, else ``host-model`` or ``maximum``
    :param disk_cache: ``none`` needs a file system with O_DIRECT
    :param max_log_kb: a guest's console log is cut to half of this when it is larger
    :param private_dir: start a libvirtd of our own that keeps its state here
    :param netns: the network namespace in which the private libvirtd runs
    :param selftest_seconds: how long a self-test guest under KVM may be silent
    """

    instances_dir: Path
    cache_dir: Path
    uri: str = "qemu:///system"
    virt_type: str = "auto"
    hostname: str = ""
    cache_max_gb: int = 50
    qemu_user: str = "libvirt-qemu"
    machine: str = "pc"
    cpu_mode: str = ""
    disk_cache: str = "writeback"
    max_log_kb: int = 4096
    private_dir: Path | None = None
    netns: str | None = None
    selftest_seconds: float = 5.0
