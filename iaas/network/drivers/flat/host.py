"""The network namespace a host's networks live in, and how to run things inside of it."""

from __future__ import annotations

import ctypes
import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from iaas.common import runtime, shell
from iaas.network.driver import NetworkError

T = TypeVar("T")
CLONE_NEWNET = 0x40000000
POLLIN = 1
MAX_LOOK = 64 << 20  # bytes of one listing of everything
PROGRAMS = (
    "conntrack", "dnsmasq", "ip", "ip6tables-restore", "ip6tables-save", "ipset", "iptables-restore",
    "iptables-save", "nft", "nsenter",
)  # fmt: skip
# Bridged frames are shown to the packet filter; this host forwards; answers may come from any interface.
SYSCTLS = {
    "net/bridge/bridge-nf-call-iptables": "1",
    "net/bridge/bridge-nf-call-ip6tables": "1",
    "net/ipv4/ip_forward": "1",
}
OWN_SYSCTLS = {"net/ipv4/conf/all/rp_filter": "0", "net/ipv6/conf/all/forwarding": "1"}
_FAILED = re.compile(r"Command failed \S+?:(\d+)")
_libc = ctypes.CDLL(None, use_errno=True)


class Host:
    """A network namespace: a named one of ours, or the host's own (None)."""

    def __init__(self, namespace: str | None) -> None:
        self.namespace = namespace
        self._prefix: list[str] = []
        if namespace is not None:
            self._prefix = ["nsenter", f"--net={self._path}", "--"]

    @property
    def _path(self) -> str:
        return f"/run/netns/{self.namespace}"

    def start(self) -> bool:
        """Make the namespace and set what the kernel must do; say whether the namespace is new.

        :raises NetworkError: a program or a feature is missing.
        """
        try:
            for program in PROGRAMS:
                shell.which(program)
        except shell.CommandMissing as error:
            raise NetworkError(reason=f"{error.message} Install it, or use the fake network driver.") from None
        made = self.namespace is not None and not Path(self._path).exists()
        if made:
            shell.run(["ip", "netns", "add", str(self.namespace)])
        if not any(link["ifname"] == "lo" and "UP" in link["flags"] for link in self.addresses()):
            self.batch(["link set dev lo up"])
        self.set_all(SYSCTLS if self.namespace is None else {**SYSCTLS, **OWN_SYSCTLS})
        return made

    def delete(self) -> None:
        """Remove the namespace with everything in it."""
        shell.run(["ip", "netns", "del", str(self.namespace)])

    @property
    def exists(self) -> bool:
        return self.namespace is None or Path(self._path).exists()

    def run(self, argv: Sequence[str | Path], *, stdin: str | None = None, check: bool = True) -> shell.Result:
        """Run a program inside. See :func:`iaas.common.shell.run`."""
        return shell.run([*self._prefix, *argv], stdin=None if stdin is None else stdin.encode(), check=check)

    def look(self, argv: Sequence[str | Path]) -> str | None:
        """Run a program inside that only looks, and return all it says; None if there is nothing to look at.

        :raises NetworkError: it says too much to be kept.
        """
        result = shell.run([*self._prefix, *argv], check=False, max_output=MAX_LOOK)
        if len(result.out) >= MAX_LOOK:
            raise NetworkError(reason=f"{argv[0]} says more than {MAX_LOOK >> 20} MiB.")
        return result.out.decode(errors="replace") if result.code == 0 else None

    def batch(self, lines: Sequence[str]) -> dict[int, str]:
        """Run ``ip`` commands, all of them whatever fails, and return the errors by index."""
        if not lines:
            return {}
        argv = ["ip", *(["-n", self.namespace] if self.namespace else []), "-force", "-batch", "-"]
        result = shell.run(argv, stdin="".join(f"{line}\n" for line in lines).encode(), check=False)
        failed: dict[int, str] = {}
        words: list[str] = []
        for line in result.err.decode(errors="replace").splitlines():
            found = _FAILED.search(line)
            if found is None:
                words.append(line.strip())
                continue
            index = int(found[1]) - 1
            failed[index] = f"ip {lines[index]}: {' '.join(words)}"
            words = []
        if result.code != 0 and not failed:
            raise NetworkError(reason=f"ip failed with exit code {result.code}: {' '.join(words)}")
        return failed

    def addresses(self) -> list[dict[str, Any]]:
        """Return every interface with its addresses, as ``ip -json -details addr`` says it."""
        argv = [
            "ip",
            *(["-n", self.namespace] if self.namespace else []),
            "-json",
            "-details",
            "addr",
            "show",
        ]
        try:
            return json.loads(shell.run(argv).out or b"[]")
        except ValueError:
            raise NetworkError(
                reason="The list of this host's interfaces cannot be read; there may be too many."
            ) from None

    def inside(self, function: Callable[..., T], *args: Any) -> T:
        """Call a function in a native thread that is in the namespace: what it opens belongs there."""
        if self.namespace is None:
            return runtime.native(function, *args)
        return runtime.native(_inside, self._path, function, *args)

    def set_all(self, values: Mapping[str, str]) -> None:
        """Set kernel parameters; the keys are paths below /proc/sys.

        :raises NetworkError: there is no such parameter, or it may not be set.
        """
        self.inside(_write_all, values)


def _write_all(values: Mapping[str, str]) -> None:
    for key, value in values.items():
        path = Path("/proc/sys") / key
        try:
            if path.read_text().strip() != value:
                path.write_text(value)
        except FileNotFoundError:
            advice = " Load the kernel module br_netfilter." if "bridge-nf" in key else ""
            raise NetworkError(reason=f"The kernel has no {path}.{advice}") from None
        except OSError as error:
            raise NetworkError(reason=f"{path} cannot be set: {error}. The network worker must be root.") from None


def _inside(path: str, function: Callable[..., T], *args: Any) -> T:
    with Path("/proc/thread-self/ns/net").open("rb") as home, Path(path).open("rb") as there:
        _enter(there.fileno())
        try:
            return function(*args)
        finally:
            _enter(home.fileno())


def _enter(descriptor: int) -> None:
    if _libc.setns(descriptor, CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise NetworkError(reason=f"This thread cannot change its network namespace: {os.strerror(number)}")


class _PollFd(ctypes.Structure):
    _fields_ = [("fd", ctypes.c_int), ("events", ctypes.c_short), ("revents", ctypes.c_short)]


def wait_gone(pid: int, seconds: float) -> bool:
    """Wait in a native thread until a process, anybody's child, has ended; return False if it has not."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return _libc.poll(ctypes.byref(_PollFd(descriptor, POLLIN, 0)), 1, int(seconds * 1000)) == 1
    finally:
        os.close(descriptor)
