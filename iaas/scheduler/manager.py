"""The scheduler worker: serves the topic ``scheduler``; any number of them run side by side."""

from __future__ import annotations

import logging
from typing import Any

from iaas.common.periodic import Periodic
from iaas.jobs import purge
from iaas.jobs.service import Manager
from iaas.scheduler.jobs import place, volume
from iaas.scheduler.jobs.table import handlers

LOG = logging.getLogger(__name__)
STEPS = (place, volume)  # imported so that their steps are in the table


class SchedulerManager(Manager):
    """Places what has no host yet."""

    handlers = handlers.table
    bound = False

    def __init__(self, clients: Any) -> None:
        self.clients = clients

    def periodics(self) -> list[Periodic]:
        return [Periodic("forget what ended long ago", 3600.0, self._purge, at_start=False)]

    def _purge(self) -> None:
        gone = purge.run(self.clients.db, self.clients.settings.jobs.keep_ended_days)
        if any(gone.values()):
            LOG.info("forgot what ended long ago: %s", ", ".join(f"{count} {name}" for name, count in gone.items()))
