"""The scheduler worker: serves the topic ``scheduler``; any number of them run side by side."""

from __future__ import annotations

from typing import Any

from iaas.jobs.service import Manager
from iaas.scheduler.jobs import place, volume
from iaas.scheduler.jobs.table import handlers

STEPS = (place, volume)  # imported so that their steps are in the table


class SchedulerManager(Manager):
    """Places what has no host yet."""

    handlers = handlers.table
    bound = False

    def __init__(self, clients: Any) -> None:
        self.clients = clients
