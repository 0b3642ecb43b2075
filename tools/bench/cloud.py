"""A cloud of the bench's own, and what its processes cost: `iaas-all` with the fake hypervisor in a folder of its own.

:class:`Span` measures what any cloud costs meanwhile: this one, or one that was there before (``anycloud``).
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from bench import processes
from bench.anycloud import AnyCloud

from tools import dev_cluster

COUNTERS = re.compile(r"counters (.*)$")
PAIR = re.compile(r"([\w.]+)=(\d+)")
REQUEST = re.compile(r"iaas\.request \[\S+\] \S+ (\S+) (\S+) (\d+) ([\d.]+) ms sql=(\d+)")
DEADLINE = 60.0


class NotStarted(Exception):
    """The cloud did not come up; the sentence has its last words."""


def until(found: Callable[[], Any], what: str, *, every: float = 0.005, seconds: float = DEADLINE) -> Any:
    """Return the first true answer of ``found``.

    :raises TimeoutError: there was none.
    """
    deadline = time.perf_counter() + seconds
    while not (answer := found()):
        if time.perf_counter() > deadline:
            raise TimeoutError(f"after {seconds:.0f} s: not {what}")
        time.sleep(every)
    return answer


class Cloud:
    """`iaas-all` in ``folder``, between ``with`` and its end.

    :ivar own: it is the bench's: its log may be read, and it may be restarted
    """

    own = True

    def __init__(self, folder: Path, options: list[str]) -> None:
        self.folder = folder
        self.offset = dev_cluster.free_offset()
        self._options = options
        self._process: subprocess.Popen[str] | None = None

    @property
    def log(self) -> Path:
        return self.folder / "iaas.log"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> Cloud:
        """Start it and return when it says that it is ready."""
        words = [str(Path(sys.executable).parent / "iaas-all"), "--state-dir", str(self.folder)]
        words += ["--port-offset", str(self.offset), "--compute-driver", "fake", *self._options]
        self._process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        if not self._process.stdout.readline().startswith("ready"):
            self.stop()
            raise NotStarted(f"iaas-all did not start; its log is {self.log}")
        return self

    __enter__ = start

    def stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _: TracebackType | None
    ) -> None:
        self.stop()

    def account(self) -> dict[str, str]:
        """Return the words of ``openrc``."""
        lines = (self.folder / "openrc").read_text().splitlines()
        return dict(shlex.split(line)[1].split("=", 1) for line in lines if line.startswith("export "))

    # -- what it costs -----------------------------------------------------------------------------------

    def cpu(self) -> float:
        """Return the CPU seconds used since the start."""
        return processes.cpu(self.pid)

    def pss_mb(self) -> float:
        return processes.pss_mb(self.pid)

    def rss_mb(self, which: str = "VmRSS") -> float:
        """Return the resident memory, or with ``VmHWM`` its peak since :meth:`forget_peak`."""
        text = Path(f"/proc/{self.pid}/status").read_text()
        return int(re.findall(rf"^{which}:\s+(\d+)", text, re.MULTILINE)[0]) / 1024

    def forget_peak(self) -> None:
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")

    def statements(self) -> int:
        """Return the SQL statements sent since the start: SIGUSR1 makes the process log its counters."""
        begin = self.log_size()
        os.kill(self.pid, signal.SIGUSR1)
        return until(lambda: counted(self.log_since(begin)), "counted: no line of counters came") - 1

    def log_size(self) -> int:
        return self.log.stat().st_size

    def log_since(self, begin: int) -> str:
        with self.log.open("rb") as file:
            file.seek(begin)
            return file.read().decode(errors="replace")


def counted(text: str) -> int:
    """Return one more than the statements of the last line of counters, or 0 if there is no whole one."""
    lines = [
        match for line in text.splitlines(keepends=True) if line.endswith("\n") and (match := COUNTERS.search(line))
    ]
    return 1 + sum(int(number) for _, number in PAIR.findall(lines[-1][1])) if lines else 0


def statements_of(text: str, method: str, path: str) -> list[int]:
    """Return the statements of each request in a log whose method is ``method`` and whose path matches ``path``."""
    found = (match for line in text.splitlines() if (match := REQUEST.search(line)))
    return [int(match[5]) for match in found if match[1] == method and re.fullmatch(path, match[2])]


def machine_busy() -> float:
    """Return the CPU seconds the whole machine has used."""
    with Path("/proc/stat").open() as file:
        values = [int(word) for word in file.readline().split()[1:9]]
    return (sum(values) - values[3] - values[4]) / processes.TICK


class Span:
    """The wall time, CPU and statements of a ``with`` block; ``others`` is what other processes used, in cores.

    CPU and others are None where the cloud's processes are not watched, statements where it is not our own.
    """

    def __init__(self, cloud: Cloud | AnyCloud, *, count: bool = False) -> None:
        self._cloud = cloud
        self._count = count
        self.seconds = 0.0
        self.cpu_ms: float | None = None
        self.others: float | None = None
        self.statements: int | None = None

    def __enter__(self) -> Span:
        self._sent = self._statements()
        self._begin = self._now()
        return self

    def __exit__(self, *_: object) -> None:
        wall, own, busy, cpu = self._now()
        self.seconds = wall - self._begin[0]
        if cpu is not None and self._begin[3] is not None:
            used = cpu - self._begin[3]
            self.cpu_ms = used * 1000
            self.others = max(0.0, (busy - self._begin[2] - used - (own - self._begin[1])) / self.seconds)
        sent = self._statements()
        self.statements = None if sent is None or self._sent is None else sent - self._sent

    def each(self, count: int) -> dict[str, Any]:
        """Return the CPU and statements of one of ``count`` operations, and the others, as a figure has them."""
        cpu = None if self.cpu_ms is None else self.cpu_ms / count
        sql = None if self.statements is None else self.statements / count
        return {"cpu_ms": cpu, "sql": sql, "others": self.others}

    def _statements(self) -> int | None:
        return self._cloud.statements() if self._count and isinstance(self._cloud, Cloud) else None

    def _now(self) -> tuple[float, float, float, float | None]:
        return time.perf_counter(), sum(os.times()[:4]), machine_busy(), self._cloud.cpu()
