#!/usr/bin/env python3
"""Many schedulers, more servers than fit: exactly what fits is placed, and no count is off by one.

    tools/bench/schedulers.py [--database sqlite] [--database mariadb] [--database postgresql]
                              [--schedulers 8] [--boots 5000] [--slots 4000] [--json]

Each scheduler is a process with connections of its own: it accepts its share of the servers by the verb of the API,
places what its doorbell says, and sweeps for what the others were too slow to place, all at the same time.  One
project has a quota for half of what it asks, and all processes ask for it at once.  Hosts are rows of different
sizes with room for exactly --slots servers.  MariaDB and PostgreSQL are started privately, and ended; without
--database it is all three.

At the end everything is counted: servers with a host and servers refused with the reason, what every host says it
sold and what the allocations say, what every quota says is used and what is there.  Exit status 1 names what is off.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import itertools
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tools")]

PLAIN, EDGE = "plain", "edge"  # projects: without limits, and with a quota for half of what it asks
SIZES = (20, 50, 80)  # servers a host has room for, in turn
LIMIT = 900.0


@dataclasses.dataclass
class Result:
    """How a run ended.

    :ivar seconds: from the first request to the last verdict
    :ivar problems: sentences; none if all is exact
    """

    database: str
    schedulers: int
    boots: int
    slots: int
    placed: int = 0
    refused: int = 0
    seconds: float = 0.0
    problems: list[str] = dataclasses.field(default_factory=list)

    @property
    def pace(self) -> float:
        """Placements a second, refusals not counted."""
        return self.placed / self.seconds if self.seconds else 0.0


def run(url: str, schedulers: int, boots: int, slots: int) -> Result:
    """Boot ``boots`` servers for ``slots`` places with so many scheduler processes, and count.

    :param url: an empty database; its tables are dropped at the end
    """
    from bench import fill, inside, schedulers_check

    from iaas.common import context
    from iaas.db import quotas
    from iaas.db.models.controller import CONTROLLER

    database = inside.prepare(url)
    result = Result(database.dialect, schedulers, boots, slots)
    edge = boots // 10
    try:
        for places in rooms(slots):
            fill.add_hosts(database, 1, fill.Size(places, places * fill.SERVER.memory_mb, 10 * places))
        for resource in ("instances", "cores"):
            database.write(context.admin(), quotas.set_limit, EDGE, resource, edge)
        with _workers(url, schedulers, boots - edge, 2 * edge) as workers:
            begun = time.monotonic()
            for worker in workers:
                _say(worker, "go")
            asked = [json.loads(_hear(worker)) for worker in workers]
            _until_decided(database)
            result.seconds = time.monotonic() - begun
        schedulers_check.count(database, result, edge, asked)
    finally:
        if database.dialect != "sqlite":
            CONTROLLER.drop_all(database.engine)
        database.close()
    return result


def rooms(slots: int) -> list[int]:
    """Return for how many servers each host has room: ``slots`` together."""
    made: list[int] = []
    for size in itertools.cycle(SIZES):
        if sum(made) == slots:
            return made
        made.append(min(size, slots - sum(made)))
    raise AssertionError("unreachable")


def _until_decided(database: Any) -> None:
    """Wait until no job is the scheduler's any more."""
    from bench import schedulers_check

    deadline = time.monotonic() + LIMIT
    while left := schedulers_check.undecided(database):
        if time.monotonic() > deadline:
            raise TimeoutError(f"after {LIMIT:.0f} s {left} servers still wait for a scheduler")
        time.sleep(0.1)


# -- the processes -----------------------------------------------------------------------------------------


