#!/usr/bin/env python3
"""`make bench`: start a cloud with the fake hypervisor in a folder of its own, and measure it as a client sees it.

    tools/bench/run.py [--only NAME ...] [--json FILE] [--label TEXT]      a cloud of its own: every workload
    tools/bench/run.py --growth                                            the same beside 10,000 servers and hosts
    tools/bench/run.py --cloud openrc [--process-pattern REGEX]            a cloud that is there, of whatever make
    tools/bench/run.py --compare A.jsonl B.jsonl                           two runs side by side

Medians and 95th percentiles, CPU milliseconds (user and system, of the server) and SQL statements of one
operation.  The column "others" says how many cores other processes used meanwhile: a wall time is worth little when
it is not near 0, CPU a little more.

With --cloud everything is found in the catalog: identity v3, compute v2.1, image v2, network v2.0.  Give an openrc
(lines "export OS_...=..."), a clouds.yaml (clouds.yaml:NAME if it has several clouds) or "env" for the OS_* variables.
The user must be allowed to make a flavor.  What is made is called "bench..." and removed again.  CPU and memory are
measured if the cloud's processes run on this machine and are named:

    tools/bench/run.py --cloud env --process-pattern '/usr/bin/(nova|keystone|glance|neutron)-' --json theirs.jsonl
    tools/bench/run.py --cloud cloud/openrc --process-pattern 'bin/iaas-' --json ours.jsonl
    tools/bench/run.py --compare theirs.jsonl ours.jsonl
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tools"), str(ROOT)]

from bench import anycloud, report, work  # noqa: E402
from bench.anycloud import AnyCloud  # noqa: E402
from bench.client import Client, Refused  # noqa: E402
from bench.cloud import Cloud, until  # noqa: E402
from bench.goals import Figure  # noqa: E402

from tools import arguments  # noqa: E402

WORK: dict[str, Callable[[work.Bench], Iterator[Figure]]] = {
    "token": work.tokens, "image": work.images, "get": work.gets, "boot": work.boot, "boots": work.boots,
    "netboot": work.networked, "list": work.lists, "idle": work.idle,
}  # fmt: skip
STARTS = 3


def options() -> arguments.Parser:
    parser = arguments.Parser(__doc__)
    count, numbers = arguments.count, arguments.counts
    what = parser.add_argument_group("what is measured")
    what.add_argument("--only", action="append", choices=["start", *WORK], help="measure this; may be repeated")
    what.add_argument("--growth", action="store_true", help="boots and lists beside more and more servers and hosts")
    what.add_argument("--image-mb", type=count, default=256, help="MiB of the image (default %(default)s)")
    what.add_argument("--boots", type=count, default=100, help="servers of the workloads of many (default %(default)s)")
    which = parser.add_argument_group("which cloud (without --cloud: one of its own)")
    which.add_argument("--cloud", metavar="SOURCE", help="openrc, clouds.yaml[:NAME] or env: one that is there")
    which.add_argument("--pids", type=numbers, default=[], help="with --cloud: its processes by number, with commas")
    which.add_argument("--process-pattern", type=arguments.pattern, metavar="REGEX",
                       help="with --cloud: its processes, by command line")  # fmt: skip
    which.add_argument("--dir", type=arguments.folder, help="where an own cloud's folder is made (default: TMPDIR)")
    which.add_argument("--set", action="append", default=[], metavar="GROUP.OPTION=VALUE", help="an own cloud's option")
    told = parser.add_argument_group("how it is told")
    told.add_argument("--json", type=arguments.target, metavar="FILE", help="append a JSON line for each figure")
    told.add_argument("--label", default="", help="what the run is called in its output")
    told.add_argument("--compare", nargs=2, type=_run, metavar=("A", "B"), help="print two such files side by side")
    return parser


def _run(text: str) -> tuple[str, dict[str, dict[str, Any]]]:
    """An earlier run: what its file is called, and its figures."""
    return Path(text).stem, report.read(Path(text))


def _check(parser: arguments.Parser, args: argparse.Namespace) -> None:
    """End with a sentence if options do not go together, or an option of the cloud is none."""
    from iaas.common import conf

    if args.cloud and (args.growth or args.dir or args.set or "start" in (args.only or ())):
        parser.error("--growth, --dir, --set and --only start are about a cloud of its own, not with --cloud")
    if args.growth and args.only:
        parser.error("--growth measures all of its figures; --only does not go with it")
    if not args.cloud and (args.pids or args.process_pattern):
        parser.error("--pids and --process-pattern go with --cloud; of a cloud of its own the processes are known")
    try:
        conf.load([], args.set)
    except conf.ConfigError as error:
        parser.error(f"argument --set: {error}")


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


def own(args: argparse.Namespace) -> list[Figure]:
    """Measure a cloud of our own, and leave nothing of it."""
    with tempfile.TemporaryDirectory(prefix="iaas-bench-", dir=args.dir) as folder:
        begun = time.perf_counter()
        with Cloud(Path(folder), [word for value in args.set for word in ("--set", value)]) as cloud:
            first = Figure("set up an empty folder", (time.perf_counter() - begun) * 1000)
            bench = work.Bench(cloud, Client(cloud.account()).login(), args.image_mb, args.boots)
            if args.growth:
                from bench import growth

                return [first, *_told(growth.measure(cloud, bench))]
            wanted: dict[str, Callable[[], Iterator[Figure]]] = {"start": lambda: starts(cloud, bench)}
            wanted |= {name: lambda run=run: run(bench) for name, run in WORK.items()}
            return [first, *_measured(wanted, args.only)]


def others(args: argparse.Namespace) -> list[Figure]:
    """Measure a cloud that is there, and remove what was made in it."""
    watched = anycloud.watched(args.pids, args.process_pattern)
    cloud = AnyCloud(anycloud.account(args.cloud, os.environ), watched)
    bench = work.Bench(cloud, Client(cloud.account()).login(), args.image_mb, args.boots)
    figures = []
    if watched is not None:
        note = f"{len(watched.found())} processes"
        figures.append(Figure("memory before the work", watched.pss_mb(), "MiB PSS", note=note))
    try:
        return figures + _measured({name: lambda run=run: run(bench) for name, run in WORK.items()}, args.only)
    finally:
        bench.close()


def _measured(wanted: dict[str, Callable[[], Iterator[Figure]]], only: list[str] | None) -> list[Figure]:
    """Return the figures asked for, saying what is done meanwhile."""
    figures: list[Figure] = []
    for name, run in wanted.items():
        if not only or name in only:
            print(f"  {name} …", file=sys.stderr, flush=True)
            figures += run()
    return figures


def _told(figures: Iterator[Figure]) -> Iterator[Figure]:
    for figure in figures:
        print(f"  {figure.name}: {report.number(figure.median)} {figure.unit}", file=sys.stderr, flush=True)
        yield figure


def main(argv: Sequence[str] | None = None) -> int:
    parser = options()
    args = parser.parse_args(argv)
    if args.compare:
        names, runs = zip(*args.compare, strict=True)
        report.compare(*runs, names=names)
        return 0
    _check(parser, args)
    sys.setswitchinterval(0.0005)  # the clients are threads of one interpreter; let none wait long for its turn
    try:
        figures = others(args) if args.cloud else own(args)
    except (anycloud.NoAccount, Refused, OSError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    load = os.getloadavg()[0]
    title = f"{args.label or args.cloud or 'iaas'}: {os.cpu_count()} cores, load {load:.1f}"
    if args.json:
        report.write(figures, args.json, label=args.label, at=time.time(), load=load, cores=os.cpu_count())
    report.show(figures, title, peer=not args.growth)
    return 0


if __name__ == "__main__":
    sys.exit(main())
