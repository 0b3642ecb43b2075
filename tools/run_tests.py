#!/usr/bin/env python3
"""Run every test: what needs only Python side by side, what needs this host or private servers one after the other.

    tools/run_tests.py [--fast]

The host's tests are skipped, loudly, where root, QEMU or the servers are missing.  What failed among real guests,
brokers and databases is run once more by itself, as those can miss a deadline on two busy cores; what passes then is
named, as FLAKY.  Where only Python is needed there is no deadline to miss: what fails there fails the run.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FAST = "not host and not servers"
PARTS = [
    ("everything that needs only Python", ["-n", "2", "-m", FAST, "tests"], {}),
    (
        "stories on green threads",  # one process: xdist's own threads do not live with patched ones
        ["-m", FAST, "tests/functional", "tests/unit/common", "tests/unit/jobs"],
        {"IAAS_RUNTIME": "eventlet"},
    ),
    ("real networks, guests and processes of this host", ["-m", "host and not servers", "tests"], {}),
    ("separate daemons, RabbitMQ, MariaDB and PostgreSQL", ["-m", "servers", "tests"], {}),
]


def main() -> int:
    parts = PARTS[:2] if "--fast" in sys.argv[1:] else PARTS
    worst = 0
    with tempfile.TemporaryDirectory() as folder:
        record = Path(folder) / "exercised.jsonl"
        for number, (words, options, extra) in enumerate(parts, 1):
            begun = time.monotonic()
            print(f"\n== {number}/{len(parts)} {words}", flush=True)
            env = {**os.environ, "IAAS_EXERCISED": str(record), **extra}
            code = part(options, env, Path(folder) / f"cache{number}")
            print(f"== {number}/{len(parts)} took {time.monotonic() - begun:.0f} s", flush=True)
            worst = worst or code
        ledger = [sys.executable, "tools/coverage_ledger.py", "--strict", "--exercised", str(record)]
        claims = subprocess.run(ledger, cwd=ROOT, check=False).returncode
    return worst or claims


def part(options: list[str], env: dict[str, str], cache: Path) -> int:
    """Run one part, and once more what failed in it if real machinery is in it; return 0 if everything passed."""
    command = [sys.executable, "-m", "pytest", "-rs", "--durations=5", "-o", f"cache_dir={cache}", *options]
    code = subprocess.run(command, cwd=ROOT, env=env, check=False).returncode
    if code != 1 or FAST in options:
        return 0 if code == 5 else code  # 5: this part has no tests here
    print("== what failed runs again, by itself", flush=True)
    again = [*command, "--lf", "--lfnf=none", "-rA"]
    code = subprocess.run(again, cwd=ROOT, env=env, check=False).returncode
    if code == 0:
        print("== FLAKY: what is listed as PASSED above failed the first time", flush=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
