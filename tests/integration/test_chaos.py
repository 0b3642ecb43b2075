"""The kill matrix in its short form: every point three times over two databases, and a choice of the other faults.

The whole of it: tools/chaos.py. What it is: docs/reliability.md.
"""

from __future__ import annotations

import argparse
import contextlib

import pytest

from tools import private_servers
from tools.chaos import command, disk
from tools.chaos.cases import perform
from tools.chaos.lab import running

pytestmark = pytest.mark.servers

#: database → (group, case, seeds)
SHORT = {
    "mariadb": [
        ("kill", "every point", (1, 2)),
        ("broker", "away", (1,)),
        ("broker", "messages stolen", (1,)),
        ("broker", "half-open", (1,)),
        ("broker", "messages twice and out of order", (1,)),
        ("database", "kill -9", (1,)),
        ("database", "deadlocks", (1,)),
        ("database", "answers to COMMIT lost", (1,)),
        ("pause", "compute for 6 s", (1,)),
        ("load", "50 kills in a row", (1,)),
    ],
    "postgresql": [
        ("kill", "every point", (3,)),
        ("database", "kill -9", (1,)),
        ("database", "connections killed", (1,)),
        ("database", "deadlocks", (1,)),
        ("database", "answers to COMMIT lost", (1,)),
    ],
}
RUNS = [(kind, group, name, seed) for kind, rows in SHORT.items() for group, name, seeds in rows for seed in seeds]


class Labs:
    """The lab of the moment: a cloud that broke a promise is not used again."""

    def __init__(self):
        self._stack = contextlib.ExitStack()
        self._key, self._lab = None, None

    def get(self, kind, mounted=None):
        if self._key != (kind, mounted):
            self.drop()
            try:
                self._lab = self._stack.enter_context(running(kind, 1, mounted=mounted))
            except private_servers.Missing as missing:
                pytest.skip(f"NO CLUSTER ON THIS MACHINE, {missing}")
            except disk.CannotMount as refused:
                pytest.skip(str(refused))
            self._key = (kind, mounted)
        return self._lab

    def drop(self):
        self._key, self._lab = None, None
        self._stack.close()


@pytest.fixture(scope="module")
def labs():
    made = Labs()
    yield made
    made.drop()


def held(labs, lab, group, name, seed, capsys):
    asked = argparse.Namespace(long=False, case=name, minutes=1.0)
    (case,) = command.cases(group, asked, lab.cluster.database)
    result = perform(lab, case, seed, lambda text: None)
    if result.breaches:
        labs.drop()
    with capsys.disabled():
        print(f"\n{lab.cluster.database} {group} {name}: {result.seconds} s, {result.facts}")
    assert result.breaches == []


@pytest.mark.parametrize(("kind", "group", "name", "seed"), RUNS, ids=lambda value: str(value))
def test_what_was_promised_is_kept(labs, kind, group, name, seed, capsys):
    held(labs, labs.get(kind), group, name, seed, capsys)


@pytest.mark.parametrize(("kind", "name"), [("sqlite", "database full"), ("mariadb", "image store full")])
def test_a_full_disk_is_a_refusal(labs, kind, name, capsys):
    held(labs, labs.get(kind, disk.mounts), "disk", name, 1, capsys)
