"""The admin port of a daemon: how it is, what it counts, and what its host really has.

    GET /healthz          200 or 503: whether the work of every part was done lately
    GET /metrics          what the process counted, for Prometheus
    GET /truth/BINARY     what a worker of this process finds on its host; signed (iaas.compute.agentapi)

One port a process, on 127.0.0.1 unless configured otherwise.  It is up before the first part starts, though after
the databases were found, and is stopped after the last.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import orjson

from iaas import __version__
from iaas.cmd import gauges
from iaas.common import errors, log, metrics, runtime
from iaas.common.health import Check
from iaas.compute.agentapi import NotSigned, Verifier, WronglySigned
from iaas.db import probe
from iaas.jobs.service import WorkerService

LOG = logging.getLogger(__name__)
#: scrapers and probes are few; whoever opens more connections waits
MAX_CLIENTS = 20
JSON = "application/json"
REASONS = {
    200: "OK", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found",
    405: "Method Not Allowed", 500: "Internal Server Error", 503: "Service Unavailable",
}  # fmt: skip
ANYWHERE = ("0.0.0.0", "::")  # noqa: S104  compared with, not listened on

Answer = tuple[int, Any]


class Admin:
    """The part of a daemon that serves its admin port.

    :param name: the daemon's, ``iaas-compute``
    :param parts: what the daemon runs; a part with a ``health()`` is asked
    :ivar url: where it is reached, once it is started
    :ivar running: whether every part of the daemon is started
    """

    def __init__(self, name: str, settings: Any, parts: Sequence[Any]) -> None:
        self.name = name
        self.url = ""
        self._listen = settings.admin.listen
        self._port: int = getattr(settings.admin, f"{name.removeprefix('iaas-')}_port")
        self._parts = list(parts)
        self._databases = gauges.databases(parts)
        self._probes = [probe.Probe(database) for database in self._databases]
        self._verifier = Verifier(settings.compute.agent_secret)
        self._server: runtime.Server | None = None
        self.running = False

    # -- the part ----------------------------------------------------------------------------------------

    def start(self) -> None:
        """:raises Unavailable: the port is taken."""
        try:
            sock = runtime.listen(self._listen, self._port)
        except OSError as error:
            where = f"{self._listen}:{self._port}"
            words = f"The admin port of {self.name}, {where}, cannot be listened on: {error}; see [admin]."
            raise errors.Unavailable(reason=words) from error
        self._server = runtime.serve(sock, self, max_clients=MAX_CLIENTS)
        host = socket.gethostname() if self._listen in ANYWHERE else self._listen
        self.url = f"http://[{host}]:{self._server.port}" if ":" in host else f"http://{host}:{self._server.port}"
        for part in self._parts:
            if isinstance(part, WorkerService):
                part.admin_url = self.url
        LOG.info("%s says how it is at %s", self.name, self.url)

    def stop(self) -> None:
        if self._server is not None:
            self._server.stop()

    # -- WSGI --------------------------------------------------------------------------------------------

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        log.bind("admin")
        headers = [("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff")]
        kind = JSON
        try:
            status, body = self._answer(environ)
        except (NotSigned, WronglySigned) as error:
            status, body = (401 if isinstance(error, NotSigned) else 403), {"error": str(error)}
        except errors.IaasError as error:
            status, body = 503, {"error": str(error)}
        except Exception:
            LOG.exception("%s on the admin port failed", environ.get("PATH_INFO"))
            status, body = 500, {"error": "An internal error; the log of the daemon has the details."}
        if isinstance(body, bytes):
            raw, kind = body, metrics.CONTENT_TYPE
        else:
            raw = orjson.dumps(body)
        if status == 405:
            headers.append(("Allow", "GET"))
        headers += [("Content-Type", kind), ("Content-Length", str(len(raw)))]
        start_response(f"{status} {REASONS[status]}", headers)
        return [raw]

    def _answer(self, environ: dict[str, Any]) -> Answer:
        path = environ.get("PATH_INFO", "")
        if environ["REQUEST_METHOD"] != "GET":
            return 405, {"error": "The admin port is only asked by GET."}
        if path == "/healthz":
            return self.health()
        if path == "/metrics":
            return 200, metrics.render(gauges.read(self.name, self._parts, self._databases, self.checks()))
        if path.startswith("/truth/"):
            return self._truth(path, environ)
        return 404, {"error": "There is nothing here; there are /healthz, /metrics and /truth/BINARY."}

    # -- what it says ------------------------------------------------------------------------------------

    def checks(self) -> list[Check]:
        """Return every check of the process."""
        found = probe.check(self._probes)
        for part in self._parts:
            health = getattr(part, "health", None)
            found += health() if health is not None else []
        return found

    def health(self) -> Answer:
        """Return 200 if all work was done lately and 503 if not, with every check."""
        checks = self.checks()
        wrong = [f"{check.part}: {check.name}: {check.why}" for check in checks if not check.ok]
        if not self.running:
            wrong.append(f"{self.name} has not started all its parts, or is stopping.")
        shown = [check.shown() for check in checks]
        words = {"status": "unwell" if wrong else "ok", "daemon": self.name, "version": __version__}
        return (503 if wrong else 200), {**words, "why": wrong, "checks": shown}

    def _truth(self, path: str, environ: dict[str, Any]) -> Answer:
        """:raises IaasError: it is not asked by who may, or the driver cannot say."""
        if environ.get("QUERY_STRING"):
            return 400, {"error": "The truth is asked for without a query: only the path is signed."}
        names = ("TIME", "NONCE", "SIGNATURE")
        signed = {f"x-agent-{name.lower()}": environ.get(f"HTTP_X_AGENT_{name}", "") for name in names}
        self._verifier.check("GET", path, signed)
        binary = path.removeprefix("/truth/")
        for part in self._parts:
            if isinstance(part, WorkerService) and part.binary == binary:
                return 200, part.truth()
        return 404, {"error": "This process has no such worker."}


class _Running:
    """The last part to start and the first to stop."""

    def __init__(self, admin: Admin) -> None:
        self._admin = admin

    def start(self) -> None:
        self._admin.running = True

    def stop(self) -> None:
        self._admin.running = False


def around(name: str, settings: Any, parts: Sequence[Any]) -> list[Any]:
    """Return ``parts`` behind the admin port of the daemon, if it is to have one."""
    if not settings.admin.enabled:
        return list(parts)
    admin = Admin(name, settings, parts)
    return [admin, *parts, _Running(admin)]
