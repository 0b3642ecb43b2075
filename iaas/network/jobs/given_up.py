"""What proves that a port a host carries was given up, so that it may be taken away."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from iaas.db import jobs, ports
from iaas.db.tx import Tx
from iaas.jobs.kinds import DELETES

_DELETIONS = [kind.name for kind in DELETES["instance"]]


def among(tx: Tx, host: str, carried: Mapping[str, str]) -> set[str]:
    """Return those of these ports that were given up: their row says so, or their server was deleted.

    A row that is missing says nothing, nor does one of a port that is free, though it was wired for a server: both may
    be from before that server was made.  No statement for no port, one where all rows are there.

    :param carried: ports no row binds to the host, each with the server it was wired for, ``""`` if that is not known
    """
    if not carried:
        return set()
    rows = ports.by_ids(tx, sorted(carried))
    silent = {port_id for port_id, device in carried.items() if not _says(rows.get(port_id), device)}
    servers = sorted({carried[port_id] for port_id in silent} - {""})
    deleted = jobs.given_to(tx, servers, _DELETIONS) if servers else set()
    # who was bound here a moment ago is seen by the next pass
    elsewhere = {port_id for port_id, row in rows.items() if port_id not in silent and row.host != host}
    return elsewhere | {port_id for port_id in silent if carried[port_id] in deleted}


def _says(row: Any, device: str) -> bool:
    """Whether a row says where its port is: on a host, or nowhere with the server it was wired for."""
    return row is not None and (row.host is not None or device in ("", row.device_id))
