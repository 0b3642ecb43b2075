"""The table the compute worker's steps are declared in, and what they share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from iaas.common import errors, runtime
from iaas.compute.driver import HypervisorError
from iaas.compute.states import INSTANCE
from iaas.db import instances
from iaas.db.models.instances import instances as table
from iaas.db.transitions import move
from iaas.db.tx import Tx
from iaas.jobs.handlers import Handlers
from iaas.jobs.work import Elsewhere, Work

handlers = Handlers("compute")


def instance_of(work: Work) -> Any:
    """Return the instance's row, or None if it is gone."""
    return work.read(instances.find, work.id)


def drive(work: Work, method: str, *args: Any, **kwargs: Any) -> Any:
    """Call the driver in a native thread, with the method's deadline on top of what the guest is granted."""
    driver = work.worker.driver
    deadline = driver.deadlines.get(method, 60.0) + kwargs.get("timeout", 0.0)

    def call() -> Any:
        return getattr(driver, method)(*args, **kwargs)

    call.__name__ = method
    return work.worker.calls.make(call, timeout=deadline)


def on_this_host(work: Work, method: str, *args: Any) -> None:
    """Call the driver for a build: what this host cannot do is tried on another.

    :raises Elsewhere: the hypervisor refused, or the host is full.
    """
    try:
        drive(work, method, *args)
    except HypervisorError as error:
        raise Elsewhere(reason=str(error)) from error
    except errors.NoSpace as error:
        raise Elsewhere(reason=str(error)) from error


def moved(row: Any, event: str, **changes: Any) -> Callable[[Tx], None]:
    """Return the row change that moves the instance along ``event``."""

    def change(tx: Tx) -> None:
        move(tx, INSTANCE, table, row, event, updated_at=runtime.time(), **changes)

    return change
