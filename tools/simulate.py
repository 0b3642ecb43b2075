#!/usr/bin/env python3
"""Run whole clouds in a simulator, each a history of faults drawn from a seed, and check what is left of them.

A seed decides everything: what clients ask for, which daemon dies at which point, which message is lost, when a commit
is done and its answer is not heard.  The same seed gives the same history, here and elsewhere, alone and among others.

    tools/simulate.py --seed 1 --count 1000 --jobs 2     a thousand histories; those that broke a promise are named
    tools/simulate.py --seed 41 --trace                  everything that happened in one of them
    tools/simulate.py --seed 41 --shrink                 the same failure with as little around it as possible
    tools/simulate.py --mutation no-sweep --count 1000   remove a protection of the product: how soon is it noticed?
    tools/simulate.py --mutation all --count 1000        the same of every one of them
    tools/simulate.py --list                             the faults, the points and the mutations there are

How a failure is read, and how a job, a driver or a fault joins: docs/recipes/join-the-simulator.md.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tools import arguments  # noqa: E402

SHOWN = 10  # failing seeds told in full
#: what every protection is removed without: its histories are whole, and each ends at the first that fails
NOT_OF_ALL = ("trace", "shrink", "first", "all", "without", "only", "clients", "operations")


def main(argv: list[str] | None = None) -> int:
    parser = _parser()
    options = parser.parse_args(argv)
    if os.environ.get("PYTHONHASHSEED") != "0":  # the order of sets is part of a history
        os.environ["PYTHONHASHSEED"] = "0"
        os.execv(sys.executable, [sys.executable, __file__, *(sys.argv[1:] if argv is None else argv)])  # noqa: S606  ourselves
    from tests.simulation import world_run

    _check(parser, options)
    if options.list:
        return _list()
    world_run.make_ready()
    if options.mutation == "all":
        return _remove_all(options)
    plans = [
        world_run.Plan(
            seed,
            mutation=options.mutation,
            without=_without(options),
            clients=tuple(options.clients) if options.clients else None,
            operations=options.operations,
            trace=options.trace,
        )
        for seed in _seeds(options)
    ]
    return _run(plans, options)


def _run(plans: list[Any], options: argparse.Namespace) -> int:
    """Run the histories, tell what came of them, and return the exit status."""
    from tests.simulation import world_run

    stop_at_first = options.first or (options.mutation is not None and not options.all)
    report = Report(options)
    status = 0
    try:
        for outcome in world_run.run_all(plans, options.jobs, lambda done: stop_at_first and bool(done.findings)):
            report.add(outcome)
    except KeyboardInterrupt:  # what is done is told
        status = 130
    report.end()
    if options.shrink and report.failed and not status:
        _shrink(plans, report)
    return status or (1 if report.failed else 0)


def _seeds(options: argparse.Namespace) -> range:
    return range(options.seed, options.seed + options.count)


def _parser() -> arguments.Parser:
    parser = arguments.Parser(__doc__)
    count = arguments.count
    parser.add_argument("--seed", type=arguments.whole, default=1, help="the first seed (1)")
    parser.add_argument("--count", type=count, default=1, help="how many seeds, one after the other (1)")
    parser.add_argument("--jobs", type=count, default=1, help="how many at the same time (1)")
    parser.add_argument("--trace", action="store_true", help="print everything that happened")
    parser.add_argument("--shrink", action="store_true", help="look for the smallest failure behind the first one")
    parser.add_argument("--first", action="store_true", help="stop at the first seed that fails")
    parser.add_argument("--mutation", help="remove a protection of the product first; stops at the first failure")
    parser.add_argument("--all", action="store_true", help="with --mutation: run every seed")
    parser.add_argument("--without", action="append", default=[], metavar="FAULT", help="leave a kind of fault out")
    parser.add_argument("--only", action="append", default=[], metavar="FAULT", help="leave all other kinds out")
    parser.add_argument(
        "--clients", type=arguments.at_least(0), nargs="+", metavar="N", help="only these of the seed's clients"
    )
    parser.add_argument("--operations", type=count, metavar="N", help="at most so many operations of each client")
    parser.add_argument("--json", type=arguments.target, metavar="FILE", help="write what came of it for programs")
    parser.add_argument("--list", action="store_true", help="name the faults, points and mutations")
    return parser


def _check(parser: arguments.Parser, options: argparse.Namespace) -> None:
    """End with a sentence if something is named that there is not, or options are given that do nothing here."""
    from tests.simulation import mutations, world_clients
    from tests.simulation.world_faults import HIGHEST

    for kind in (*options.without, *options.only):
        if kind not in HIGHEST:
            parser.error(arguments.no_such("fault", kind, HIGHEST))
    if options.mutation and options.mutation not in ("all", *mutations.MUTATIONS):
        parser.error(arguments.no_such("mutation", options.mutation, ("all", *mutations.MUTATIONS)))
    if options.all and not options.mutation:
        parser.error("--all goes with --mutation; without it every seed is run anyway")
    if options.mutation == "all" and (idle := [name for name in NOT_OF_ALL if getattr(options, name)]):
        parser.error(f"--{idle[0]} does not go with --mutation all; name one mutation")
    for seed in _seeds(options) if options.clients else ():
        there = len(world_clients.sizes(seed))
        if max(options.clients) >= there:
            parser.error(f"seed {seed} has no client {max(options.clients)}; it has the clients 0 to {there - 1}")


def _without(options: argparse.Namespace) -> tuple[str, ...]:
    """Return the kinds of faults that are left out."""
    from tests.simulation.world_faults import HIGHEST

    others = [kind for kind in HIGHEST if options.only and kind not in options.only]
    return tuple(dict.fromkeys((*options.without, *others)))


class Report:
    """What came of all seeds: told while it comes, and at the end."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.failed: list[Any] = []
        self.done = 0
        self._begun = self._told = time.monotonic()
        self._sums: Counter[str] = Counter()
        self._passed: Counter[str] = Counter()
        self._crashed: Counter[str] = Counter()
        self._faults: Counter[str] = Counter()
        self._digests: dict[int, str] = {}

    def add(self, outcome: Any) -> None:
        """Take one seed's outcome in."""
        self.done += 1
        self._digests[outcome.seed] = outcome.digest
        self._passed.update(outcome.passed)
        self._crashed.update(outcome.crashed)
        self._faults.update(outcome.faults)
        self._sums.update(requests=outcome.requests, steps=outcome.steps, virtual=outcome.virtual, cpu=outcome.cpu)
        for line in outcome.trace:
            print(line)
        if outcome.findings:
            self.failed.append(outcome)
            if len(self.failed) <= SHOWN:
                print(f"seed {outcome.seed} FAILED:")
                for finding in outcome.findings[:SHOWN]:
                    print(f"    {finding}")
        if time.monotonic() - self._told > 10:
            self._told = time.monotonic()
            print(f"… {self.done} of {self.options.count} seeds, {len(self.failed)} failed", flush=True)

    def end(self) -> None:
        """Tell what came of everything, and write the file for programs."""
        from tests.simulation import world_faults

        if not self.done:
            print("nothing is known: it was stopped before the first seed ended")
            return
        wall = time.monotonic() - self._begun
        missed = [point for point in world_faults.points() if not self._crashed[point]]
        each = self._sums["cpu"] / self.done * 1000
        print(
            f"{self.done} seeds in {wall:.1f} s ({self.done / wall:.1f}/s, {each:.0f} ms of CPU each):"
            f" {self._sums['requests']} promises, {sum(self._faults.values())} faults,"
            f" {sum(self._crashed.values())} crashes, {self._sums['virtual'] / 3600:.1f} virtual hours"
        )
        if self.done == 1:
            print(f"trace {next(iter(self._digests.values()))}")
        points = world_faults.points()
        print(f"crashed at {len(points) - len(missed)} of {len(points)} points", end="")
        print(f"; never at {', '.join(missed)}" if missed and self.done >= len(points) else "")
        print(f"{len(self.failed)} seeds failed" if self.failed else "every promise was kept")
        if self.failed:
            first = min(outcome.seed for outcome in self.failed)
            print(f"look closer: tools/simulate.py --seed {first} --shrink   or   --seed {first} --trace")
        if self.options.json:
            self.options.json.write_text(json.dumps(self._plain()))

    def _plain(self) -> dict[str, Any]:
        return {
            "seeds": self.done,
            "failed": [dataclasses.asdict(outcome) | {"trace": []} for outcome in self.failed],
            "digests": self._digests,
            "passed": self._passed,
            "crashed": self._crashed,
            "faults": self._faults,
        }


