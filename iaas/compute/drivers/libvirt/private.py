"""A libvirtd of our own, for the embedded cloud: started by hand, its state in one folder, stopped by its pid.

libvirt's paths are compiled in, so the daemon gets a mount namespace in which they lead to our folder; the
guests' files keep the paths they have outside.  Guests outlive the daemon, and the next one finds them again.
"""

from __future__ import annotations

import fcntl
import grp
import hashlib
import logging
import os
import pwd
import shutil
import signal
import stat
import struct
import sys
from collections.abc import Iterable
from pathlib import Path

from iaas.common import runtime, shell
from iaas.compute.driver import HypervisorError
from iaas.compute.drivers.libvirt import reaper

LOG = logging.getLogger(__name__)
START_SECONDS = 20.0
STOP_SECONDS = 15.0
FOLDERS = ("etc/qemu/networks", "lib", "log", "run", "cache")
FLOCK = "@hhqqi4x"  # struct flock of Linux on 64 bits: type, whence, start, length, pid
SOCKETS = Path("/run/iaas")  # short: a Unix socket's path has at most 107 bytes
MOUNTS = ("/etc/libvirt", "/var/lib/libvirt", "/var/log/libvirt", "/run/libvirt", "/var/cache/libvirt")

DAEMON_CONF = """\
unix_sock_dir = "{sockets}"
auth_unix_rw = "none"
auth_unix_ro = "none"
listen_tls = 0
listen_tcp = 0
host_uuid = "{host_uuid}"
log_outputs = "3:file:/var/log/libvirt/libvirtd.log"
"""
# cgroups: none, as two libvirtds must not share a tree; ownership: the driver sets it, once, when it makes a file
QEMU_CONF = """\
user = "{user}"
group = "{user}"
dynamic_ownership = 0
remember_owner = 0
security_driver = "none"
namespaces = []
cgroup_controllers = []
stdio_handler = "file"
"""
# $1 our folder, $2 whether KVM is used, $3 a folder that the guests' user may not enter or "", $4... what it
# must reach below that.  Such a folder (/root, mostly) is covered, in this namespace only, by an empty one with
# just those paths.  A KVM that is not used is hidden: libvirt tries it for 8 s at each start where it hangs.
SCRIPT = """\
set -e
umask 022
home=$1 kvm=$2 closed=$3; shift 3
mount --bind "$home/etc" /etc/libvirt
mount --bind "$home/lib" /var/lib/libvirt
mount --bind "$home/log" /var/log/libvirt
mount --bind "$home/run" /run/libvirt
mount --bind "$home/cache" /var/cache/libvirt
if [ "$kvm" = no ] && [ -e /dev/kvm ]; then
  touch /run/libvirt/no-kvm
  mount --bind /run/libvirt/no-kvm /dev/kvm
  mount -o remount,bind,ro /dev/kvm
fi
if [ -n "$closed" ]; then
  n=0
  for path in "$@"; do n=$((n+1)); mkdir -p "/run/libvirt/iaas/$n"; mount --bind "$path" "/run/libvirt/iaas/$n"; done
  mount -t tmpfs -o mode=0755,size=1m iaas "$closed"
  n=0
  for path in "$@"; do n=$((n+1)); mkdir -p "$path"; mount --move "/run/libvirt/iaas/$n" "$path"; done
fi
exec libvirtd --config /etc/libvirt/libvirtd.conf --pid-file /run/libvirt/libvirtd.pid
"""


