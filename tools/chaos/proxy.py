"""A TCP proxy that misbehaves on demand: it stands between the daemons and a server they use.

    with Proxy(lambda: rabbit.port) as proxy:       # daemons are told proxy.port
        proxy.delay(0.2); …; proxy.heal()

It forwards bytes and knows two directions: ``up`` from a daemon to the server, ``down`` from the server to a daemon.
What it can do to them: delay, throw away (a peer that is silent; both directions: a half-open connection), cut every
connection, refuse new ones, and let a COMMIT reach the server but not its answer come back.

It duplicates and reorders nothing: bytes said twice are a broken protocol and no fault a network has.  Messages are
duplicated and reordered where messages are: see ``tools/chaos/republish.py``.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Literal

Direction = Literal["up", "down"]
BOTH: tuple[Direction, Direction] = ("up", "down")
PIECE = 65536
#: how a COMMIT looks on the wire: MariaDB's COM_QUERY, PostgreSQL's simple query; each ends what the client sent
COMMITS = (b"\x07\x00\x00\x00\x03COMMIT", b"Q\x00\x00\x00\x0bCOMMIT\x00")


class _Connection:
    """Two streams and what was done to them.

    :ivar holed: bytes of it were thrown away, so it can never be made whole again
    :ivar frozen: nothing of it arrives any more, and nobody is told
    :ivar doomed: its next answer is a COMMIT's and is not passed on
    """

    def __init__(self, client: asyncio.StreamWriter, server: asyncio.StreamWriter) -> None:
        self.client, self.server = client, server
        self.holed = self.doomed = self.frozen = False

    def cut(self) -> None:
        """Reset both ends."""
        self.client.transport.abort()
        self.server.transport.abort()


class Proxy:
    """Listens on a free port of loopback and forwards to ``target()``, asked anew for each connection.

    :ivar port: where it listens, while it runs
    :ivar seen: how often it forwarded, lost, cut, refused, swallowed
    """

    def __init__(self, target: Callable[[], int]) -> None:
        self.port = 0
        self.seen: Counter[str] = Counter()
        self._target = target
        self._delays: dict[Direction, float] = dict.fromkeys(BOTH, 0.0)
        self._silent: dict[Direction, bool] = dict.fromkeys(BOTH, False)
        self._refusing = False
        self._commits = 0
        self._connections: set[_Connection] = set()
        self._pumps: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._server: asyncio.Server | None = None
        self._thread = threading.Thread(target=self._loop.run_forever, name="chaos-proxy", daemon=True)

    # -- life --------------------------------------------------------------------------------------------

    def start(self) -> int:
        """Start to listen; return the port."""
        self._thread.start()
        self._server = self._do(asyncio.start_server(self._accept, "127.0.0.1", 0))
        self.port = self._server.sockets[0].getsockname()[1]
        return self.port

    def stop(self) -> None:
        """Cut everything and listen no more."""
        if self._server is None:
            return
        self._do(self._close(self._server))
        self._server = None
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def __enter__(self) -> Proxy:
        self.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()

    # -- faults ------------------------------------------------------------------------------------------

    def delay(self, seconds: float, *directions: Direction) -> None:
        """Hold each piece back for so long; both directions if none is named."""
        for direction in directions or BOTH:
            self._delays[direction] = seconds

    def silence(self, *directions: Direction) -> None:
        """Throw away what is sent; both directions, new connections too: a half-open network."""
        for direction in directions or BOTH:
            self._silent[direction] = True

    def freeze(self) -> int:
        """Let every connection there is fall silent for good; return how many.

        The daemons are not told, as when the server's address moves to another machine; the server is rid of them.
        """
        return self._do(self._freeze())

    def refuse(self) -> None:
        """Reset every new connection."""
        self._refusing = True

    def cut(self) -> int:
        """Reset every connection there is; return how many."""
        return self._do(self._cut(lambda connection: True))

    def swallow_commits(self, count: int = 1) -> None:
        """Let the next ``count`` COMMITs happen, and reset their connections instead of passing on the answer."""
        self._commits = count

    def heal(self) -> None:
        """Do nothing bad any more; a connection that lost bytes is cut, as its ends would find out in the end."""
        self._delays = dict.fromkeys(BOTH, 0.0)
        self._silent = dict.fromkeys(BOTH, False)
        self._refusing, self._commits = False, 0
        self._do(self._cut(lambda connection: connection.holed))

    # -- the loop's thread -------------------------------------------------------------------------------

    def _do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    async def _cut(self, wanted: Callable[[_Connection], bool]) -> int:
        chosen = [connection for connection in self._connections if wanted(connection)]
        for connection in chosen:
            connection.cut()
        self.seen["cut"] += len(chosen)
        return len(chosen)

    async def _freeze(self) -> int:
        for connection in self._connections:
            connection.frozen = True
            connection.server.transport.abort()
        return len(self._connections)

    async def _close(self, server: asyncio.Server) -> None:
        server.close()
        await self._cut(lambda connection: True)
        for pump in self._pumps:
            pump.cancel()
        await asyncio.gather(*self._pumps, return_exceptions=True)

    async def _accept(self, from_client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        if self._refusing:
            self.seen["refused"] += 1
            to_client.transport.abort()
            return
        try:
            from_server, to_server = await asyncio.open_connection("127.0.0.1", self._target())
        except OSError:
            to_client.transport.abort()
            return
        connection = _Connection(to_client, to_server)
        self._connections.add(connection)
        pumps = [
            asyncio.ensure_future(self._pump(connection, "up", from_client, to_server)),
            asyncio.ensure_future(self._pump(connection, "down", from_server, to_client)),
        ]
        self._pumps.update(pumps)
        await self._until_one_ends(connection, pumps)

    async def _until_one_ends(self, connection: _Connection, pumps: Iterable[asyncio.Task[None]]) -> None:
        try:
            await asyncio.wait(pumps)
        finally:
            self._pumps.difference_update(pumps)
            self._connections.discard(connection)
            connection.cut()

    async def _pump(
        self, connection: _Connection, direction: Direction, source: asyncio.StreamReader, sink: asyncio.StreamWriter
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(PIECE):
                if self._delays[direction]:
                    await asyncio.sleep(self._delays[direction])
                if self._silent[direction] or connection.frozen:
                    connection.holed = connection.holed or not connection.frozen
                    self.seen["lost"] += 1
                    continue
                if direction == "down" and connection.doomed:
                    self.seen["swallowed"] += 1
                    connection.cut()
                    return
                if direction == "up" and self._commits > 0 and data.endswith(COMMITS):
                    self._commits -= 1
                    connection.doomed = True
                sink.write(data)
                await sink.drain()
                self.seen["forwarded"] += 1
        if not self._silent[direction] and not connection.frozen:  # in silence, nobody hears of an end either
            with contextlib.suppress(OSError, RuntimeError):
                sink.write_eof()
