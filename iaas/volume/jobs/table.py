"""The table the volume worker's steps are declared in, and what they share."""

from __future__ import annotations

from typing import Any

from iaas.jobs.handlers import Handlers
from iaas.jobs.work import Work

handlers = Handlers("volume")


def drive(work: Work, method: str, *args: Any) -> Any:
    """Call the driver in a native thread, with the method's deadline."""
    driver = work.worker.driver
    return work.worker.calls.make(getattr(driver, method), *args, timeout=driver.deadlines.get(method, 60.0))
