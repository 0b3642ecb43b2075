"""The database server of a simulated world, and the product's own :class:`Database` talking to it over a bad line."""

from __future__ import annotations

import functools
import sqlite3
from typing import TYPE_CHECKING, Any

from sqlalchemy import exc

from iaas.cmd import seed
from iaas.common import context, runtime
from iaas.common.runtime.sim_backend import SimBackend
from iaas.db import hosts
from iaas.db import jobs as job_rows
from iaas.db.models.controller import CONTROLLER
from iaas.db.models.images import base
from iaas.db.tx import Database

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from tests.simulation.world import World

#: name, virtual CPUs, MiB of memory, GiB of disk
FLAVORS = [("tiny", 1, 512, 1), ("big", 2, 1536, 4), ("huge", 64, 1 << 20, 100)]


class Line:
    """The one SQLite connection of this operating system's process, made once: compiled statements stay with it."""

    def __init__(self) -> None:
        self.database = Database("sqlite://")
        self.engine = self.database.engine
        with self.engine.connect() as connection:
            self.raw: sqlite3.Connection = connection.connection.driver_connection  # type: ignore[assignment]
        for tables in (CONTROLLER, base.IMAGE):  # two databases; no table of one has the name of one of the other
            tables.create_all(self.engine)
        backend = SimBackend()
        before = runtime.install(backend)
        database = self.database
        _attach(database, self.database, backend.lock())
        admin = context.RequestContext("req-seed", project_id="admin", roles=("admin",), is_admin=True)
        self.raw.create_function("iaas_now", 0, backend.true_time)
        database.write(admin, seed.flavors, FLAVORS)
        database.write(admin, seed.default_network, "admin")
        if before is not None:
            runtime.install(before)
        self.template = sqlite3.connect(":memory:", check_same_thread=False)
        self.raw.backup(self.template)

    def reset(self, backend: SimBackend) -> None:
        """Make the database what it is at the beginning of every world."""
        if self.raw.in_transaction:
            self.raw.rollback()
        self.template.backup(self.raw)
        self.raw.create_function("iaas_now", 0, backend.true_time)


@functools.cache
def line() -> Line:
    return Line()


def _attach(database: Database, like: Database, lock: Any) -> None:
    """Make a database what ``like`` is: all processes of a world share one engine and its one lock."""
    vars(database).update(vars(like))
    database.statements = 0
    database._writer = database._reader = lock


class Server:
    """The database server: it survives every daemon.

    :ivar unspoilt: a way to it without faults
    :ivar lock: held by who has a transaction open; if its process dies, the transaction is rolled back
    """

    def __init__(self, backend: SimBackend) -> None:
        self.line = line()
        self.line.reset(backend)
        self.lock = backend.lock()
        self.lock.on_forfeit = self.line.raw.rollback
        self.down_until = 0.0
        self.unspoilt = Database.__new__(Database)  # for those who look on from outside
        _attach(self.unspoilt, self.line.database, self.lock)


def broken(words: str) -> exc.OperationalError:
    """The error a transaction gets that may succeed when it runs again."""
    return exc.OperationalError("simulated", None, sqlite3.OperationalError(f"database is locked: {words}"))


class SimDatabase(Database):
    """The product's database with a line that fails; every process of a world has one of its own."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._done: tuple[Any, Any] | None = None  # what a transaction that is worth a look did
        _attach(self, world.database.line.database, world.database.lock)

    def read(self, ctx: Any) -> Any:
        self._reach("db.read.before")
        return super().read(ctx)

    def _once(self, ctx: Any, fn: Any, *args: Any, **kwargs: Any) -> tuple[Any, list[Any]]:
        world = self._world
        self._reach("db.write.before")
        world.backend.sleep(world.faults.between(0.0, 0.02))
        if world.faults.happens("deadlock"):
            return super()._once(ctx, self._doomed, fn, *args, **kwargs)
        if fn in (hosts.start_service, job_rows.claim, job_rows.renew):
            return super()._once(ctx, self._noted, fn, *args, **kwargs)
        return super()._once(ctx, fn, *args, **kwargs)

    def _noted(self, tx: Any, fn: Any, *args: Any, **kwargs: Any) -> Any:
        """Do something only the latest start of a worker may do, and remember it until it is committed."""
        result = fn(tx, *args, **kwargs)
        self._done = (fn, result)
        return result

    def _doomed(self, tx: Any, fn: Any, *args: Any, **kwargs: Any) -> Any:
        """Do everything and then lose a deadlock: nothing of it may show."""
        fn(tx, *args, **kwargs)
        raise broken("deadlock")

    def _commit(self, connection: Connection) -> None:
        world = self._world
        world.at("db.commit.before", pausing=False)
        if world.faults.happens("commit refused"):
            connection.rollback()
            self._done = None
            raise broken("the connection broke before the commit")
        super()._commit(connection)
        done, self._done = self._done, None
        if done is not None:
            world.note_start() if done[0] is hosts.start_service else world.note_work(done[1])
        world.at("db.commit.after")
        if world.faults.happens("commit unanswered"):
            raise broken("the connection broke after the commit")

    def _reach(self, point: str) -> None:
        """Come to the server, which may be down."""
        world = self._world
        world.at(point)
        if world.faults.happens("database down"):
            world.database.down_until = world.backend.monotonic() + world.faults.between(1, 15)
        if not world.faults.over and world.backend.monotonic() < world.database.down_until:
            world.backend.sleep(0.05)
            if point == "db.read.before":
                from iaas.common import errors

                raise errors.Unavailable(reason="The database cannot be reached at the moment.")
            raise broken("the server is down")

    def close(self) -> None:
        """The engine is everybody's."""
