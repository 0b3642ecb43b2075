"""The agent of a compute host: console logs over HTTP, never over the message bus.

Requests are signed with a secret every agent and the API share; nothing else is served.
"""

from __future__ import annotations

import hmac
import logging
from collections.abc import Callable, Iterable
from typing import Any

from iaas.common import errors, runtime
from iaas.compute.agentapi import sign

LOG = logging.getLogger(__name__)
MAX_LOG = 100 * 1024
WINDOW = 300.0


class Agent:
    """The WSGI application of one host."""

    def __init__(self, driver: Any, secret: str) -> None:
        """:raises Invalid: the secret is empty: anybody could read consoles."""
        if not secret:
            raise errors.Invalid(reason="[compute] agent_secret is empty; set the same one on the API and every host.")
        self._driver = driver
        self._secret = secret

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        parts = path.strip("/").split("/")
        if not self._signed(environ, path):
            return _answer(start_response, "403 Forbidden", b"")
        if environ["REQUEST_METHOD"] == "GET" and len(parts) == 3 and parts[0] == "guests" and parts[2] == "log":
            return self._log(parts[1], start_response)
        return _answer(start_response, "404 Not Found", b"")

    def _signed(self, environ: dict[str, Any], path: str) -> bool:
        at = environ.get("HTTP_X_AGENT_TIME", "")
        if not at.isdigit() or abs(runtime.time() - int(at)) > WINDOW:
            return False
        good = sign(self._secret, environ["REQUEST_METHOD"], path, int(at))
        return hmac.compare_digest(good, environ.get("HTTP_X_AGENT_SIGNATURE", ""))

    def _log(self, guest_id: str, start_response: Callable[..., Any]) -> Iterable[bytes]:
        try:
            log = runtime.native(lambda: self._driver.console_log(guest_id, max_bytes=MAX_LOG), timeout=10.0)
        except errors.IaasError as error:
            LOG.info("no console log of %s: %s", guest_id, error)
            return _answer(start_response, "404 Not Found", str(error).encode())
        return _answer(start_response, "200 OK", log)


def _answer(start_response: Callable[..., Any], status: str, body: bytes) -> Iterable[bytes]:
    headers = [("Content-Type", "application/octet-stream"), ("Content-Length", str(len(body)))]
    start_response(status, headers)
    return [body]
