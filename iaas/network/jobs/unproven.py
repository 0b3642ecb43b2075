"""Saying which ports a host carries though no row binds them to it, when that changes and now and then."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from iaas.common import runtime

LOG = logging.getLogger(__name__)
AGAIN = 3600.0  # seconds after which the same ports are named again
NAMES = 50  # ports in a line


class Alarm:
    """What was said of one host."""

    def __init__(self, host: str) -> None:
        self._host = host
        self._said: Mapping[str, str | None] = {}
        self._at = 0.0

    def tell(self, found: Mapping[str, str | None]) -> None:
        """Name ports at error level, unless the same was said within the last hour.

        :param found: by port, why it is closed; None for one that stays as it is wired
        """
        now = runtime.monotonic()
        if found == self._said and (not found or now - self._at < AGAIN):
            return
        self._said, self._at = found, now
        if not found:
            LOG.info("host %s: every port is bound to it again, or was given up", self._host)
        stays = sorted(port_id for port_id, reason in found.items() if reason is None)
        for start in range(0, len(stays), NAMES):
            LOG.error(
                "host %s: no row binds %d ports to it, and nothing proves that they were given up; they stay as "
                "they are wired, an administrator must decide about them: %s",
                self._host, len(stays), ", ".join(stays[start : start + NAMES]),
            )  # fmt: skip
        for port_id, reason in sorted(found.items()):
            if reason is not None:
                LOG.error(
                    "host %s: no row binds port %s to it, and nothing proves that it was given up; it is closed: %s",
                    self._host, port_id, reason,
                )  # fmt: skip
