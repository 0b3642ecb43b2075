"""The folder of a guest on its host: disk, config drive, console.

``<instances_dir>/<id>/`` holds ``disk`` (a qcow2 overlay), ``base`` (a link to the cached image under it),
``config.iso`` and ``console.log``.  It is root's; the guest's process owns only the files it
writes, so it cannot put a link in their place.
"""

from __future__ import annotations

import os
import pwd
import re
import shutil
from pathlib import Path

from iaas.common import shell, units
from iaas.compute.driver import DiskTooSmall, Guest, HypervisorError, Image
from iaas.compute.drivers.libvirt import xml
from iaas.compute.drivers.libvirt.imagecache import LIMITS, ImageCache

ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
SOCKETS = Path("/run/iaas")  # short: a Unix socket's path has at most 107 bytes


class InstanceFolder:
    """The files of one guest.

    :raises HypervisorError: the id is not a UUID.
    """

    def __init__(self, instances_dir: Path, guest_id: str, owner: str) -> None:
        if not ID.fullmatch(guest_id):
            raise HypervisorError(reason=f"{guest_id!r} is not an instance id.")
        self.path = instances_dir / guest_id
        self.guest_id = guest_id
        self.disk = self.path / "disk"
        self.base = self.path / "base"
        self.config_drive = self.path / "config.iso"
        self.log = self.path / "console.log"
        self.serial = SOCKETS / "serial" / f"{guest_id}.sock"  # made by libvirt
        self.screen = SOCKETS / "vnc" / f"{guest_id}.sock"  # made by the guest's process
        self._owner = owner

    def make(self, guest: Guest, image: Image | None, config_drive: bytes | None, cache: ImageCache) -> None:
        """Make what the guest lacks. What is there is kept, the config drive aside, which is written anew."""
        _check_size(guest, image)
        existed = self.path.exists()
        self.path.mkdir(parents=True, exist_ok=True)
        self.path.chmod(0o711)
        try:
            if not self.disk.exists() and (image or guest.disk_gb):
                self._make_disk(guest, image, cache)
            if config_drive is not None:
                self._put(self.config_drive, config_drive)
        except OSError as error:
            raise HypervisorError(
                reason=f"The host could not store the disks of {self.guest_id}: {error.strerror}."
            ) from error
        finally:
            for part in self.path.glob("*.part"):
                part.unlink(missing_ok=True)
            if not existed and not self.disk.exists() and not self.config_drive.exists():
                self.base.unlink(missing_ok=True)
                self.path.rmdir()

    def check(self, guest: Guest) -> None:
        """Make sure that all the guest needs is there.

        :raises HypervisorError: the disk or the config drive is missing.
        """
        if (guest.image_id or guest.disk_gb) and not self.disk.exists():
            raise HypervisorError(reason=f"Guest {self.guest_id} has no disk on this host.")
        if guest.config_drive and not self.config_drive.exists():
            raise HypervisorError(reason=f"Guest {self.guest_id} has no config drive on this host.")

    def ready(self, guest: Guest) -> None:
        """Make the folder fit for a start: all is there, and the console log can be written.

        :raises HypervisorError: the disk or the config drive is missing.
        """
        self.check(guest)
        self.path.mkdir(exist_ok=True)
        self.path.chmod(0o711)
        os.close(os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o600))
        self._own(self.log, 0o600)
        self._make_sockets()

    def described(self) -> xml.Disk | None:
        """Return the disk as the domain XML names it: the base by the link, its format by its name."""
        if not self.disk.exists():
            return None
        if not self.base.is_symlink():
            return xml.Disk(self.disk)
        base = self.base.readlink()
        return xml.Disk(self.disk, base, base.suffix[1:])

    def remove(self) -> None:
        """Remove the folder and the consoles' sockets, if they are there."""
        self.serial.unlink(missing_ok=True)
        self.screen.unlink(missing_ok=True)
        if self.path.exists():
            shutil.rmtree(self.path)

    def _make_sockets(self) -> None:
        """Make the places of the consoles' sockets: root's, and one the guest's process may make its own in."""
        for socket in (self.serial, self.screen):
            socket.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            socket.unlink(missing_ok=True)
        if os.geteuid() == 0:
            SOCKETS.chmod(0o711)  # the guest's process passes through
            self._own(self.screen.parent, 0o700)

    def _make_disk(self, guest: Guest, image: Image | None, cache: ImageCache) -> None:
        argv = ["qemu-img", "create", "-q", "-f", "qcow2"]
        size = guest.disk_gb * units.GIB
        if image:
            base = cache.hold(image, self.base)
            needed = cache.size_of(base)
            _fit(needed, size)
            argv += ["-b", str(base), "-F", image.disk_format]
            size = size or needed
        part = self.disk.with_suffix(".part")
        try:
            shell.run([*argv, str(part), str(size)], timeout=60, limits=LIMITS)
        except (shell.CommandFailed, shell.CommandMissing) as error:
            raise HypervisorError(reason=f"The disk of {self.guest_id} could not be made.") from error
        self._own(part, 0o600)
        part.replace(self.disk)

    def _put(self, path: Path, content: bytes) -> None:
        part = path.with_suffix(".part")
        part.write_bytes(b"")
        self._own(part, 0o400)
        part.write_bytes(content)
        part.replace(path)

    def _own(self, path: Path, mode: int) -> None:
        """Give a file to the guest's process, if that has a user of its own here."""
        path.chmod(mode)
        try:
            user = pwd.getpwnam(self._owner)
        except KeyError:
            return  # libvirt labels the files itself
        if os.geteuid() == 0:
            os.chown(path, user.pw_uid, user.pw_gid)


def _check_size(guest: Guest, image: Image | None) -> None:
    """Refuse, before anything is written, what is known to be too large."""
    if image:
        size = image.size if image.disk_format == "raw" else 0
        _fit(max(size, image.min_disk_gb * units.GIB), guest.disk_gb * units.GIB)


def _fit(needed: int, offered: int) -> None:
    if offered and needed > offered:
        raise DiskTooSmall(needed=units.human(needed), offered=units.human(offered))
