"""Other programs: the only place that starts one.

Arguments are lists, never a shell's text; the environment is clean; output is capped; every call has a time
limit; parsers of hostile bytes run under resource limits.  Calls block, so they run in a native thread.
"""

from __future__ import annotations

import importlib
import os
import resource
import shutil
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from iaas.common import errors, runtime

MAX_OUTPUT = 1 << 20
CLEAN_ENV = {"LC_ALL": "C", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}


class CommandFailed(errors.IaasError):
    """A program ended badly; ``fields`` hold its name, code and the tail of its error output."""

    template = "{program} failed with exit code {code}: {stderr}"


class CommandMissing(errors.IaasError):
    template = "The program {program} is not installed on this host."


@dataclass(frozen=True)
class Result:
    code: int
    out: bytes
    err: bytes


@dataclass(frozen=True)
class Limits:
    """What a program may use: bytes of address space, seconds of CPU."""

    address_space: int = 1 << 30
    cpu_seconds: int = 30


def _subprocess() -> Any:
    """The blocking subprocess module, whatever the runtime back-end patched."""
    if runtime.name() == "eventlet":
        from iaas.common.runtime import eventlet_backend

        return eventlet_backend.eventlet.patcher.original("subprocess")
    return importlib.import_module("subprocess")


def which(program: str) -> str:
    """Return the absolute path of a program.

    :raises CommandMissing: it is not installed.
    """
    found = shutil.which(program, path=CLEAN_ENV["PATH"])
    if found is None:
        raise CommandMissing(program=program)
    return found


def run(
    argv: Sequence[str | Path],
    *,
    timeout: float = 30.0,
    stdin: bytes | None = None,
    check: bool = True,
    env: Mapping[str, str] | None = None,
    limits: Limits | None = None,
    cwd: Path | None = None,
    max_output: int = MAX_OUTPUT,
) -> Result:
    """Run a program to its end and return its code and output (of each stream the last ``max_output`` bytes).

    :raises CommandFailed: it ended with another code than 0 and ``check`` is set, or took too long.
    :raises CommandMissing: it is not installed.
    """
    return runtime.native(_run, argv, timeout, stdin, check, env, limits, cwd, max_output)


def _run(
    argv: Sequence[str | Path],
    timeout: float,
    stdin: bytes | None,
    check: bool,
    env: Mapping[str, str] | None,
    limits: Limits | None,
    cwd: Path | None,
    max_output: int,
) -> Result:
    subprocess = _subprocess()
    words = [which(str(argv[0])), *map(str, argv[1:])]
    try:
        done = subprocess.run(
            words,
            input=stdin,
            stdin=None if stdin is not None else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            timeout=timeout,
            check=False,
            env={**CLEAN_ENV, **(env or {})},
            cwd=cwd,
            preexec_fn=_limiter(limits) if limits else None,
        )
    except subprocess.TimeoutExpired:
        raise CommandFailed(program=words[0], code="none", stderr=f"no answer in {timeout:g} s") from None
    result = Result(done.returncode, done.stdout[-max_output:], done.stderr[-max_output:])
    if check and result.code != 0:
        raise CommandFailed(program=words[0], code=result.code, stderr=_tail(result.err or result.out))
    return result


def _limiter(limits: Limits) -> Any:
    def apply() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (limits.address_space, limits.address_space))
        resource.setrlimit(resource.RLIMIT_CPU, (limits.cpu_seconds, limits.cpu_seconds))

    return apply


def _tail(output: bytes) -> str:
    return output.decode(errors="replace").strip()[-800:]


class Child:
    """A program that stays: a DHCP server, a private libvirtd."""

    def __init__(self, process: Any) -> None:
        self._process = process
        self.pid: int = process.pid

    def poll(self) -> int | None:
        """Return its exit code, or None while it runs."""
        return self._process.poll()

    def stop(self, timeout: float = 10.0) -> None:
        """Ask it to end, and kill it after ``timeout`` seconds."""
        runtime.native(self._stop, timeout)

    def _stop(self, timeout: float) -> None:
        if self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            self._process.wait(timeout)
        except _subprocess().TimeoutExpired:
            self._process.kill()
            self._process.wait(5)


def start(argv: Sequence[str | Path], *, log: Path, env: Mapping[str, str] | None = None) -> Child:
    """Start a program that outlives the call, in a session of its own; its output goes to ``log``."""
    return runtime.native(_start, argv, log, env)


def _start(argv: Sequence[str | Path], log: Path, env: Mapping[str, str] | None) -> Child:
    subprocess = _subprocess()
    words = [which(str(argv[0])), *map(str, argv[1:])]
    with log.open("ab") as output:
        process = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**CLEAN_ENV, **(env or {})},
            start_new_session=True,
        )
    return Child(process)


def kill(pid: int, number: int = signal.SIGTERM) -> bool:
    """Send a signal; return False if there is no such process."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True
