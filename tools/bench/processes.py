"""What processes of this machine use: CPU in seconds, memory as PSS in MiB.

CPU is utime + stime of a process and of children it has reaped (/proc/PID/stat, in ticks of 10 ms), so a figure
needs many operations.  PSS (/proc/PID/smaps_rollup) counts a shared page once.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")


def cpu(pid: int) -> float:
    """Return the CPU seconds a process has used since its start."""
    return sum(map(int, _stat(pid)[11:15])) / TICK


def pss_mb(pid: int) -> float:
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(re.findall(r"^Pss:\s+(\d+)", text, re.MULTILINE)[0]) / 1024


def _stat(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


class Processes:
    """Some processes and all their descendants, looked up anew each time: daemons restart and fork.

    :param pids: these
    :param pattern: and those whose command line it is found in
    :param without: a process that is never one of them: whoever measures
    """

    def __init__(self, pids: Sequence[int], pattern: re.Pattern[str] | None, *, without: int) -> None:
        self._pids = set(pids)
        self._pattern = pattern
        self._without = without

    def found(self) -> list[int]:
        """Return the numbers of the processes that run now."""
        parents = _parents()
        chosen = {pid for pid in parents if pid in self._pids or self._matches(pid)} - {self._without}
        while more := {pid for pid, parent in parents.items() if parent in chosen} - chosen - {self._without}:
            chosen |= more
        return sorted(chosen)

    def cpu(self) -> float:
        return sum(_if_it_runs(cpu, pid) for pid in self.found())

    def pss_mb(self) -> float:
        return sum(_if_it_runs(pss_mb, pid) for pid in self.found())

    def _matches(self, pid: int) -> bool:
        if self._pattern is None:
            return False
        try:
            line = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            return False
        return self._pattern.search(line) is not None


def _parents() -> dict[int, int]:
    parents = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                parents[int(name)] = int(_stat(int(name))[1])
            except OSError:
                continue  # it has just ended
    return parents


def _if_it_runs(measure: Callable[[int], float], pid: int) -> float:
    try:
        return measure(pid)
    except OSError:
        return 0.0  # it has just ended
