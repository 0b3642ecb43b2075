"""One dnsmasq for each network: started, told of changes, started again when it died.

They are nobody's children and go on serving leases while this worker is away. A process is only ever signalled
after its command line has shown that it is the one meant.
"""

from __future__ import annotations

import hashlib
import shutil
import signal
from collections.abc import Iterable
from pathlib import Path

from iaas.common import shell
from iaas.network.driver import Network, NetworkError
from iaas.network.drivers.flat import dhcp, files, host
from iaas.network.drivers.flat.settings import FlatSettings
from iaas.network.drivers.plan import Wire

STOP_SECONDS = 5.0


class Dnsmasq:
    """The DHCP servers of one host."""

    def __init__(self, where: host.Host, settings: FlatSettings) -> None:
        self._host = where
        self._settings = settings
        self._folder = settings.state_dir / "dhcp"

    def served(self) -> list[str]:
        """Return the ids of the networks that have or had a server."""
        return [path.name for path in self._folder.iterdir()] if self._folder.exists() else []

    def leases(self) -> dict[str, dict[str, str]]:
        """Return who is given which address by the servers that run: network → address → MAC."""
        found: dict[str, dict[str, str]] = {}
        for network_id in self.served():
            paths = self._paths(network_id)
            if self._pid(paths) is None:
                continue
            try:
                there = paths.hosts.read_text().splitlines()
                told = set(paths.loaded.read_text().splitlines()[1:])
            except FileNotFoundError:  # it was started and has not been told to be so
                continue
            found[network_id] = dhcp.leased("\n".join(line for line in there if line in told))
        return found

    def converge(self, network: Network, wires: Iterable[Wire], dns_port: int, *, anew: bool = False) -> None:
        """Serve exactly these ports of a network.

        :param anew: start the server again even if it was told all this
        :raises NetworkError: dnsmasq does not start; the sentence holds its own.
        """
        if not any(subnet.dhcp for subnet in network.subnets):
            self.remove(network.id)
            return
        paths = self._paths(network.id)
        paths.folder.mkdir(parents=True, exist_ok=True)
        config = dhcp.config(network, self._settings, paths, dns_port)
        hosts = dhcp.hosts(wires, self._settings)
        wants = f"{hashlib.sha256(config.encode()).hexdigest()}\n{hosts}"
        told = paths.loaded.read_text() if paths.loaded.exists() else ""
        pid = self._pid(paths)
        if pid is not None and told == wants and not anew:
            return
        files.change(paths.config, config)
        files.change(paths.hosts, hosts)
        if anew or pid is None or not _only_more(told, wants):
            self._restart(paths, pid, hosts)
        else:
            shell.kill(pid, signal.SIGHUP)
        files.write(paths.loaded, wants)

    def remove(self, network_id: str) -> None:
        """Stop serving a network and forget its leases."""
        paths = self._paths(network_id)
        if paths.folder.exists():
            self._stop(paths, self._pid(paths))
            shutil.rmtree(paths.folder)

    def _paths(self, network_id: str) -> dhcp.Paths:
        return dhcp.Paths(self._folder / network_id)

    def _restart(self, paths: dhcp.Paths, pid: int | None, hosts: str) -> None:
        self._stop(paths, pid)
        if paths.leases.exists():  # dnsmasq would keep an address for its former owner until the lease ends
            files.change(paths.leases, dhcp.prune(paths.leases.read_text(), dhcp.leased(hosts)))
        try:
            self._host.run(["dnsmasq", f"--conf-file={paths.config}"])
        except shell.CommandFailed as error:
            raise NetworkError(reason=f"DHCP: {error.message}") from None

    def _stop(self, paths: dhcp.Paths, pid: int | None) -> None:
        if pid is None:
            return
        shell.kill(pid, signal.SIGTERM)
        if not host.wait_gone(pid, STOP_SECONDS) and self._pid(paths) == pid:
            shell.kill(pid, signal.SIGKILL)
            host.wait_gone(pid, STOP_SECONDS)

    def _pid(self, paths: dhcp.Paths) -> int | None:
        """Return the process id of a network's server if it runs, by its own command line."""
        try:
            pid = int(paths.pid.read_text())
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except (FileNotFoundError, ProcessLookupError, ValueError):
            return None
        return pid if f"--conf-file={paths.config}".encode() in words else None


def _only_more(told: str, wants: str) -> bool:
    """Whether the change only adds leases: then a signal is enough."""
    before, after = told.splitlines(), wants.splitlines()
    return before[:1] == after[:1] and set(before) <= set(after)
