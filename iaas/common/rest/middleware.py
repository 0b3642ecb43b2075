"""The outermost filter of every API: request ids, the world a request lives in, and one log line each.

A pipeline of paste.deploy is ``guard auth app``.  The process's connections (``clients``) ride in the WSGI
environment, so that applications and filters hold no global state and several services fit one process.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from iaas.common import context, log, metrics, runtime

LOG = logging.getLogger("iaas.request")
_REQUEST_ID = re.compile(r"req-[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}", re.ASCII)
#: what only our own filters may set; a client's copies are dropped first of all (OSSA-2026-001)
_TRUSTED = re.compile(
    r"HTTP_X_(USER|PROJECT|TENANT|DOMAIN|ROLES?|IS_ADMIN|SERVICE_(?!TOKEN|CATALOG$)|IDENTITY|SYSTEM|USER_DOMAIN|INSTANCE_ID)",
)
#: where a filter leaves the error for which the application refuses a request, in its own fault format
REFUSED = "iaas.refused"
#: of HTTP; a client may write any word there
METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))

WsgiApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class Guard:
    """Gives each request its id and its process's clients, strips forged headers, and logs one line."""

    def __init__(self, app: WsgiApp, service: str) -> None:
        self.app = app
        self.service = service

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        for name in [name for name in environ if name.startswith("HTTP_X_") and _TRUSTED.match(name)]:
            del environ[name]
        request_id = context.new_request_id()
        environ["iaas.request_id"] = request_id
        environ["iaas.service"] = self.service
        outer = environ.get("HTTP_X_OPENSTACK_REQUEST_ID", "")
        environ["iaas.global_request_id"] = outer if _REQUEST_ID.fullmatch(outer) else None
        log.bind(request_id)
        started = runtime.monotonic()
        seen: list[str] = []

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            seen.append(status)
            headers.append(("x-openstack-request-id", request_id))
            if self.service == "compute":
                headers.append(("x-compute-request-id", request_id))
            return start_response(status, headers, exc_info) if exc_info else start_response(status, headers)

        chunks = self.app(environ, start)
        if isinstance(chunks, list):
            self._line(environ, seen, started)
            return chunks
        return self._streamed(chunks, environ, seen, started)

    def _streamed(self, chunks: Iterable[bytes], environ: Any, seen: list[str], started: float) -> Iterator[bytes]:
        try:
            yield from chunks
        finally:
            close = getattr(chunks, "close", None)
            if close is not None:
                close()
            self._line(environ, seen, started)

    def _count(self, environ: dict[str, Any], status: str, seconds: float) -> None:
        found = environ.get("iaas.operation")
        name = environ.get("iaas.operation_name") or (found.name if found is not None else "none")
        method = environ["REQUEST_METHOD"]
        metrics.HTTP_REQUESTS.add(self.service, method if method in METHODS else metrics.OTHER, name, status)
        metrics.HTTP_SECONDS.see(seconds, self.service, name)

    def _line(self, environ: dict[str, Any], seen: list[str], started: float) -> None:
        seconds, status = runtime.monotonic() - started, seen[0][:3] if seen else "-"
        self._count(environ, status, seconds)
        if not LOG.isEnabledFor(logging.INFO):
            return
        ctx = environ.get("iaas.context")
        LOG.info(
            "%s %s %.200s %s %.1f ms sql=%d user=%s project=%s",
            self.service,
            environ["REQUEST_METHOD"],
            environ.get("PATH_INFO", ""),
            status,
            seconds * 1000,
            log.statements(),
            ctx.user_id if ctx else "-",
            ctx.project_id if ctx else "-",
        )


def guard_factory(_global_conf: Any, service: str) -> Callable[[WsgiApp], Guard]:
    """The ``guard`` filter for paste.deploy; ``service`` names the API in the log."""
    return lambda app: Guard(app, service)


class Bound:
    """An application with its process's clients: what a server serves."""

    def __init__(self, app: WsgiApp, clients: Any) -> None:
        self.app = app
        self.clients = clients

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        environ["iaas.clients"] = self.clients
        return self.app(environ, start_response)
