#!/usr/bin/env python3
"""Run every test: what needs only Python first, then what needs this host beside what needs private servers.

    tools/run_tests.py [--fast]

The host's tests are skipped, loudly, where root, QEMU or the servers are missing.  They and those of the servers mostly
wait, for guests that boot and daemons that come back, so they run at the same time; the simulator's clouds that lack a
protection, at the lowest priority, take the time that is left.  What runs aside is shown when it is done.  What failed
with real guests, brokers and databases, which can miss a deadline on two busy cores, is run once more by itself; what
passes then is named, as FLAKY.  Where only Python is needed there is no deadline to miss: what fails there fails the
run.
"""

from __future__ import annotations

import concurrent.futures
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FAST = "not host and not servers and not simulation"
PARTS = [
    ("everything that needs only Python", ["-n", "2", "-m", FAST, "tests"], {}),
    (
        "stories on green threads",  # one process: xdist's own threads do not live with patched ones
        ["-m", FAST, "tests/functional", "tests/db", "tests/unit/common", "tests/unit/jobs"],
        {"IAAS_RUNTIME": "eventlet"},
    ),
    ("the whole control plane in a simulator", ["-s", "tests/simulation/test_simulation.py"], {}),
    ("real networks, guests and processes of this host", ["-m", "host and not servers", "tests"], {}),
    ("a simulator without each protection", ["-s", "tests/simulation/test_mutations.py"], {}),
    ("separate daemons, RabbitMQ, MariaDB and PostgreSQL", ["-m", "servers", "tests"], {}),
]
FIRST = 3  # of them, one after the other, with both cores; the others beside the last
WAITING = ("host and not servers", "servers")  # real machinery is in it: little CPU, deadlines that can be missed


def main() -> int:
    parts = PARTS[:2] if "--fast" in sys.argv[1:] else PARTS
    with tempfile.TemporaryDirectory() as folder:
        record = Path(folder) / "exercised.jsonl"
        runs = [Run(f"{number}/{len(parts)}", part, record) for number, part in enumerate(parts, 1)]
        for run in runs[:FIRST]:
            run.first()
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            beside = [pool.submit(run.first, aside=True) for run in runs[FIRST:-1]]
            for run in runs[FIRST:][-1:]:
                run.first()
            for done in beside:
                done.result()
        codes = [run.again() for run in runs]
        ledger = [sys.executable, "tools/coverage_ledger.py", "--strict", "--exercised", str(record)]
        claims = subprocess.run(ledger, cwd=ROOT, check=False).returncode
    return next((code for code in [*codes, claims] if code), 0)


class Run:
    """One part of the tests.

    :ivar waits: real machinery is in it, so that it needs little of the processors and may miss a deadline
    """

    def __init__(self, name: str, part: tuple[str, list[str], dict[str, str]], record: Path) -> None:
        words, options, extra = part
        self.name = f"{name} {words}"
        self.waits = any(marked in options for marked in WAITING)
        self._env = {**os.environ, "IAAS_EXERCISED": str(record), **extra}
        cache = record.with_name(f"cache{name.partition('/')[0]}")
        pytest = [sys.executable, "-m", "pytest", "-rs", "--durations=5", "-o", f"cache_dir={cache}"]
        self._command = [*pytest, *options]
        self._code = 0

    def first(self, aside: bool = False) -> None:
        """Run the part; ``aside``: show what it says at its end."""
        begun = time.monotonic()
        print(f"\n== {self.name}{', aside' if aside else ''}", flush=True)
        with tempfile.TemporaryFile("w+") as said:
            out = said if aside else None
            idly = ["nice", "-n", "19"] if aside and not self.waits else []
            self._code = subprocess.run(
                [*idly, *self._command], cwd=ROOT, env=self._env, check=False, stdout=out, stderr=out
            ).returncode
            said.seek(0)
            print(said.read(), f"== {self.name} took {time.monotonic() - begun:.0f} s", sep="", flush=True)

    def again(self) -> int:
        """Run once more what failed if a deadline may have been missed; return 0 if everything passed in the end."""
        if self._code != 1 or not self.waits:
            return 0 if self._code == 5 else self._code  # 5: this part has no tests here
        print(f"== what failed of {self.name} runs again, by itself", flush=True)
        code = subprocess.run([*self._command, "--lf", "--lfnf=none", "-rA"], cwd=ROOT, env=self._env, check=False)
        if code.returncode == 0:
            print("== FLAKY: what is listed as PASSED above failed the first time", flush=True)
        return code.returncode


if __name__ == "__main__":
    sys.exit(main())
