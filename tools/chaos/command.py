"""The kill matrix on real daemons, RabbitMQ, MariaDB and PostgreSQL, all private and on loopback.

    tools/chaos.py                                        every group once on MariaDB, the kills three times
    tools/chaos.py --database postgresql --only kill --runs 20 --seed 7
    tools/chaos.py --only database --case 'kill -9'       one case
    tools/chaos.py --only soak --minutes 30               does any daemon grow?
    tools/chaos.py --long --json run.jsonl --report docs/reliability.md
    tools/chaos.py --tabulate run.jsonl --report docs/reliability.md

Every client keeps book of what was answered 2xx.  After each fault the cloud must settle within 60 s, keep every
promise, do nothing twice, be found sound by the doctor, and be empty when all is deleted.  Only processes of its own
are killed; everything is stopped and removed at the end.  The exit status is 1 if anything was broken.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from iaas.common import log, runtime
from tools import private_servers
from tools.chaos import broker, database, disk, drain, kill, pause, report, soak, storm
from tools.chaos.cases import Case, Result, perform
from tools.chaos.lab import Lab, running

GROUPS = ("kill", "broker", "database", "pause", "drain", "load", "disk", "soak")
USUAL = [group for group in GROUPS if group != "soak"]


def cases(group: str, asked: argparse.Namespace, kind: str) -> list[Case]:
    """Return the cases of a group on one kind of database."""
    made = {
        "kill": lambda: [Case("kill", "every point", kill.one_pass)],
        "broker": lambda: broker.cases(asked.long),
        "database": lambda: [] if kind == "sqlite" else database.cases(asked.long),
        "pause": lambda: pause.cases(asked.long),
        "drain": lambda: drain.cases(asked.long),
        "load": lambda: storm.cases(asked.long),
        "disk": lambda: disk.cases(asked.long, kind),
        "soak": lambda: soak.cases(asked.minutes),
    }[group]()
    return [case for case in made if asked.case in case.name]


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--database", action="append", choices=["mariadb", "postgresql", "sqlite"],
                      help="may be repeated (default: mariadb)")  # fmt: skip
    made.add_argument("--only", default=",".join(USUAL), help=f"groups, of {','.join(GROUPS)} (default: all but soak)")
    made.add_argument("--case", default="", help="only cases with this in their name")
    made.add_argument("--runs", type=int, help="of each point (default: 3; 20 with --long), and of each case (1)")
    made.add_argument("--long", action="store_true", help="longer outages, all requests of the load")
    made.add_argument("--minutes", type=float, default=30.0, help="of each form of the soak (default: 30)")
    made.add_argument("--at-most", type=float, default=240.0, metavar="MINUTES", help="begin nothing after (240)")
    made.add_argument("--seed", type=int, default=1, help="of every choice (default: 1)")
    made.add_argument("--json", type=Path, metavar="FILE", help="append a line for each case")
    made.add_argument("--report", type=Path, metavar="FILE", help="write the table into this document")
    made.add_argument("--tabulate", type=Path, action="append", metavar="FILE", help="run nothing; take these results")
    made.add_argument("--keep", type=Path, metavar="DIR", help="copy the daemons' logs there")
    return made


class Runner:
    """Runs cases on labs, shows them, keeps their results; a broken lab is not used again."""

    def __init__(self, asked: argparse.Namespace) -> None:
        self.asked = asked
        self.results: list[Result] = []
        self._screen = report.Screen()
        self._deadline = time.monotonic() + asked.at_most * 60

    @property
    def late(self) -> bool:
        return time.monotonic() > self._deadline

    def all(self) -> None:
        """Run everything that was asked for."""
        groups = self.asked.only.split(",")
        for kind in self.asked.database or ["mariadb"]:
            plain = [job for group in groups if group not in ("disk", "soak") for job in self._jobs(group, kind)]
            self._on_labs(kind, plain)
            if "disk" in groups:
                try:
                    self._on_labs(kind, self._jobs("disk", kind))
                except disk.CannotMount as refused:
                    print(f"- {kind} disk is not run: {refused}")
            if "soak" in groups:
                self._on_labs(kind, self._jobs("soak", kind))

    def _jobs(self, group: str, kind: str) -> list[tuple[Case, int]]:
        """Return (case, seed) for every run of a group."""
        usual = (20 if self.asked.long else 3) if group == "kill" else 1
        runs = self.asked.runs or usual
        return [(case, self.asked.seed + run) for case in cases(group, self.asked, kind) for run in range(runs)]

    def _on_labs(self, kind: str, jobs: list[tuple[Case, int]]) -> None:
        left = list(jobs)
        while left and not self.late:
            with self._lab(kind, left[0][0].group) as lab:
                while left and not self.late:
                    case, seed = left.pop(0)
                    if self.run(lab, case, seed).breaches:
                        break  # the next one gets a sound cloud
        if left:
            print(f"not begun for lack of time: {len(left)} runs on {kind}")

    @contextlib.contextmanager
    def _lab(self, kind: str, group: str) -> Iterator[Lab]:
        keep = self.asked.keep / f"{kind}-{len(self.results)}" if self.asked.keep else None
        self._screen.begin(kind)
        self._screen.say("the cluster starts")
        mounted = disk.mounts if group == "disk" else None
        with running(kind, self.asked.seed, keep=keep, mounted=mounted) as lab:
            yield lab

    def run(self, lab: Lab, case: Case, seed: int) -> Result:
        """Run one case and keep what it came to."""
        self._screen.begin(f"{lab.cluster.database} {case.group} {case.name} (seed {seed})")
        result = perform(lab, case, seed, self._screen.say)
        self.results.append(result)
        self._screen.end(result)
        if self.asked.json:
            with self.asked.json.open("a") as file:
                print(json.dumps(result.as_json()), file=file)
        return result


def _summary(results: Sequence[Result]) -> int:
    """Say what a run came to, and how to run again what broke; return the exit status."""
    print("\n" + report.table([result.as_json() for result in results]) if results else "nothing was run")
    broken = [result for result in results if result.breaches]
    for result in broken:
        print(f"BROKEN: run again with: tools/chaos.py --database {result.database} --only {result.group}"
              f" --case '{result.case}' --runs 1 --seed {result.seed}")  # fmt: skip
    return 1 if broken or not results else 0


def main(argv: Sequence[str]) -> int:
    asked = parser().parse_args(argv)
    if unknown := set(asked.only.split(",")) - set(GROUPS):
        parser().error(f"no such group: {', '.join(sorted(unknown))}")
    if asked.tabulate:
        kept = report.read(asked.tabulate)
        if asked.report:
            report.write(asked.report, kept)
        print(report.table(kept))
        return 0
    runtime.use("threads")
    log.setup("error")
    for number in (signal.SIGINT, signal.SIGTERM):  # a shell starts what runs behind it with SIGINT ignored
        signal.signal(number, signal.default_int_handler)
    runner = Runner(asked)
    try:
        runner.all()
    except private_servers.Missing as missing:
        print(f"nothing can be run here, {missing}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nstopped; everything of it is ended and removed", file=sys.stderr)
        _summary(runner.results)
        return 130
    status = _summary(runner.results)
    if asked.report and runner.results:
        report.write(asked.report, [result.as_json() for result in runner.results])
    return status
