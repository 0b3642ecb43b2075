"""The seam in a simulator: one thread, tasks that take turns by the draw of a seed, and a clock that jumps.

Unmodified code runs on it, many processes of it at once, and the same seed gives the same history::

    backend = SimBackend(seed=7)
    runtime.install(backend)
    daemon = backend.process("compute.host1")
    backend.spawn_in(daemon, service.start)
    runtime.sleep(30)                    # thirty virtual seconds, in no time
    backend.kill(daemon)                 # as kill -9 does: none of its tasks ever runs again

A task runs until it waits; then one of those that can run is drawn.  When none can, the clock jumps to the next moment
somebody waits for.  The code that made the back-end is a task like any other, of the process ``root``.
"""

from __future__ import annotations

import contextlib
import contextvars
import functools
import heapq
import logging
import random
import socket
import uuid
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import greenlet

from iaas.common.runtime import base
from iaas.common.runtime.sim_sync import SimEvent, SimLocal, SimLock, SimQueue, SimSemaphore

T = TypeVar("T")
LOG = logging.getLogger(__name__)
EPOCH = 1_800_000_000.0  # where the wall clock starts
MAX_STEPS = 200_000  # switches without a tick of the clock
NOT_SIMULATED = "the simulator has no {}: give the code a stand-in"

#: the stacks of killed tasks: one that nobody refers to would be unwound, and its ``finally`` blocks would run
_BURIED: list[Any] = []


class Stuck(RuntimeError):
    """The simulation cannot go on: everybody waits for ever, or nobody lets time pass."""


