#!/usr/bin/env python3
"""Run every test: what needs only Python side by side, what needs this host or private servers one after the other.

    tools/run_tests.py [--fast]

The host's tests are skipped, loudly, where root, QEMU or the servers are missing.  The exit code is that of the first
part that failed; each part ends with pytest's own closing line.
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
        "stories on green threads",
        ["-n", "2", "-m", FAST, "tests/functional", "tests/unit/common"],
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
            command = [
                sys.executable,
                "-m",
                "pytest",
                "-rs",
                "--durations=5",
                "-o",
                "addopts=--strict-markers --import-mode=importlib",
            ]
            code = subprocess.run([*command, *options], cwd=ROOT, env=env, check=False).returncode
            print(f"== {number}/{len(parts)} took {time.monotonic() - begun:.0f} s", flush=True)
            worst = worst or (0 if code == 5 else code)
        ledger = subprocess.run(
            [sys.executable, "tools/coverage_ledger.py", "--strict", "--exercised", str(record)], cwd=ROOT, check=False
        )
    return worst or ledger.returncode


if __name__ == "__main__":
    sys.exit(main())