@contextlib.contextmanager
def _workers(url: str, count: int, plain: int, edge: int) -> Iterator[list[subprocess.Popen[str]]]:
    """Start the schedulers and wait until each is ready; end them afterwards."""
    workers = []
    try:
        for number in range(count):
            shares = [str(total // count + (number < total % count)) for total in (plain, edge)]
            words = [sys.executable, __file__, "--worker", str(number), "--url", url, "--shares", ",".join(shares)]
            workers.append(subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        for worker in workers:
            assert _hear(worker) == "ready"
        yield workers
    finally:
        for worker in workers:
            worker.communicate()  # the end of its input is the end of its work
        if failed := [worker.returncode for worker in workers if worker.returncode]:
            raise RuntimeError(f"schedulers ended with {failed}")


def _say(worker: subprocess.Popen[str], word: str) -> None:
    assert worker.stdin is not None
    worker.stdin.write(word + "\n")
    worker.stdin.flush()


def _hear(worker: subprocess.Popen[str]) -> str:
    assert worker.stdout is not None
    line = worker.stdout.readline().strip()
    if not line:
        raise RuntimeError("a scheduler ended before its time; what it said is above")
    return line


def work(number: int, url: str, plain: int, edge: int) -> None:
    """Be one of the processes: accept and place until the input ends."""
    import logging

    import iaas.cmd.green  # isort: skip  # noqa: F401  patches before anything else is imported

    from bench import inside

    from iaas.common import errors, runtime
    from iaas.jobs.service import WorkerService
    from iaas.scheduler.manager import SchedulerManager

    logging.disable(logging.WARNING)  # every refusal is one
    clients = inside.connect(url, database__pool_size=6, database__pool_timeout=60.0, queue__pool_size=4)
    service = WorkerService("scheduler", clients, host=f"s{number}", manager=SchedulerManager(clients))
    service.start()
    print("ready", flush=True)
    runtime.native(sys.stdin.readline)
    asked = {PLAIN: 0, EDGE: 0, "over quota": 0}
    order = [PLAIN] * plain + [EDGE] * edge
    runtime.rng().shuffle(order)
    for project in order:
        try:
            inside.boot(clients, project)
            asked[project] += 1
        except errors.QuotaExceeded:
            asked["over quota"] += 1
        runtime.sleep(0)
    print(json.dumps(asked), flush=True)
    runtime.native(sys.stdin.read)
    service.stop()
    clients.close()


# -- the command -------------------------------------------------------------------------------------------


@contextlib.contextmanager
def server(name: str) -> Iterator[str]:
    """Give the URL of an empty database of this kind."""
    import private_servers

    with tempfile.TemporaryDirectory(prefix="iaas-schedulers-") as made:
        folder = Path(made)
        folder.chmod(0o755)  # the servers run as users of their own
        if name == "sqlite":
            yield f"sqlite:///{folder}/controller.sqlite"
            return
        started = private_servers.KINDS[name](folder / name)
        try:
            yield started.start()
        finally:
            started.stop()


def main(argv: Sequence[str]) -> int:
    from tools import arguments

    parser, count = arguments.Parser(__doc__), arguments.count
    known = ("sqlite", "mariadb", "postgresql")
    parser.add_argument("--database", action="append", choices=known, help="may be repeated (default: all three)")
    parser.add_argument("--schedulers", type=count, default=8, help="processes (default %(default)s)")
    parser.add_argument("--boots", type=count, default=5000, help="servers that are accepted (default %(default)s)")
    parser.add_argument("--slots", type=count, default=4000, help="servers that fit (default %(default)s)")
    parser.add_argument("--json", action="store_true", help="a JSON line for each database")
    parser.add_argument("--worker", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    parser.add_argument("--shares", help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.worker is not None:
        plain, edge = map(int, args.shares.split(","))
        work(args.worker, args.url, plain, edge)
        return 0
    off = 0
    for name in args.database or known:
        with server(name) as url:
            result = run(url, args.schedulers, args.boots, args.slots)
        off += len(result.problems)
        if args.json:
            print(json.dumps({**dataclasses.asdict(result), "placements_per_s": round(result.pace, 1)}), flush=True)
            continue
        print(
            f"{name}: {args.schedulers} schedulers, {args.boots} boots for {args.slots} slots: {result.placed} placed, "
            f"{result.refused} refused with the reason, {result.seconds:.1f} s, {result.pace:.0f} placements/s",
            flush=True,
        )
        for problem in result.problems:
            print(f"  {problem}", flush=True)
    return 1 if off else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
