"""One cluster of real daemons with a proxy before each server, clients that keep book, and the judgement at the end."""

from __future__ import annotations

import contextlib
import random
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from tools import dev_cluster
from tools.chaos import state
from tools.chaos.promises import Book, Client, broken
from tools.chaos.proxy import Proxy

SETTLE = 60.0  # a promise is kept, or its failure told, so soon after the fault ends
#: short, so that a run settles in seconds; the other figures are as in production
OPTIONS = {"jobs.lease": 4, "jobs.renew_every": 1.2, "jobs.sweep_every": 1, "compute.heartbeat_every": 2,
           "database.statement_timeout": 8}  # fmt: skip
#: makes what must be there before a cluster starts in a folder, and yields the options that follow from it
Mounts = Callable[[Path, str], contextlib.AbstractContextManager[dict[str, Any]]]


class ProxiedCluster(dev_cluster.Cluster):
    """A cluster whose daemons reach the broker and the database through a :class:`Proxy` each."""

    def __init__(self, *args: Any, **words: Any) -> None:
        super().__init__(*args, **words)
        self.broker_proxy = Proxy(lambda: self.rabbit.port)
        self.database_proxy = Proxy(lambda: self.sql.port if self.sql is not None else 0)
        self._spawning = threading.Lock()

    def _through(self, url: str) -> str:
        proxy = self.broker_proxy if url.startswith("amqp") else self.database_proxy
        if not proxy.port:
            proxy.start()
        return sa.make_url(url).set(port=proxy.port).render_as_string(hide_password=False)

    def spawn(self, name: str, **environment: str) -> None:
        with self._spawning:
            super().spawn(name, **environment)

    def stop(self) -> None:
        try:
            super().stop()
        finally:
            self.broker_proxy.stop()
            self.database_proxy.stop()


class Lab:
    """A running cluster, one client with its book, an image to boot from and one no host can boot.

    :ivar networks: what servers are booted with
    """

    def __init__(self, cluster: ProxiedCluster, seed: int) -> None:
        self.cluster = cluster
        self.rng = random.Random(seed)
        self.client = Client(cluster)
        self.client.log_in()
        self.networks = [{"uuid": state.scalar(cluster, "SELECT id FROM networks WHERE is_default")}]
        self.image, self.iso = self.client.make_image(), self.client.make_iso()

    @property
    def book(self) -> Book:
        return self.client.book

    def new_book(self) -> Book:
        self.client.book = Book()
        return self.client.book

    def idle(self, resource_id: str) -> bool:
        """Whether no job of a resource is live."""
        query = "SELECT COUNT(*) FROM jobs WHERE live_key IS NOT NULL AND resource_id = :id"
        return not state.scalar(self.cluster, query, id=resource_id)

    def all_ready(self, seconds: float = SETTLE) -> None:
        """Start what does not run and wait until every daemon serves."""
        deadline = time.monotonic() + seconds
        for name in [name for name, daemon in self.cluster.daemons.items() if not daemon.alive]:
            self.cluster.spawn(name)
        for name in self.cluster.daemons:
            self.cluster.wait_ready(name, max(1.0, deadline - time.monotonic()))

    def heal(self) -> None:
        """Take every fault away: servers run, proxies forward, daemons serve."""
        self.cluster.broker_proxy.heal()
        self.cluster.rabbit.start()
        if self.cluster.sql is not None:
            self.cluster.database_proxy.heal()
            self.cluster.sql.start()
        self.all_ready()

    # -- judgement ---------------------------------------------------------------------------------------

    def judge(self) -> tuple[list[str], dict[str, Any]]:
        """Hold the cloud to its promises once it is settled, then empty it; return what is wrong, and figures."""
        book = self.book
        facts: dict[str, Any] = {
            "promises": book.promises,
            "servers": book.accepted("servers"),
            "volumes": book.accepted("volumes"),
            "answers": {str(status): count for status, count in sorted(book.seen.items(), key=str)},
        }
        begun = time.monotonic()
        try:
            facts["settled"] = round(state.settle(self.cluster, SETTLE), 1)
            wrong = self._until_sound(begun + SETTLE)
            facts["sound"] = round(time.monotonic() - begun, 1)
            servers = self.client.listed("servers").values()
            facts["failed"] = sum(row["status"] == "ERROR" for row in servers)
            self._empty()
            facts["emptied"] = round(state.settle(self.cluster, SETTLE), 1)
            wrong += state.left_over(self.cluster)
        except (state.Unsettled, RuntimeError) as error:
            wrong = [*book.bad, str(error)]
        return wrong, facts

    def _until_sound(self, deadline: float) -> list[str]:
        """Look until promises are kept and invariants hold, or it is too late; return what is wrong then."""
        while wrong := broken(self.client) + state.unsound(self.cluster, self.book.history):
            if self.book.bad or time.monotonic() > deadline:
                break
            time.sleep(2)
        return wrong

    def _empty(self) -> None:
        """Delete everything there is but the two images."""
        for server in self.client.listed("servers"):
            self.client.insist("DELETE", "compute", f"/servers/{server}")
        for volume in self.client.listed("volumes"):
            self.client.insist("DELETE", "volume", f"/volumes/{volume}")


@contextlib.contextmanager
def running(
    database: str, seed: int, *, computes: int = 2, keep: Path | None = None, mounted: Mounts | None = None
) -> Iterator[Lab]:
    """A lab that is stopped and removed at the end, whatever happens.

    :param keep: where the daemons' logs are copied to first
    :param mounted: mounts what must be there before anything starts, and says which options follow
    :raises tools.private_servers.Missing: a server is not installed.
    """
    folder = Path(tempfile.mkdtemp(prefix="iaas-chaos-"))
    folder.chmod(0o755)  # the servers' own users may enter
    try:
        with mounted(folder, database) if mounted else contextlib.nullcontext({}) as options:
            cluster = ProxiedCluster(folder, database, computes=computes, options=OPTIONS | options)
            try:
                cluster.start()
                yield Lab(cluster, seed)
            finally:
                cluster.stop()
                if keep is not None:
                    shutil.copytree(folder / "log", keep, dirs_exist_ok=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def until(true: Callable[[], Any], seconds: float, what: str, every: float = 0.1) -> Any:
    """Wait until ``true()`` holds and return what it returned.

    :raises RuntimeError: it does not within ``seconds``.
    """
    deadline = time.monotonic() + seconds
    while not (found := true()):
        if time.monotonic() > deadline:
            raise RuntimeError(f"not within {seconds:.0f} s: {what}")
        time.sleep(every)
    return found