class Process:
    """What dies and stops as one.  Tasks belong to the process of the task that spawned them.

    :ivar held: the locks its tasks hold
    :ivar at_kill: called, in the killer's task, as the process dies
    :ivar clock_step: how far its wall clock is off, in seconds
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.alive = True
        self.stopped_until = 0.0
        self.clock_step = 0.0
        self.held: dict[SimLock, None] = {}
        self.at_kill: list[Callable[[], None]] = []
        self.tasks: dict[SimTask, None] = {}
        self.parked: list[Wait] = []

    def __repr__(self) -> str:
        return f"<Process {self.name}>"


class Wait:
    """A task that waits, once."""

    __slots__ = ("over", "task", "value")

    def __init__(self, task: SimTask) -> None:
        self.task = task
        self.over = False
        self.value: Any = None


class SimTask:
    """A greenlet, the process it belongs to, and what came of it."""

    def __init__(self, backend: SimBackend, process: Process, call: Callable[[], Any] | None, *, native: bool) -> None:
        self.process = process
        self.native = native
        self.awaited = False
        self.done = False
        self.result: Any = None
        self.error: BaseException | None = None
        self._backend = backend
        self._call = call
        self._waiting: list[Wait] = []
        self.strand = greenlet.greenlet(self._run, backend.root_strand) if call is not None else backend.root_strand

    @property
    def name(self) -> str:
        call = getattr(self._call, "func", self._call)
        return getattr(call, "__qualname__", str(call))

    def _run(self) -> None:
        assert self._call is not None  # noqa: S101  only the root has none, and it is never started
        try:
            self.result = self._call()
        except Exception as error:
            self.error = error
            if not self.awaited:
                LOG.exception("task %s failed", self.name)
        except BaseException as error:
            if not self.native:
                raise
            self.error = error
        self.done = True
        self.process.tasks.pop(self, None)
        for wait in self._waiting:
            self._backend.wake(wait, True)

    def join(self, timeout: float | None = None) -> bool:
        """Wait for the end, for at most ``timeout`` seconds; return whether it came."""
        self.awaited = True
        if not self.done:
            wait = self._backend.new_wait()
            self._waiting.append(wait)
            self._backend.park(wait, timeout)
        return self.done

    def wait(self) -> Any:
        self.join()
        if self.error is not None:
            raise self.error
        return self.result


class SimBackend(base.Backend):
    """One simulated world.

    :param seed: decides every draw: of the scheduler, of :meth:`rng`, of ids and of secrets, each from its own stream
    :ivar current: the task that runs now
    :ivar native_delay: virtual seconds that a native call takes before it does its work, by function; None: none
    :ivar steps: how often a task was given its turn
    """

    name = "sim"

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed
        self.native_delay: Callable[[Callable[..., Any]], float] | None = None
        self.steps = 0
        self.root_strand = greenlet.getcurrent()
        self.root = Process("root")
        self.processes: list[Process] = [self.root]
        self.current = self._root_task = SimTask(self, self.root, None, native=False)
        self._order = random.Random(f"{seed} order")
        self._chance = random.Random(f"{seed} chance")
        self._names = random.Random(f"{seed} names")
        self._secrets = random.Random(f"{seed} secrets")
        self._now = 0.0
        self._ticked_at = 0
        self._ready: list[Wait] = []
        self._timers: list[tuple[float, int, Wait | Callable[[], None]]] = []
        self._timer_count = 0

    # -- processes -----------------------------------------------------------------------------------------

    def process(self, name: str) -> Process:
        """Return a new process that has no tasks yet."""
        made = Process(name)
        self.processes.append(made)
        return made

    def spawn_in(self, process: Process, fn: Callable[..., T], *args: Any, **kwargs: Any) -> base.Task[T]:
        """Run ``fn`` as a task of ``process``; a task of one that is dead never runs."""
        return self._new_task(process, functools.partial(fn, *args, **kwargs), native=False)

    @contextlib.contextmanager
    def inside(self, process: Process) -> Iterator[None]:
        """Let what the current task spawns in this block belong to ``process``."""
        task = self.current
        before, task.process = task.process, process
        try:
            yield
        finally:
            task.process = before

    def kill(self, process: Process) -> None:
        """End a process as ``kill -9`` does: its tasks never run again, and no ``finally`` or ``except`` of theirs.

        It does not return to a task of that process.
        """
        if not process.alive:
            return
        process.alive = False
        self.processes.remove(process)
        _BURIED.extend(process.tasks)
        for lock in list(process.held):
            lock.forfeit()
        for told in process.at_kill:
            told()
        if self.current.process is process:
            self.root_strand.switch()
            raise AssertionError("a dead task ran")

    def pause(self, process: Process, seconds: float) -> None:
        """Stop a process as ``SIGSTOP`` does, and let it go on after ``seconds``; its timers run meanwhile."""
        process.stopped_until = max(process.stopped_until, self._now + seconds)
        self._at(process.stopped_until, lambda: self._resume(process))
        if self.current.process is process:
            self.sleep(0)

    def _resume(self, process: Process) -> None:
        if self._now >= process.stopped_until:
            self._ready.extend(process.parked)
            process.parked.clear()

    # -- taking turns --------------------------------------------------------------------------------------

    def draw(self, count: int) -> int:
        """Return one of ``range(count)``, by the scheduler's stream of chance."""
        return self._order.randrange(count) if count > 1 else 0

    def new_wait(self) -> Wait:
        """Return a wait of the current task, to be handed to :meth:`park` by it and to :meth:`wake` by another."""
        return Wait(self.current)

    def park(self, wait: Wait, timeout: float | None = None) -> Any:
        """Let others run until somebody wakes ``wait`` and return the value, or None after ``timeout`` seconds."""
        if timeout is not None:
            self._at(self._now + max(timeout, 0.0), wait)
        if self.current is self._root_task:
            return self._run_others()
        self.root_strand.switch()
        return wait.value

    def wake(self, wait: Wait, value: Any) -> None:
        """Let the task of ``wait`` go on, unless it does already."""
        if not wait.over:
            wait.over, wait.value = True, value
            self._ready.append(wait)

    def _run_others(self) -> Any:
        """Give turns until it is the root's; return what it was woken with."""
        ready = self._ready
        while True:
            if not ready:
                self._jump()
                continue
            index = self.draw(len(ready))
            wait, ready[index] = ready[index], ready[-1]
            ready.pop()
            process = wait.task.process
            if not process.alive:
                continue
            if process.stopped_until > self._now:
                process.parked.append(wait)
                continue
            self._count_step()
            if wait.task is self._root_task:
                return wait.value
            self.current = wait.task
            wait.task.strand.switch()
            self.current = self._root_task

    def _count_step(self) -> None:
        self.steps += 1
        if self.steps - self._ticked_at > MAX_STEPS:
            raise Stuck(f"{MAX_STEPS} turns and no time passed; the last was of {self.current.process.name}")

    def _jump(self) -> None:
        """Move the clock to the next moment somebody waits for."""
        timers = self._timers
        while timers:
            moment = timers[0][0]
            due = []
            while timers and timers[0][0] == moment:
                what = heapq.heappop(timers)[2]
                if not isinstance(what, Wait) or not what.over:
                    due.append(what)
            if due:
                self._now, self._ticked_at = moment, self.steps
                for what in due:
                    self.wake(what, None) if isinstance(what, Wait) else what()
                return
        raise Stuck("every task waits for another one")

    def _at(self, moment: float, what: Wait | Callable[[], None]) -> None:
        self._timer_count += 1
        heapq.heappush(self._timers, (moment, self._timer_count, what))

    def _new_task(self, process: Process, call: Callable[[], Any], *, native: bool) -> SimTask:
        task = SimTask(self, process, call, native=native)
        if process.alive:
            process.tasks[task] = None
            self.wake(Wait(task), None)
        return task

    # -- running -------------------------------------------------------------------------------------------

    def spawn(self, fn: Callable[..., T], *args: Any, **kwargs: Any) -> base.Task[T]:
        return self._new_task(self.current.process, functools.partial(fn, *args, **kwargs), native=False)

    def sleep(self, seconds: float) -> None:
        wait = Wait(self.current)
        if seconds <= 0:
            self.wake(wait, None)
            self.park(wait)
        else:
            self.park(wait, seconds)

    def native(self, fn: Callable[..., T], *args: Any, timeout: float | None, **kwargs: Any) -> T:
        if self.current.native:
            return fn(*args, **kwargs)
        call = functools.partial(fn, *args, **kwargs)
        task = self._new_task(self.current.process, lambda: self._slowly(fn, call), native=True)
        task.strand.gr_context = contextvars.copy_context()  # what it logs is of the caller's request
        if not task.join(timeout):
            raise base.NativeTimeout(f"{getattr(fn, '__qualname__', fn)} took over {timeout} s")
        if task.error is not None:
            raise task.error
        return task.result

    def _slowly(self, fn: Callable[..., Any], call: Callable[[], T]) -> T:
        delay = self.native_delay(fn) if self.native_delay is not None else 0.0
        if delay > 0:
            self.sleep(delay)
        return call()

    def in_native(self) -> bool:
        return self.current.native

    def lock(self) -> SimLock:
        return SimLock(self)

    native_lock = lock

    def event(self) -> base.Event:
        return SimEvent(self)

    def queue(self, maxsize: int) -> base.Queue:
        return SimQueue(self, maxsize)

    def semaphore(self, value: int) -> base.Semaphore:
        return SimSemaphore(self, value)

    def local(self) -> Any:
        return SimLocal(self)

    # -- time, chance, names -------------------------------------------------------------------------------

    def time(self) -> float:
        return EPOCH + self._now + self.current.process.clock_step

    def true_time(self) -> float:
        """The wall clock nobody has stepped: the database's."""
        return EPOCH + self._now

    def monotonic(self) -> float:
        return self._now

    def rng(self) -> random.Random:
        return self._chance

    def uuid(self) -> str:
        return str(uuid.UUID(int=self._names.getrandbits(128), version=4))

    def secret_bytes(self, count: int) -> bytes:
        return self._secrets.randbytes(count)

    # -- what there is none of -----------------------------------------------------------------------------

    def listen(self, host: str, port: int) -> socket.socket:
        raise NotImplementedError(NOT_SIMULATED.format("sockets"))

    def serve(self, sock: socket.socket, app: Callable[..., Any], *, max_clients: int) -> base.Server:
        raise NotImplementedError(NOT_SIMULATED.format("servers"))

    def wait_fd(self, fileno: int, *, write: bool, timeout: float | None) -> None:
        raise NotImplementedError(NOT_SIMULATED.format("file descriptors to wait for"))

    def on_signal(self, number: int, fn: Callable[[], None]) -> None:
        raise NotImplementedError(NOT_SIMULATED.format("signals"))


def make() -> SimBackend:
    return SimBackend()