def _shrink(plans: list[Any], report: Report) -> None:
    """Make the first failure smaller and say how to see it."""
    from tests.simulation import world_faults, world_run

    failed = min(report.failed, key=lambda outcome: outcome.seed)
    plan = next(plan for plan in plans if plan.seed == failed.seed).smaller(trace=False)
    print(f"shrinking seed {plan.seed} …")
    plan, failed = world_run.shrink(plan, failed, lambda words: print(f"    {words}", flush=True))
    words = [f"tools/simulate.py --seed {plan.seed}", *([f"--mutation {plan.mutation}"] if plan.mutation else [])]
    left = [kind for kind in world_faults.HIGHEST if kind not in plan.without]
    words += [f"--only {kind!r}" for kind in left] or [f"--without {kind!r}" for kind in plan.without]
    words += [f"--clients {' '.join(map(str, plan.clients))}"] if plan.clients is not None else []
    words += [f"--operations {plan.operations}"] if plan.operations is not None else []
    print(f"faults that are left: {', '.join(left) or 'none'}")
    for finding in failed.findings[:SHOWN]:
        print(f"    {finding}")
    print(" ".join([*words, "--trace"]))


def _remove_all(options: argparse.Namespace) -> int:
    """Remove every protection in turn and say which seed noticed; return 1 if one was not noticed."""
    from tests.simulation import mutations, world_run

    caught: dict[str, Any] = {}
    for name in mutations.MUTATIONS:
        begun, tried = time.monotonic(), 0
        first = mutations.KNOWN.get(name, options.seed)
        seeds = [first, *(seed for seed in _seeds(options) if seed != first)]
        plans = [world_run.Plan(seed, mutation=name) for seed in seeds]
        found = None
        for outcome in world_run.run_all(plans, options.jobs, lambda done: bool(done.findings)):
            tried += 1
            found = found or (outcome if outcome.findings else None)
        caught[name] = {"seed": found.seed, "finding": found.findings[0], "tried": tried} if found else None
        words = f"seed {found.seed}: {found.findings[0]:.90}" if found else "NOT NOTICED"
        print(f"{name:32} {tried:4} tried, {time.monotonic() - begun:5.1f} s, {words}", flush=True)
    missed = [name for name, how in caught.items() if how is None]
    print(f"{len(caught) - len(missed)} of {len(caught)} protections are missed when they are gone")
    if options.json:
        options.json.write_text(json.dumps(caught))
    return 1 if missed else 0


def _list() -> int:
    from tests.simulation import mutations, world_faults

    print("faults:")
    for kind, rate in world_faults.HIGHEST.items():
        print(f"    {kind:22} up to {rate:g} of its opportunities")
    print("points a daemon is killed at:")
    for point in world_faults.points():
        print(f"    {point}")
    print("mutations:")
    for name, remove in mutations.MUTATIONS.items():
        print(f"    {name:30} {(remove.__doc__ or '').splitlines()[0]}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
