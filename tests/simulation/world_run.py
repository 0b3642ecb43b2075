"""Running seeds: each in a child of its own, forked from a parent that has everything ready.

A child starts from the very same memory whatever ran before it, so a seed gives the same history alone and among a
thousand; and what a history leaves behind, stacks of killed tasks above all, goes with the child.
"""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import json
import logging
import os
import select
import signal
import time
import traceback
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from tests.simulation import mutations, world_faults
from tests.simulation.world import World

SEED_SECONDS = 120.0  # of the machine's time: a seed that takes longer hangs


@dataclass(frozen=True)
class Plan:
    """What to run: a seed, what of it is left out, and the protection that is removed, if any."""

    seed: int
    mutation: str | None = None
    without: tuple[str, ...] = ()
    clients: tuple[int, ...] | None = None
    operations: int | None = None
    trace: bool = False

    def smaller(self, **changes: Any) -> Plan:
        return dataclasses.replace(self, **changes)


@dataclass
class Outcome:
    """What came of a plan, in plain values.

    :ivar findings: one sentence per breach; empty if all is well
    :ivar digest: the hash of everything that happened
    :ivar clients: how many clients took part
    """

    seed: int
    findings: list[str]
    digest: str = ""
    clients: int = 0
    requests: int = 0
    steps: int = 0
    virtual: float = 0.0
    cpu: float = 0.0
    passed: dict[str, int] = dataclasses.field(default_factory=dict)
    crashed: dict[str, int] = dataclasses.field(default_factory=dict)
    faults: dict[str, int] = dataclasses.field(default_factory=dict)
    trace: list[str] = dataclasses.field(default_factory=list)


def run_here(plan: Plan) -> Outcome:
    """Run a plan in this process; call it once per process, as it leaves stacks behind."""
    begun = time.process_time()
    with mutations.removed(plan.mutation):
        world = World(plan.seed, without=plan.without, clients=plan.clients, operations=plan.operations)
        result = world.run()
    return Outcome(
        seed=plan.seed,
        findings=[str(finding) for finding in result.findings],
        digest=result.digest,
        clients=len(world.crowd),
        requests=result.requests,
        steps=result.steps,
        virtual=result.seconds,
        cpu=time.process_time() - begun,
        passed=dict(result.coverage.passed),
        crashed=dict(result.coverage.crashed),
        faults=dict(result.coverage.faults),
        trace=result.trace if plan.trace else [],
    )


def make_ready() -> None:
    """Import, compile and connect everything once, so that children need not."""
    logging.disable(logging.CRITICAL)
    World(0, without=world_faults.HIGHEST).run()
    gc.collect()
    gc.freeze()


class _Child:
    """One plan being run in a process of its own."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.begun = time.monotonic()
        self.read, write = os.pipe()
        self._pieces: list[bytes] = []
        self._pid = os.fork()
        if self._pid == 0:
            os.close(self.read)
            _live(plan, write)
        os.close(write)

    def take(self) -> bool:
        """Take what the child said; return whether that was all."""
        piece = os.read(self.read, 1 << 16)
        self._pieces.append(piece)
        return not piece

    def outcome(self) -> Outcome:
        os.close(self.read)
        _, status = os.waitpid(self._pid, 0)
        text = b"".join(self._pieces)
        if not text:
            return Outcome(self.plan.seed, [f"SIMULATOR: the child ended with status {status} and said nothing."])
        return Outcome(**json.loads(text))

    def hangs(self) -> bool:
        if time.monotonic() - self.begun < SEED_SECONDS:
            return False
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGKILL)
        return True


def _live(plan: Plan, write: int) -> None:
    """The child's life; it ends without a word of clean-up, as a stack that is unwound would speak."""
    gc.disable()
    try:
        outcome = run_here(plan)
    except BaseException:
        outcome = Outcome(plan.seed, ["SIMULATOR: " + traceback.format_exc()])
    try:
        with os.fdopen(write, "wb") as pipe:
            pipe.write(json.dumps(dataclasses.asdict(outcome)).encode())
    finally:
        os._exit(0)


def run_all(plans: Iterable[Plan], jobs: int, until: Callable[[Outcome], bool] = lambda _: False) -> Iterator[Outcome]:
    """Run plans, ``jobs`` at the same time, and yield what comes of each as it comes; stop when ``until`` says so."""
    waiting = iter(plans)
    running: dict[int, _Child] = {}
    enough = False
    while True:
        while not enough and len(running) < jobs and (plan := next(waiting, None)) is not None:
            child = _Child(plan)
            running[child.read] = child
        if not running:
            return
        ready, _, _ = select.select(list(running), [], [], 1.0)
        for number in ready:
            if running[number].take():
                outcome = running.pop(number).outcome()
                yield outcome
                enough = enough or until(outcome)
        for child in running.values():
            child.hangs()


def run_one(plan: Plan) -> Outcome:
    """Run one plan in a child."""
    return next(run_all([plan], 1))


def shrink(plan: Plan, failed: Outcome, say: Callable[[str], None] = lambda _: None) -> tuple[Plan, Outcome]:
    """Return the smallest plan found that still fails: fewer kinds of faults, clients and operations."""

    def fails(candidate: Plan) -> bool:
        nonlocal plan, failed
        outcome = run_one(candidate)
        if not outcome.findings:
            return False
        plan, failed = candidate, outcome
        return True

    for kind in [kind for kind in world_faults.HIGHEST if kind in failed.faults]:
        if kind not in plan.without and fails(plan.smaller(without=(*plan.without, kind))):
            say(f"without {kind}: still fails")
    unused = tuple(kind for kind in world_faults.HIGHEST if kind not in failed.faults)
    plan = plan.smaller(without=tuple(dict.fromkeys((*plan.without, *unused))))
    clients: Collection[int] = plan.clients if plan.clients is not None else range(failed.clients)
    for number in list(clients):
        fewer = tuple(other for other in clients if other != number)
        if fewer and fails(plan.smaller(clients=fewer)):
            clients = fewer
            say(f"without client {number}: still fails")
    for most in range(1, 9):
        if fails(plan.smaller(operations=most)):
            say(f"with {most} operations of each client: still fails")
            break
    return plan, failed
