"""What the identity service does by itself."""

from __future__ import annotations

import logging

from iaas.common import context
from iaas.common.periodic import Periodic
from iaas.db.identity import clock, revocations
from iaas.db.tx import Tx
from iaas.identity.clients import IdentityClients

LOG = logging.getLogger(__name__)


def table(clients: IdentityClients) -> list[Periodic]:
    """Return the periodic tasks of a process; any number of processes may run them."""
    return [Periodic("purge revocations", 600.0, lambda: _logged(clients))]


def purge(clients: IdentityClients) -> int:
    """Forget the revocations all of whose tokens have expired; return how many there were."""

    def write(tx: Tx) -> int:
        return revocations.purge(tx, clock.look(tx).now)

    return clients.db.write(context.admin(), write)


def _logged(clients: IdentityClients) -> None:
    gone = purge(clients)
    if gone:
        LOG.info("forgot %d revocations of expired tokens", gone)
