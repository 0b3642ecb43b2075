"""A cloud somebody else runs: what it is asked by, and what its processes cost where they are on this machine.

Everything is found in the catalog that the identity service gives with a token, so any cloud with Identity v3,
Compute v2.1 (microversion 2.37), Image v2 and Network v2.0 will do.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path

import yaml
from bench.processes import Processes

NEEDED = ("OS_AUTH_URL", "OS_USERNAME", "OS_PASSWORD", "OS_PROJECT_NAME")


class NoAccount(Exception):
    """There is no saying who asks which cloud; the sentence tells what is missing."""


def account(source: str, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the ``OS_*`` words of a cloud.

    :param source: ``env``; a file of lines ``export OS_…=…``; or a clouds.yaml, with ``:NAME`` if it has several
    :raises NoAccount: the source cannot be read, or lacks one of ``NEEDED``.
    """
    if source == "env":
        found = {name: value for name, value in environment.items() if name.startswith("OS_")}
    else:
        path, _, name = source.partition(":")
        try:
            text = Path(path).read_text()
        except OSError as error:
            raise NoAccount(f"{path} cannot be read: {error.strerror}") from None
        except UnicodeDecodeError:
            raise NoAccount(f"{path} cannot be read: it is not text") from None
        found = _of_yaml(path, text, name) if path.endswith((".yaml", ".yml")) else _of_rc(path, text)
    missing = [name for name in NEEDED if not found.get(name)]
    if missing:
        raise NoAccount(f"{source} does not say {', '.join(missing)}")
    return found


def _of_rc(path: str, text: str) -> dict[str, str]:
    lines = [line for line in text.splitlines() if line.strip().startswith("export ")]
    try:
        words = [shlex.split(line, comments=True) for line in lines]
    except ValueError as error:
        raise NoAccount(f"{path} is no openrc: {error}") from None
    return dict(word.split("=", 1) for line in words for word in line[1:] if "=" in word)


def _of_yaml(path: str, text: str, name: str) -> dict[str, str]:
    try:
        clouds = dict((yaml.safe_load(text) or {}).get("clouds") or {})
    except (yaml.YAMLError, AttributeError, TypeError, ValueError):
        raise NoAccount(f"{path} is no clouds.yaml") from None
    name = name or (next(iter(clouds)) if len(clouds) == 1 else "")
    if name not in clouds:
        raise NoAccount(f"{path} has the clouds {', '.join(clouds) or 'none'}: say which, as {path}:NAME")
    cloud = clouds[name]
    words = {f"OS_{key.upper()}": str(value) for key, value in (cloud.get("auth") or {}).items()}
    for key in ("region_name", "interface", "cacert"):
        if key in cloud:
            words[f"OS_{key.upper()}"] = str(cloud[key])
    return words


class AnyCloud:
    """What :class:`bench.cloud.Cloud` is to the workloads, for a cloud that was there before; it is left running.

    :ivar own: False: it has no log to read statements from, and cannot be restarted
    """

    own = False

    def __init__(self, words: dict[str, str], processes: Processes | None) -> None:
        self._words = words
        self.processes = processes

    def account(self) -> dict[str, str]:
        return self._words

    def cpu(self) -> float | None:
        """Return the CPU seconds of its processes since they started, None if they are not watched."""
        return self.processes.cpu() if self.processes else None

    def pss_mb(self) -> float | None:
        return self.processes.pss_mb() if self.processes else None

    def log_size(self) -> int:
        return 0

    def log_since(self, begin: int) -> str:
        return ""


def watched(pids: Iterable[int], pattern: re.Pattern[str] | None) -> Processes | None:
    """Return the processes named by number and by a pattern of their command lines, or None if none is asked for.

    :raises NoAccount: there is no such process.
    """
    chosen = list(pids)
    if not chosen and not pattern:
        return None
    processes = Processes(chosen, pattern, without=os.getpid())
    if not processes.found():
        raise NoAccount("no process of that number or pattern runs here")
    return processes
