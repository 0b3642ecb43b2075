"""What every daemon does: read its options, start its parts in order, and stop them in reverse on SIGTERM."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn, Protocol

from iaas import __version__
from iaas.cmd import admin, systemd
from iaas.common import conf, errors, log, runtime
from iaas.common.health import Check
from iaas.common.runtime import memory
from iaas.db.tx import Database
from iaas.jobs.service import STUCK, WorkerService

LOG = logging.getLogger(__name__)
DEFAULT_FILE = Path("/etc/iaas/iaas.conf")
TIDY_EVERY = 60.0


class Part(Protocol):
    """Something a process runs: an API, a worker."""

    def start(self) -> None: ...
    def stop(self) -> None: ...


class HttpPart:
    """One API on one port."""

    def __init__(self, name: str, app: Callable[..., Any], host: str, port: int, max_clients: int) -> None:
        self.name = name
        self._app = app
        self._address = (host, port)
        self._max_clients = max_clients
        self._server: runtime.Server | None = None
        self.clients = getattr(app, "clients", None)

    def start(self) -> None:
        """:raises Unavailable: the port is taken."""
        try:
            sock = runtime.listen(*self._address)
        except OSError as error:
            where = "{}:{}".format(*self._address)
            raise errors.Unavailable(reason=f"The {self.name} API cannot listen on {where}: {error}") from error
        self._server = runtime.serve(sock, self._app, max_clients=self._max_clients)

    def stop(self) -> None:
        if self._server is not None:
            self._server.stop()
            self._server = None

    def health(self) -> list[Check]:
        """Whether it listens."""
        serves = self._server is not None
        return [Check(f"{self.name} API", "listens", serves, why=None if serves else "It does not listen.")]


class Closing:
    """A part that only has an end: connections to close."""

    def __init__(self, close: Callable[[], None]) -> None:
        self.stop = close

    def start(self) -> None:
        """Nothing to start."""


def options(name: str, summary: str) -> argparse.ArgumentParser:
    """Return the parser of the options every daemon has."""
    parser = argparse.ArgumentParser(prog=name, description=summary)
    parser.add_argument("--version", action="version", version=f"{name} {__version__}")
    parser.add_argument(
        "--config-file",
        action="append",
        type=Path,
        metavar="FILE",
        help=f"read options from FILE; may be repeated, later files win (default: {DEFAULT_FILE} if it exists)",
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="GROUP.OPTION=VALUE", help="change one option; may be repeated"
    )
    return parser


def settings_of(args: argparse.Namespace) -> conf.Settings:
    """Read the configuration the arguments name.

    :raises ConfigError: it cannot be used; the sentence names the file, the option and the nearest known one.
    """
    files = args.config_file or ([DEFAULT_FILE] if DEFAULT_FILE.exists() else [])
    for file in files:
        if file.exists() and file.stat().st_mode & 0o007:
            raise conf.ConfigError(reason=f"{file} holds secrets and everybody may read it; type: chmod o= {file}")
    return conf.load(files, args.set)


def main(name: str, summary: str, parts: Callable[[conf.Settings], Sequence[Part]]) -> None:
    """Run a daemon until it is told to stop."""
    os.umask(0o077)
    args = options(name, summary).parse_args()
    try:
        settings = settings_of(args)
        log.setup(settings.log.level, settings.log.format, settings.log.file)
        run(admin.around(name, settings, parts(settings)))
    except errors.IaasError as error:
        print(f"{name}: {error}", file=sys.stderr)
        sys.exit(1)


def run(parts: Sequence[Part], ready: Callable[[], None] | None = None) -> None:
    """Start ``parts``, say so, wait for SIGTERM or SIGINT, and stop them, last first.

    SIGUSR1 writes the counters of the process to its log.

    :raises SystemExit: a worker had to end by itself; its code tells systemd whether to start the process again.
    """
    stopped = runtime.event()
    codes: list[int] = []

    def end(code: int, why: str) -> None:
        if code == STUCK:
            _leave(code)
        codes.append(code)
        stopped.set()

    runtime.on_signal(signal.SIGUSR1, _log_counters)
    for number in (signal.SIGTERM, signal.SIGINT):
        runtime.on_signal(number, stopped.set)
    started: list[Part] = []
    try:
        for part in parts:
            if isinstance(part, WorkerService):
                part.on_end = end
            part.start()
            started.append(part)
        memory.keep_start_up()
        runtime.spawn(_tidy, stopped)
        systemd.notify("READY=1")
        systemd.watch(stopped, [part.alive for part in started if isinstance(part, WorkerService)])
        if ready is not None:
            ready()
        stopped.wait()
    finally:
        systemd.notify("STOPPING=1")
        for part in reversed(started):
            try:
                part.stop()
            except Exception:
                LOG.exception("stopping %s failed", part)
    if codes:
        sys.exit(codes[0])


def _tidy(stopped: runtime.Event) -> None:
    while not stopped.wait(TIDY_EVERY):
        memory.tidy()


def _leave(code: int) -> NoReturn:
    """End the process without stopping anything: a thread of it is stuck in a driver, and would hold that up too."""
    systemd.notify("STOPPING=1")
    logging.shutdown()
    os._exit(code)


def _log_counters() -> None:
    """How many SQL statements went to each database: the bench takes the difference of two such lines."""
    LOG.warning("counters %s", " ".join(f"{name}={count}" for name, count in sorted(Database.sent().items())))