class PrivateLibvirtd:
    """The daemon that belongs to one folder.

    :param netns: the network namespace it runs in: that of the guests' taps and screens
    :param reach: folders with guests' files
    :param kvm: whether its guests use KVM
    """

    def __init__(
        self,
        home: Path,
        *,
        user: str,
        netns: str | None = None,
        reach: Iterable[Path] = (),
        kvm: bool = False,
    ) -> None:
        self._home = home.resolve()
        self._user = user
        self._netns = netns
        self._kvm = kvm
        self._reach = [path.resolve() for path in reach]
        self._sockets = SOCKETS / hashlib.sha256(str(self._home).encode()).hexdigest()[:12]
        self._child: shell.Child | None = None

    @property
    def uri(self) -> str:
        return f"qemu+unix:///system?socket={self._sockets}/libvirt-sock"

    @property
    def pid(self) -> int | None:
        """The process id of the running daemon, ours or an earlier process's, or None.

        It holds a lock on its pid file for as long as it lives, so a number that was used again fools nobody.
        """
        try:
            with (self._home / "run" / "libvirtd.pid").open("rb") as file:
                asked = struct.pack(FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 1, 0)
                kind, *_, holder = struct.unpack(FLOCK, fcntl.fcntl(file, fcntl.F_GETLK, asked))
        except FileNotFoundError:
            return None
        return holder if kind != fcntl.F_UNLCK else None

    def start(self) -> None:
        """Make the daemon run; one that runs already is used.

        :raises HypervisorError: it did not come up; the sentence says what to do.
        """
        pid = self.pid
        if pid is not None and not self._in_our_network(pid):
            LOG.warning("libvirtd %s runs in a network namespace that is gone and is started again", pid)
            self.stop()
        if self.pid is None:
            self._launch()
        self._wait()

    def stop(self) -> None:
        """End the daemon; guests keep running."""
        pid = self.pid
        if pid is None:
            return
        shell.kill(pid, signal.SIGTERM)
        if not self._ended(STOP_SECONDS):
            LOG.warning("libvirtd %s did not end in %g s and is killed", pid, STOP_SECONDS)
            shell.kill(pid, signal.SIGKILL)
            self._ended(5)
        shutil.rmtree(self._sockets, ignore_errors=True)
        if self._child:
            self._child.poll()

    def _in_our_network(self, pid: int) -> bool:
        """Whether a daemon left by an earlier run is in the namespace that has the name today."""
        wanted = Path("/run/netns", self._netns) if self._netns else Path("/proc/self/ns/net")
        try:
            return os.path.samestat(wanted.stat(), Path(f"/proc/{pid}/ns/net").stat())
        except FileNotFoundError:
            return False

    def _ended(self, seconds: float) -> bool:
        deadline = runtime.monotonic() + seconds
        while self.pid is not None and runtime.monotonic() < deadline:
            runtime.sleep(0.05)
        return self.pid is None

    def _launch(self) -> None:
        if os.geteuid() != 0:
            raise HypervisorError(
                reason="A private libvirtd needs root: run as root, or leave compute.libvirt_private_dir out."
            )
        ensure_user(self._user)
        self._write_config()
        for folder in MOUNTS:
            Path(folder).mkdir(parents=True, exist_ok=True)
        closed = closed_folder(self._reach, self._user)
        inside = [str(path) for path in self._reach if closed and path.is_relative_to(closed)]
        argv = ["unshare", "-m", "--propagation", "private", "bash", "-c", SCRIPT, "iaas-libvirtd"]
        argv += [str(self._home), "yes" if self._kvm else "no", str(closed or ""), *inside]
        if self._netns:
            argv = ["ip", "netns", "exec", self._netns, *argv]
        argv = [sys.executable, "-I", "-S", reaper.__file__, *argv]
        try:
            self._child = shell.start(argv, log=self._log)
        except shell.CommandMissing as missing:
            raise HypervisorError(reason=missing.message) from missing

    @property
    def _log(self) -> Path:
        return self._home / "log" / "start.log"

    def _write_config(self) -> None:
        for folder in FOLDERS:
            (self._home / folder).mkdir(parents=True, exist_ok=True)
        for folder in ("lib", "run", "cache", "log"):
            (self._home / folder).chmod(0o755)
        self._sockets.mkdir(parents=True, exist_ok=True)
        self._sockets.chmod(0o700)
        identity = self._home / "host_uuid"
        if not identity.exists():
            identity.write_text(runtime.uuid())
        etc = self._home / "etc"
        conf = DAEMON_CONF.format(sockets=self._sockets, host_uuid=identity.read_text().strip())
        (etc / "libvirtd.conf").write_text(conf)
        (etc / "qemu.conf").write_text(QEMU_CONF.format(user=self._user))

    def _wait(self) -> None:
        """Wait until the daemon listens."""
        deadline = runtime.monotonic() + START_SECONDS
        while runtime.monotonic() < deadline:
            if self.pid is not None and (self._sockets / "libvirt-sock").is_socket():
                return
            if self._child is not None and self._child.poll() is not None:
                break
            runtime.sleep(0.02)
        tail = self._log.read_text(errors="replace")[-800:].strip() if self._log.exists() else ""
        raise HypervisorError(
            reason=f"libvirtd did not start ({tail or 'no message'}); its log is {self._home}/log/libvirtd.log."
        )


def ensure_user(name: str) -> None:
    """Make the system user that guests run as, if it is not there: libvirt does not start without it.

    :raises HypervisorError: it cannot be made here; the sentence says what to type.
    """
    try:
        pwd.getpwnam(name)
        return
    except KeyError:
        pass
    argv = [
        "useradd",
        "--system",
        "--user-group",
        "--home-dir",
        "/var/lib/libvirt",
        "--shell",
        "/usr/sbin/nologin",
    ]
    if any(group.gr_name == "kvm" for group in grp.getgrall()):
        argv += ["--groups", "kvm"]
    try:
        shell.run([*argv, name])
    except (shell.CommandFailed, shell.CommandMissing) as error:
        raise HypervisorError(
            reason=f"The user {name} does not exist and could not be made. Type: {' '.join([*argv, name])}"
        ) from error


def closed_folder(paths: Iterable[Path], user: str) -> Path | None:
    """Return the topmost folder on the way to ``paths`` that ``user`` may not enter, or None.

    :raises HypervisorError: there are several, in different places.
    """
    entry = pwd.getpwnam(user)
    groups = set(os.getgrouplist(user, entry.pw_gid))
    found = {closed for path in paths if (closed := _first_closed(path, entry.pw_uid, groups))}
    if len(found) > 1:
        names = ", ".join(map(str, sorted(found)))
        raise HypervisorError(reason=f"The user {user} may not enter these folders, use chmod o+x: {names}")
    return found.pop() if found else None


def _first_closed(path: Path, uid: int, groups: set[int]) -> Path | None:
    for folder in [*reversed(path.parents), path]:
        status = folder.stat()
        needed = stat.S_IXOTH
        if status.st_uid == uid:
            needed = stat.S_IXUSR
        elif status.st_gid in groups:
            needed = stat.S_IXGRP
        if uid != 0 and not status.st_mode & needed:
            return folder
    return None
