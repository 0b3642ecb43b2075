"""The table the volume worker's steps are declared in, and what they share."""

from __future__ import annotations

import functools
from typing import Any

from iaas.common import runtime
from iaas.jobs.handlers import Handlers
from iaas.jobs.work import Work

handlers = Handlers("volume")


def drive(work: Work, method: str, *args: Any) -> Any:
    """Call the driver in a native thread, with the method's deadline."""
    driver = work.worker.driver
    call = functools.partial(getattr(driver, method), *args)
    return runtime.native(call, timeout=driver.deadlines.get(method, 60.0))
