"""Making a host what its rows say, at most one pass at a time; who asks meanwhile shares the pass that comes next.

A pass reads the rows after everybody who waits for it has asked, so it takes all their changes with it: a hundred
servers that start on a host at once cost a few passes, not a hundred.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from iaas.common import context, runtime
from iaas.db import ports
from iaas.db.tx import Tx
from iaas.network.driver import Desired, NetworkDriver, Report
from iaas.network.jobs import desired

LOG = logging.getLogger(__name__)
DEADLINE = 120.0


@dataclass
class Pass:
    """One comparison of the host with the rows.

    :ivar rows: the ports of the host as they were read
    :ivar anew: somebody who waits for it asked for everything to be loaded again
    """

    report: Report = field(default_factory=lambda: Report(frozenset()))
    rows: Sequence[Any] = ()
    done: bool = False
    error: BaseException | None = None
    anew: bool = False


class Converger:
    """The passes of one host.

    :param after: called with what the host has now, at the end of each good pass
    :param call: makes a call into the driver, by ``timeout``
    """

    def __init__(
        self,
        database: Any,
        driver: NetworkDriver,
        host: str,
        after: Callable[[Desired], None] = lambda _: None,
        call: Callable[..., Any] = runtime.native,
    ) -> None:
        self._db = database
        self._driver = driver
        self._host = host
        self._after = after
        self._call = call
        self._turn = runtime.lock()
        self._guard = runtime.lock()
        self._next: Pass | None = None
        self.passes = 0

    def converge(self, *, anew: bool = False) -> Pass:
        """Return a pass that began after this call.

        :param anew: it must load everything, even what looks loaded
        :raises NetworkError: the host refused everything.
        """
        with self._guard:
            if self._next is None:
                self._next = Pass()
            mine = self._next
            mine.anew |= anew
        with self._turn:
            if not mine.done:
                with self._guard:
                    self._next = None  # who asks from here on may have changed what we are about to read
                self._run(mine)
        if mine.error is not None:
            raise mine.error
        return mine

    def _run(self, mine: Pass) -> None:
        try:
            with self._db.read(context.admin()) as tx:
                wanted, mine.rows = desired.read(tx, self._host)
            mine.report = self._call(self._driver.converge, wanted, anew=mine.anew, timeout=DEADLINE)
            self.passes += 1
            self._after(wanted)
        except Exception as error:
            mine.error = error
        finally:
            mine.done = True

    def compare(self, *, anew: bool = False) -> None:
        """Make a pass of its own accord, and write down which ports carry frames and which do not."""
        found = self.converge(anew=anew)
        opened = [row.id for row in found.rows if row.id in found.report.wired and _differs(row, ports.ACTIVE, None)]
        shut = {
            row.id: found.report.failed.get(row.id)
            for row in found.rows
            if row.id not in found.report.wired and _differs(row, ports.DOWN, found.report.failed.get(row.id))
        }
        for port_id, reason in shut.items():
            LOG.warning("port %s stays closed: %s", port_id, reason or "it is administratively down")
        if opened or shut:
            self._db.write(context.admin(), self._note, opened, shut)

    def _note(self, tx: Tx, opened: Sequence[str], shut: dict[str, str | None]) -> None:
        if opened:
            ports.wired(tx, self._host, opened)
        for port_id, reason in shut.items():
            ports.closed(tx, self._host, port_id, reason)


def _differs(row: Any, status: str, error: str | None) -> bool:
    return row.status != status or row.error != (error[:255] if error else None)
