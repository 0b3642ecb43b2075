#!/usr/bin/env python3
"""A cloud of separate daemons on one machine: private RabbitMQ, MariaDB or PostgreSQL, and every daemon a process.

    tools/dev_cluster.py --dir DIR [--database mariadb|postgresql|sqlite] [--port-offset N] [--computes N]
                         [--set group.option=value ...] [--until-pid P]

Everything it owns is under DIR: DIR/iaas.conf, DIR/openrc, DIR/clouds.yaml, DIR/ec2rc, DIR/pids (lines ``pid
name``), DIR/log/NAME.log.  The drivers are the fake ones.  It prints ``ready URL`` when every daemon serves and
stops them on SIGTERM, or when the process ``--until-pid`` names has ended.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from iaas.cmd import setup
from iaas.common import log, runtime
from iaas.db.models.hosts import services
from tools import private_servers

BIN = Path(sys.executable).parent
START_TIMEOUT = 90.0
STOP_TIMEOUT = 45.0  # a worker lets running steps end for 30 s
DATABASES = {"controller": "url", "identity": "identity_url", "image": "image_url"}
OFFSETS = range(10_000, 23_000, 100)
HOST_STRIDE = 20  # agents of the second host and later listen on 8779 + 20, + 21, …


@dataclass
class Daemon:
    """One daemon of the cluster.

    :ivar ports: where it listens when it is ready; a worker reports in the table of services
    :ivar host: its name in that table; empty for a daemon that is no worker
    """

    name: str
    command: str
    words: list[str]
    ports: list[int] = field(default_factory=list)
    host: str = ""
    process: subprocess.Popen[bytes] | None = None
    incarnation: int = 0

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None


class Cluster:
    """Private servers and daemons in one folder; ``with Cluster(folder): …`` starts and stops all of it.

    :param database: ``mariadb``, ``postgresql`` or ``sqlite``
    :param port_offset: added to every port; None looks for one where all ports are free
    :param computes: how many hosts, each with a compute and a network worker; the first has the volumes
    :param options: ``group.option`` → value, of every daemon
    """

    def __init__(
        self,
        folder: Path,
        database: str = "mariadb",
        *,
        port_offset: int | None = None,
        computes: int = 1,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self.folder = folder.resolve()
        self.database = database
        self.port_offset = free_offset(computes) if port_offset is None else port_offset
        self.hosts = [f"node{number + 1}" for number in range(computes)]
        self.options = dict(options or {})
        self.rabbit = private_servers.RabbitMQ(self.folder / "servers" / "rabbitmq")
        kind = private_servers.KINDS.get(database)
        self.sql = kind(self.folder / "servers" / database) if kind else None
        self.daemons: dict[str, Daemon] = {}
        self.settings: Any = None
        self._engine: sa.Engine | None = None

    # -- the whole ---------------------------------------------------------------------------------------

    def start(self) -> str:
        """Start everything, wait until every daemon serves, and return the identity URL.

        :raises private_servers.Missing: a server is not installed.
        :raises RuntimeError: something did not start; the text has the end of its log.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "log").mkdir(exist_ok=True)
        try:
            self.rabbit.start()
            if self.sql is not None:
                self.sql.start()
            secrets = setup.secrets(self.folder)
            self.settings = setup.prepare(self.folder, self._values(secrets), secrets)
            self._engine = sa.create_engine(self.database_url(), pool_pre_ping=True)
            self.daemons = {daemon.name: daemon for daemon in self._plan()}
            for name in self.daemons:
                self.spawn(name)
            for name in self.daemons:
                self.wait_ready(name)
        except BaseException:
            self.stop()
            raise
        return self.url

    def stop(self) -> None:
        """Stop every daemon, last started first, then the servers."""
        running = [daemon for daemon in reversed(list(self.daemons.values())) if daemon.alive]
        for daemon in running:
            assert daemon.process is not None
            daemon.process.terminate()
        deadline = time.monotonic() + STOP_TIMEOUT
        for daemon in running:
            assert daemon.process is not None
            with contextlib.suppress(subprocess.TimeoutExpired):
                daemon.process.wait(max(0.1, deadline - time.monotonic()))
            if daemon.alive:
                print(f"dev_cluster: {daemon.name} did not end on SIGTERM and is killed", file=sys.stderr)
                daemon.process.kill()
                daemon.process.wait()
        if self._engine is not None:
            self._engine.dispose()
        for server in (self.rabbit, self.sql):
            if server is not None:
                server.stop()
        (self.folder / "pids").unlink(missing_ok=True)

    def __enter__(self) -> Cluster:
        self.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        return f"{self.settings.identity.url}/v3"

    @property
    def pids(self) -> dict[str, int]:
        """The running daemons, name → pid."""
        return {d.name: d.process.pid for d in self.daemons.values() if d.process is not None and d.alive}

    # -- one daemon --------------------------------------------------------------------------------------

    def spawn(self, name: str, **environment: str) -> None:
        """Start one daemon, with more variables in its environment if named; :meth:`wait_ready` waits for it."""
        daemon = self.daemons[name]
        if daemon.alive:
            raise RuntimeError(f"{name} runs already")
        daemon.incarnation = self._incarnation(daemon)
        with (self.folder / "log" / f"{name}.log").open("ab") as output:
            daemon.process = subprocess.Popen(
                [str(BIN / daemon.command), *daemon.words],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, **environment},
                cwd=self.folder,
                start_new_session=True,
            )
        self._write_pids()

    def wait_ready(self, name: str, timeout: float = START_TIMEOUT) -> None:
        """Wait until a daemon that was started serves.

        :raises RuntimeError: it ended, or does not serve within ``timeout`` seconds.
        """
        daemon = self.daemons[name]

        def ready() -> bool:
            if not daemon.alive:
                raise RuntimeError(f"{name} ended; its log ends:\n{self.tail(name)}")
            if daemon.host:
                return self._incarnation(daemon) > daemon.incarnation
            return all(_listens(port) for port in daemon.ports)

        private_servers.wait_until(ready, timeout, lambda: f"{name} is not ready; its log ends:\n{self.tail(name)}")

    def kill(self, name: str) -> None:
        """Kill one daemon with SIGKILL."""
        process = self.daemons[name].process
        if process is not None:
            process.kill()
            process.wait()

    def restart(self, name: str, **environment: str) -> None:
        """Kill one daemon if it runs, start it again and wait until it serves."""
        self.kill(name)
        self.spawn(name, **environment)
        self.wait_ready(name)

    def tail(self, name: str, size: int = 3000) -> str:
        """Return the end of a daemon's log."""
        return (self.folder / "log" / f"{name}.log").read_bytes()[-size:].decode(errors="replace")

    # -- looking inside ----------------------------------------------------------------------------------

    @contextlib.contextmanager
    def sql_connection(self) -> Iterator[sa.Connection]:
        """A connection to the controller's database, for tests and for readiness."""
        assert self._engine is not None
        with self._engine.connect() as connection:
            yield connection

    def database_url(self, name: str = "controller") -> str:
        """Return the URL of one of the databases as this process reaches it, with nothing in between."""
        if self.sql is None:
            return setup.databases(self.settings)[name]
        return make_database(self.sql.url, f"iaas_{name}")

    def environment(self) -> dict[str, str]:
        """Return what ``openrc`` and ``ec2rc`` export."""
        return read_rc(self.folder / "openrc") | read_rc(self.folder / "ec2rc")

    def _incarnation(self, daemon: Daemon) -> int:
        """How often a worker has reported that it starts: counted in its row, which it writes before it serves."""
        if not daemon.host:
            return 0
        c = services.c
        query = sa.select(c.incarnation).where(c.binary == daemon.command, c.host == daemon.host)
        with self.sql_connection() as connection:
            found = connection.execute(query).scalar()
        return -1 if found is None else int(found)

    # -- composition -------------------------------------------------------------------------------------

    def _through(self, url: str) -> str:
        """Return the URL under which the daemons reach a server; a cluster with something in between says which."""
        return url

    def _values(self, secrets: Mapping[str, str]) -> dict[str, Any]:
        values = {
            **setup.common_values(self.folder, self.port_offset, secrets),
            "queue.url": self._through(self.rabbit.url),
            "compute.driver": "fake",
            "network.driver": "fake",
            "volume.driver": "fake",
            "compute.heartbeat_every": 3,
            "scheduler.down_after": 10,
            **self.options,
        }
        if self.sql is not None:
            for name, option in DATABASES.items():
                values[f"database.{option}"] = self._through(make_database(self.sql.url, f"iaas_{name}"))
        return values

    def _plan(self) -> list[Daemon]:
        s = self.settings
        apis = [getattr(s.api, f"{name}_port") for name in s.api.enabled]
        first, volumes = self.hosts[0], self.folder / "volumes"
        plan = [
            Daemon("identity", "iaas-identity", self._words(), [s.identity.port]),
            Daemon("image", "iaas-image", self._words(), [s.image.port]),
            Daemon("api", "iaas-api", self._words(), apis),
            Daemon("console", "iaas-console", self._words(), [s.console.port]),
            Daemon("scheduler", "iaas-scheduler", self._words(f"compute.host={first}"), host=first),
            Daemon("volume", "iaas-volume", self._words(f"compute.host={first}", f"volume.state_dir={volumes}"),
                   host=first),
        ]  # fmt: skip
        for number, host in enumerate(self.hosts):
            state, port = self.folder / host, s.compute.agent_port + (HOST_STRIDE + number if number else 0)
            where = (f"compute.host={host}", f"compute.state_dir={state}/compute", f"compute.agent_port={port}",
                     f"network.state_dir={state}/network")  # fmt: skip
            if number:  # the kernel chooses; the table of services says where
                where += ("admin.compute_port=0", "admin.network_port=0")
            suffix = "" if len(self.hosts) == 1 else f"-{number + 1}"
            plan.append(Daemon(f"network{suffix}", "iaas-network", self._words(*where), host=host))
            plan.append(Daemon(f"compute{suffix}", "iaas-compute", self._words(*where), host=host))
        return plan

    def _words(self, *options: str) -> list[str]:
        words = ["--config-file", str(self.folder / "iaas.conf")]
        return [*words, *(word for option in options for word in ("--set", option))]

    def _write_pids(self) -> None:
        lines = [f"{pid} {name}\n" for name, pid in self.pids.items()]
        setup.write(self.folder / "pids", "".join(lines))


