#!/usr/bin/env python3
"""`make bench`: start a cloud with the fake hypervisor in a folder of its own, and measure it as a client sees it.

    tools/bench/run.py [--only NAME ...] [--json FILE] [--label TEXT] [--dir DIR] [--set group.option=value ...]

Medians and 95th percentiles, CPU milliseconds (user and system, of the server) and SQL statements of one
operation.  The column "others" says how many cores other processes used meanwhile: a wall time is worth little when
it is not near 0, CPU a little more.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench import report, work
from bench.client import Client
from bench.cloud import Cloud, until
from bench.goals import Figure

WORK: dict[str, Callable[[work.Bench], Iterator[Figure]]] = {
    "token": work.tokens, "image": work.images, "get": work.gets, "boot": work.boot, "boots": work.boots,
    "netboot": work.networked, "list": work.lists, "idle": work.idle,
}  # fmt: skip
STARTS = 3


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", choices=["start", *WORK], help="measure this; may be repeated")
    parser.add_argument("--json", type=Path, metavar="FILE", help="append a JSON line for each figure")
    parser.add_argument("--label", default="", help="what the run is called in its output")
    parser.add_argument(
        "--dir", type=Path, help="where the cloud's folder is made (default: where temporary files are)"
    )
    parser.add_argument("--image-mb", type=int, default=256, help="MiB of the image (default 256)")
    parser.add_argument("--boots", type=int, default=100, help="servers of the workloads of many (default 100)")
    parser.add_argument(
        "--set", action="append", default=[], metavar="GROUP.OPTION=VALUE", help="an option of the cloud"
    )
    return parser.parse_args()


def starts(cloud: Cloud, bench: work.Bench) -> Iterator[Figure]:
    """Start a cloud that is set up already, and boot a server, a few times."""
    times, cpu = [], []
    for _ in range(STARTS):
        cloud.stop()
        begun = time.perf_counter()
        cloud.start()
        bench.client = Client(cloud.account()).login()
        server = bench.post(bench.client, "bench-start")
        until(lambda server=server: bench.is_active(server), "ACTIVE")
        times.append((time.perf_counter() - begun) * 1000)
        cpu.append(cloud.cpu() * 1000)
        bench.clear("bench-start")
    yield Figure("start to first ACTIVE", statistics.median(times), n=STARTS, cpu_ms=statistics.median(cpu))
    time.sleep(5)
    yield Figure("idle memory", cloud.pss_mb(), "MiB PSS", note="1 process, after one boot")


def measure(cloud: Cloud, args: argparse.Namespace) -> list[Figure]:
    """Return the figures asked for, saying what is done meanwhile."""
    begun = time.perf_counter()
    with cloud:
        bench = work.Bench(cloud, Client(cloud.account()).login(), args.image_mb, args.boots)
        figures = [Figure("set up an empty folder", (time.perf_counter() - begun) * 1000)]
        wanted: dict[str, Callable[[], Iterator[Figure]]] = {"start": lambda: starts(cloud, bench)}
        wanted |= {name: lambda run=run: run(bench) for name, run in WORK.items()}
        for name, run in wanted.items():
            if not args.only or name in args.only:
                print(f"  {name} …", file=sys.stderr, flush=True)
                figures += run()
    return figures


def main() -> None:
    sys.setswitchinterval(0.0005)  # the clients are threads of one interpreter; let none wait long for its turn
    args = options()
    with tempfile.TemporaryDirectory(prefix="iaas-bench-", dir=args.dir) as folder:
        cloud = Cloud(Path(folder), [word for value in args.set for word in ("--set", value)])
        figures = measure(cloud, args)
    load = os.getloadavg()[0]
    title = f"{args.label or 'iaas'}: {os.cpu_count()} cores, load {load:.1f}"
    if args.json:
        report.write(figures, args.json, label=args.label, at=time.time(), load=load, cores=os.cpu_count())
    report.show(figures, title)


if __name__ == "__main__":
    main()
