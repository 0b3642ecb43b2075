"""Making a host what its rows say, at most one pass at a time; who asks meanwhile shares the pass that comes next.

A pass reads the rows after everybody who waits for it has asked, so it takes all their changes with it: a hundred
servers that start on a host at once cost a few passes, not a hundred.

A port is taken away if something proves that it was given up (:mod:`iaas.network.jobs.given_up`).  Rows that are only
missing prove nothing: a database that lost them, or an older one, must not cut running guests off.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from iaas.common import context, runtime
from iaas.db import ports
from iaas.db.tx import Tx
from iaas.network.driver import NetworkDriver, Port, Report
from iaas.network.jobs import desired, given_up
from iaas.network.jobs.unproven import Alarm

LOG = logging.getLogger(__name__)
DEADLINE = 120.0


@dataclass
class Pass:
    """One comparison of the host with the rows.

    :ivar rows: the ports of the host as they were read
    :ivar anew: somebody who waits for it asked for everything to be loaded again
    :ivar leaving: servers whose jobs wait for their ports to be taken away
    """

    report: Report = field(default_factory=lambda: Report(frozenset()))
    rows: Sequence[Any] = ()
    done: bool = False
    error: BaseException | None = None
    anew: bool = False
    leaving: set[str] = field(default_factory=set)


class Converger:
    """The passes of one host.

    :param after: called with the networks the host has now, at the end of each good pass
    :param call: makes a call into the driver, by ``timeout``
    """

    def __init__(
        self,
        database: Any,
        driver: NetworkDriver,
        host: str,
        after: Callable[[frozenset[str]], None] = lambda _: None,
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
        self._carried: Mapping[str, str] = {}  # the ports the last pass left on the host: id -> server
        self._alarm = Alarm(host)
        self.passes = 0

    def converge(self, *, anew: bool = False, leaving: str | None = None) -> Pass:
        """Return a pass that began after this call.

        :param anew: it must load everything, even what looks loaded
        :param leaving: a server whose ports that rows do not bind to this host are given up: its job says so
        :raises NetworkError: the host refused everything.
        """
        with self._guard:
            if self._next is None:
                self._next = Pass()
            mine = self._next
            mine.anew |= anew
            if leaving is not None:
                mine.leaving.add(leaving)
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
            asked, there = self._carried, self._make(mine, self._carried)
            if any(port.id not in asked for port in mine.report.kept):  # an earlier process wired it, maybe lately
                asked = _servers(there)
                there = self._make(mine, asked)
            self._carried = _servers(there)
            self.passes += 1
            failed = mine.report.failed
            self._alarm.tell({port.id: failed.get(port.id) for port in mine.report.kept if port.id in asked})
            self._after(frozenset(port.network_id for port in there if port.network_id))
        except Exception as error:
            mine.error = error
        finally:
            mine.done = True

    def _make(self, mine: Pass, carried: Mapping[str, str]) -> Sequence[Port]:
        """Make the host what the rows say, but for ports that nothing proves given up; return all it has now.

        :param carried: ports the host may carry, each with its server; others stay, too
        """
        with self._db.read(context.admin()) as tx:
            wanted, mine.rows = desired.read(tx, self._host)
            here = {port.id for port in wanted.ports}
            rest = {port_id: device for port_id, device in carried.items() if port_id not in here}
            left = {port_id for port_id, device in rest.items() if device in mine.leaving}
            gone = left | given_up.among(tx, self._host, {key: rest[key] for key in rest.keys() - left})
        wanted = replace(wanted, gone=frozenset(gone))
        mine.report = self._call(self._driver.converge, wanted, anew=mine.anew, timeout=DEADLINE)
        return (*wanted.ports, *mine.report.kept)

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


def _servers(ports_: Sequence[Port]) -> dict[str, str]:
    return {port.id: port.device for port in ports_}


def _differs(row: Any, status: str, error: str | None) -> bool:
    return row.status != status or row.error != (error[:255] if error else None)
