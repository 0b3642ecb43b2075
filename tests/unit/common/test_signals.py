"""A daemon on which nothing happens still hears its signals at once."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent.parent
IDLE = """
import signal, sys
from iaas.common import runtime
runtime.use(sys.argv[1])
stopped = runtime.event()
runtime.on_signal(signal.SIGTERM, stopped.set)
print("up", flush=True)
stopped.wait()
"""


@pytest.mark.parametrize("back_end", ["eventlet", "threads"])
def test_an_idle_process_stops_when_it_is_told_to(back_end):
    process = subprocess.Popen([sys.executable, "-c", IDLE, back_end], stdout=subprocess.PIPE, cwd=ROOT)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        _until_it_waits(process.pid)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()


def _until_it_waits(pid):
    deadline = time.monotonic() + 10
    while Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "S":
        assert time.monotonic() < deadline