def make_database(server_url: str, name: str) -> str:
    """Make a database of that name on a private server if it is not there, and return its URL."""
    url = sa.make_url(server_url)
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        if url.drivername.startswith("mysql"):
            connection.execute(sa.text(f"CREATE DATABASE IF NOT EXISTS {name} CHARACTER SET utf8mb4"))
        elif connection.execute(sa.text("SELECT 1 FROM pg_database WHERE datname = :n"), {"n": name}).scalar() is None:
            connection.execute(sa.text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return url.set(database=name).render_as_string(hide_password=False)


def read_rc(file: Path) -> dict[str, str]:
    """Return the variables an rc file exports."""
    lines = (line.removeprefix("export ").partition("=") for line in file.read_text().splitlines())
    return {name: value for name, _, value in lines}


def free_offset(computes: int = 1) -> int:
    """Return a port offset at which every port of a cluster is free now.

    All lie below the ports the kernel gives to outgoing connections (from 32,768 on), so none is taken meanwhile.
    """
    wanted = [*setup.PORTS.values(), *(setup.PORTS["compute.agent_port"] + HOST_STRIDE + n for n in range(1, computes))]
    first = os.getpid() % len(OFFSETS)
    for offset in (*OFFSETS[first:], *OFFSETS[:first]):
        if all(_is_free(port + offset) for port in wanted):
            return offset
    raise RuntimeError("no free ports")


def _is_free(port: int) -> bool:
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with contextlib.suppress(OSError):
            sock.bind(("127.0.0.1", port))
            return True
    return False


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=2):
        return True
    return False


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dir", type=Path, required=True, help="folder for all it owns")
    parser.add_argument("--database", choices=["mariadb", "postgresql", "sqlite"], default="mariadb")
    parser.add_argument("--port-offset", type=int, default=0, help="add this number to every port")
    parser.add_argument("--computes", type=int, default=1, help="compute hosts (default: 1)")
    parser.add_argument("--set", action="append", default=[], metavar="GROUP.OPTION=VALUE", help="of every daemon")
    parser.add_argument("--until-pid", type=int, help="stop when this process has ended")
    asked = parser.parse_args(argv)
    runtime.use("threads")
    log.setup("warning")
    ended: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda got, _frame: ended.append(got))
    options = dict(option.split("=", 1) for option in asked.set)
    cluster = Cluster(
        asked.dir, asked.database, port_offset=asked.port_offset, computes=asked.computes, options=options
    )
    try:
        print(f"ready {cluster.start()}", flush=True)
        while not ended and (asked.until_pid is None or private_servers.alive(asked.until_pid)):
            time.sleep(0.5)
    except (private_servers.Missing, RuntimeError) as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        cluster.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
