"""The network worker: serves the topics ``network`` and ``network.<host>``."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from iaas.common import plugins, rpc, runtime
from iaas.common.context import RequestContext
from iaas.common.periodic import Periodic
from iaas.jobs.service import Manager
from iaas.network import periodic
from iaas.network.driver import NetworkDriver, NetworkError
from iaas.network.jobs import wire
from iaas.network.jobs.converge import Converger
from iaas.network.jobs.table import handlers
from iaas.network.relay import relay

LOG = logging.getLogger(__name__)
STEPS = (wire,)  # imported so that its steps are in the table
GROUP = "iaas.network.drivers"
LISTEN_DEADLINE = 30.0
LOOK_DEADLINE = 30.0


class NetworkManager(Manager):
    """Carries the networks of one host.

    :ivar converger: makes the host what the rows say
    :ivar clients: the process's connections
    """

    handlers = handlers.table

    def __init__(self, clients: Any, driver: NetworkDriver, host: str, folder: Path | None = None) -> None:
        self.clients = clients
        self.folder = folder
        self.driver = driver
        self.host = host
        self.converger = Converger(clients.db, driver, host, self._serve_metadata, self._call)
        self._relays: dict[str, runtime.Server] = {}
        self._stopping = False

    def start_host(self) -> None:
        """Make the host ready and compare everything once."""
        if not self.clients.settings.network.metadata_secret:
            LOG.error("[network] metadata_secret is empty: guests of this host get no metadata")
        runtime.native(self.driver.start_host)
        self.converger.compare()

    def stop_host(self) -> None:
        """Stop answering metadata; guests keep their network."""
        self._stopping = True
        while self._relays:
            self._relays.popitem()[1].stop()
        runtime.native(self.driver.stop_host)

    def truth(self) -> dict[str, Any]:
        return runtime.native(self.driver.holds, timeout=LOOK_DEADLINE).words()

    def periodics(self) -> list[Periodic]:
        return periodic.table(self.converger.compare, self.clients.settings.network.converge_every)

    def _call(self, *args: Any, **kwargs: Any) -> Any:
        return self.calls.make(*args, **kwargs)

    @rpc.endpoint
    def changed(self, ctx: RequestContext) -> None:
        """Rows of this host's ports, or of their security groups, are new."""
        self.converger.compare()

    @rpc.endpoint
    def refresh(self, ctx: RequestContext) -> None:
        """Load this host's filters and leases again: somebody found that they are not what was loaded."""
        self.converger.compare(anew=True)

    def _serve_metadata(self, network_ids: frozenset[str]) -> None:
        """Have one relay for each network of the host, and none for others."""
        settings = self.clients.settings.network
        wanted = network_ids if settings.metadata_secret else frozenset[str]()
        for network_id in [network_id for network_id in self._relays if network_id not in wanted]:
            runtime.spawn(
                self._relays.pop(network_id).stop
            )  # it lets running requests end; a pass has no time for that
        for network_id in wanted - self._relays.keys():
            if self._stopping:
                return
            try:
                sock = runtime.native(self.driver.metadata_listener, network_id, timeout=LISTEN_DEADLINE)
            except (NetworkError, OSError, runtime.NativeTimeout) as error:
                LOG.warning("no metadata on network %s until the next comparison: %s", network_id, error)
                continue
            if sock is not None:
                app = relay(network_id, settings.metadata_url, settings.metadata_secret)
                self._relays[network_id] = runtime.serve(sock, app)


def _fake(_settings: Any) -> Any:
    return None  # a world of its own


def _flat(settings: Any) -> Any:
    from iaas.network.drivers.flat.settings import FlatSettings

    n = settings.network
    return FlatSettings(
        state_dir=Path(n.state_dir),
        namespace=n.namespace or None,
        uplink=n.uplink or None,
        dns=tuple(n.dns),
        domain=n.domain,
        lease_seconds=n.lease_seconds,
    )


SETTINGS: dict[str, Callable[[Any], Any]] = {"fake": _fake, "flat": _flat}


def driver_from(settings: Any) -> NetworkDriver:
    """Return the configured network driver; a plugin's class gets all settings.

    :raises Invalid: no driver of that name is installed, or a library of it is missing.
    """
    name = settings.network.driver
    made = plugins.load(GROUP, name, "network driver")
    return made(SETTINGS.get(name, lambda all_: all_)(settings))
