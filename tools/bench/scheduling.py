#!/usr/bin/env python3
"""What placing one server costs with few and with many hosts: CPU of the scheduler, and SQL statements.

    tools/bench/scheduling.py [--hosts 10,100,1000,10000] [--boots 60] [--policy filter] [--url URL] [--json]

Servers are accepted by the verb of the API and placed by the scheduler's own step, in this process, one after the
other; only the placing is measured.  The hosts are rows that have just reported.  With --url (an empty MariaDB or
PostgreSQL) the work of the database is not in the CPU figure; with SQLite, the default, it is.

Shown per placing: the median of the CPU milliseconds, its 95th percentile, and the statements; then the same for a
server that fits nowhere, whose refusal says why.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import sqlalchemy as sa

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tools")]

from iaas.common import runtime  # noqa: E402

runtime.use("threads")

from bench import fill, inside  # noqa: E402

from iaas.db.models.controller import CONTROLLER  # noqa: E402
from iaas.db.tx import Database  # noqa: E402
from tools import arguments  # noqa: E402

WARM = 5


def measure(url: str, hosts: int, boots: int, policy: str) -> dict[str, dict[str, float]]:
    """Return, for a server that fits and for one that does not, CPU-ms (median, 95th percentile) and statements."""
    database = inside.prepare(url)
    clients = inside.connect(url, scheduler__policy=policy)
    rung = inside.Rung()
    clients = dataclasses.replace(clients, bell=rung)  # type: ignore[arg-type]  # it rings, and that is all
    engine = inside.engine(clients)
    found = {}
    try:
        fill.add_hosts(database, hosts)
        for name, flavor, count in (("fits", inside.SMALL, boots), ("refused", inside.HUGE, max(5, boots // 4))):
            for _ in range(WARM + count):
                inside.boot(clients, "bench", flavor)
            cpu, sent = [], clients.db.statements
            for job_id, instance_id in rung.jobs:
                begun = time.process_time()
                engine.run(job_id, instance_id)
                cpu.append((time.process_time() - begun) * 1000)
            sent = clients.db.statements - sent
            rung.jobs.clear()
            tail = sorted(cpu[WARM:])
            found[name] = {
                "cpu_ms": round(statistics.median(tail), 2),
                "p95": round(tail[int(len(tail) * 0.95)], 2),
                "sql": round(sent / (WARM + count), 1),
                "n": count,
            }
    finally:
        clients.close()
        CONTROLLER.drop_all(database.engine)
        database.close()
    return found


def empty_database(text: str) -> str:
    """The URL of a database that can be reached and has no tables: at the end those of a controller are dropped."""
    try:
        url = sa.make_url(text)
        database = Database(text)
    except (sa.exc.ArgumentError, ImportError, ValueError):
        raise arguments.Refused("it is no URL of a database whose driver is here") from None
    shown = url.render_as_string(hide_password=True)
    try:
        tables = sa.inspect(database.engine).get_table_names()
    except (sa.exc.SQLAlchemyError, OSError) as error:
        raise arguments.Refused(f"{shown} cannot be used: {getattr(error, 'orig', None) or error}") from None
    finally:
        database.close()
    if tables:
        raise arguments.Refused(f"{shown} is not empty: it has {len(tables)} tables, and would lose them")
    return text


def main(argv: Sequence[str] | None = None) -> None:
    parser, count = arguments.Parser(__doc__), arguments.count
    sizes = "10,100,1000,10000"
    parser.add_argument("--hosts", type=arguments.counts, default=sizes, help="how many hosts (default %(default)s)")
    parser.add_argument("--boots", type=count, default=60, help="servers placed per size (default %(default)s)")
    parser.add_argument("--policy", default="filter", choices=["filter", "chance", "simple", "zone"])
    parser.add_argument("--url", type=empty_database, help="an empty database in place of SQLite; it is emptied again")
    parser.add_argument("--json", action="store_true", help="a JSON line for each size in place of the table")
    args = parser.parse_args(argv)
    logging.disable(logging.WARNING)  # every refusal is one
    if not args.json:
        print(f"{'hosts':>7}  {'fits':>8} CPU-ms {'p95':>7} {'SQL':>5}  {'refused':>8} CPU-ms {'SQL':>5}")
    for hosts in args.hosts:
        with tempfile.TemporaryDirectory(prefix="iaas-bench-") as folder:
            found = measure(args.url or f"sqlite:///{folder}/c.sqlite", hosts, args.boots, args.policy)
        fits, refused = found["fits"], found["refused"]
        if args.json:
            print(json.dumps({"hosts": hosts, **found}), flush=True)
        else:
            print(
                f"{hosts:>7}  {fits['cpu_ms']:>8.2f}        {fits['p95']:>7.2f} {fits['sql']:>5.1f}"
                f"  {refused['cpu_ms']:>8.2f}        {refused['sql']:>5.1f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
