"""The kill matrix on real daemons, RabbitMQ, MariaDB and PostgreSQL, all private and on loopback.

    tools/chaos.py                                        every group once on MariaDB, the kills three times
    tools/chaos.py --database postgresql --only kill --runs 20 --seed 7
    tools/chaos.py --only database --case 'kill -9'       one case
    tools/chaos.py --list                                 the groups and cases there are, and run nothing
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

from iaas.common import log, runtime
from tools import arguments, private_servers
from tools.chaos import broker, database, disk, drain, kill, pause, report, soak, storm
from tools.chaos.cases import Case, Result, perform
from tools.chaos.lab import Lab, running

GROUPS = ("kill", "broker", "database", "pause", "drain", "load", "disk", "soak")
USUAL = [group for group in GROUPS if group != "soak"]
DATABASES = ("mariadb", "postgresql", "sqlite")
SHORTEST_SOAK = 8.0  # minutes; in less no process lives long enough for its slope to be said


def cases(group: str, asked: argparse.Namespace, kind: str) -> list[Case]:
    """Return the cases of a group on one kind of database."""
    return [case for case in _of_group(group, asked, kind) if asked.case in case.name]


def _of_group(group: str, asked: argparse.Namespace, kind: str) -> list[Case]:
    return {
        "kill": lambda: [Case("kill", "every point", kill.one_pass)],
        "broker": lambda: broker.cases(asked.long),
        "database": lambda: [] if kind == "sqlite" else database.cases(asked.long),
        "pause": lambda: pause.cases(asked.long),
        "drain": lambda: drain.cases(asked.long),
        "load": lambda: storm.cases(asked.long),
        "disk": lambda: disk.cases(asked.long, kind),
        "soak": lambda: soak.cases(asked.minutes),
    }[group]()


def _groups(text: str) -> list[str]:
    """Groups, separated by commas."""
    groups = [word.strip() for word in text.split(",")]
    for group in groups:
        if group not in GROUPS:
            raise arguments.Refused(arguments.no_such("group", group, GROUPS))
    return list(dict.fromkeys(groups))


def parser() -> arguments.Parser:
    made = arguments.Parser(__doc__)
    made.add_argument("--database", action="append", choices=DATABASES, help="may be repeated (default: mariadb)")
    made.add_argument("--only", type=_groups, default=USUAL, metavar="GROUPS",
                      help=f"of {','.join(GROUPS)} (default: all but soak)")  # fmt: skip
    made.add_argument("--case", default="", help="only cases with this in their name")
    made.add_argument("--list", action="store_true", help="run nothing; name the cases of what is asked for")
    made.add_argument("--runs", type=arguments.count,
                      help="of each point (default: 3; 20 with --long), and of each case (1)")  # fmt: skip
    made.add_argument("--long", action="store_true", help="longer outages, all requests of the load")
    made.add_argument("--minutes", type=arguments.amount, default=30.0, help="of each form of the soak (default: 30)")
    made.add_argument("--at-most", type=arguments.amount, default=240.0, metavar="MINUTES",
                      help="begin nothing after (240)")  # fmt: skip
    made.add_argument("--seed", type=arguments.whole, default=1, help="of every choice (default: 1)")
    made.add_argument("--json", type=arguments.target, metavar="FILE", help="append a line for each case")
    made.add_argument("--report", type=report.document, metavar="FILE", help="write the table into this document")
    made.add_argument("--tabulate", type=report.results, action="extend", metavar="FILE",
                      help="run nothing; take these results; may be repeated")  # fmt: skip
    made.add_argument("--keep", type=arguments.new_folder, metavar="DIR", help="copy the daemons' logs there")
    return made


def _listed(asked: argparse.Namespace) -> dict[tuple[str, str], list[Case]]:
    """Return what is asked for, by kind of database and group; without what has no case."""
    kinds = dict.fromkeys(asked.database or ["mariadb"])
    found = {(kind, group): cases(group, asked, kind) for kind in kinds for group in asked.only}
    return {key: listed for key, listed in found.items() if listed}


def _told(listed: dict[tuple[str, str], list[Case]]) -> str:
    return "\n".join(f"{kind} {group}: {'; '.join(c.name for c in found)}" for (kind, group), found in listed.items())


def _check(made: arguments.Parser, asked: argparse.Namespace) -> None:
    """End with a sentence if nothing would be run, or nothing could come of it."""
    if "soak" in asked.only and asked.minutes < SHORTEST_SOAK and not asked.list:
        made.error(f"argument --minutes: what a soak says needs {SHORTEST_SOAK:.0f} minutes or more of each form")
    if _listed(asked):
        return
    asked.case, named = "", asked.case
    there = _listed(asked)
    if there:
        made.error(f"nothing is run: no case has {named!r} in its name; there are\n{_told(there)}")
    groups = ", ".join(group for group in GROUPS if _of_group(group, asked, "sqlite"))
    made.error(f"nothing is run: there is no case of {', '.join(asked.only)} on sqlite, but of {groups}")


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
        groups = self.asked.only
        for kind in dict.fromkeys(self.asked.database or ["mariadb"]):
            if kind == "sqlite" and "database" in groups:
                print("- sqlite database is not run: it has no server that could go away")
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
    print(
        "\n" + report.table([result.as_json() for result in results])
        if results
        else "nothing was run, for the reason above"
    )
    broken = [result for result in results if result.breaches]
    for result in broken:
        print(f"BROKEN: run again with: tools/chaos.py --database {result.database} --only {result.group}"
              f" --case '{result.case}' --runs 1 --seed {result.seed}")  # fmt: skip
    return 1 if broken or not results else 0


def main(argv: Sequence[str]) -> int:
    made = parser()
    asked = made.parse_args(argv)
    if asked.tabulate:
        if asked.report:
            report.write(asked.report, asked.tabulate)
        print(report.table(asked.tabulate))
        return 0
    _check(made, asked)
    if asked.list:
        print(_told(_listed(asked)))
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
