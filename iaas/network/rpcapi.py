"""How to tell network workers that rows of theirs changed. Best effort: their slow full comparison is the net."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from iaas.common import context, errors, runtime

LOG = logging.getLogger(__name__)


def changed(client: Any, host_names: Sequence[str]) -> None:
    """Ask the workers of these hosts to compare now; the caller does not wait for the queue.

    :param client: an ``rpc.Client``
    """
    if host_names:
        runtime.spawn(_changed, client, sorted(set(host_names)))


def refresh(client: Any, host: str) -> None:
    """Have the worker of a host load its filters and leases again.

    :param client: an ``rpc.Client``
    :raises Unavailable: it cannot be told.
    """
    client.cast(f"network.{host}", "refresh", context.admin())


def _changed(client: Any, host_names: Sequence[str]) -> None:
    for host in host_names:
        try:
            client.cast(f"network.{host}", "changed", context.admin())
        except errors.IaasError as error:
            LOG.info("network.%s was not told of a change and finds it by itself: %s", host, error)
