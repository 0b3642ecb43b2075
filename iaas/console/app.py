"""The console proxy: opens the console a one-time token is for, and nothing else.

A client connects to ``ws://…/?token=…``.  Where the console is comes from the token's row and the row of its host,
never from the client; the guest's socket is reached through the agent of that host (``iaas.compute.agent``).
Browsers say where a page came from, so that another site cannot use a token it learned (SECURITY T42, T43).
"""

from __future__ import annotations

import logging
import re
import urllib.parse
from typing import Any

from iaas.common import context, errors, runtime, streams
from iaas.common.health import Check
from iaas.common.streams import Refused, Request
from iaas.console import websocket
from iaas.console.relay import Session
from iaas.db import consoles, hosts
from iaas.db.tx import Tx

LOG = logging.getLogger(__name__)
PATHS = ("/", "/websockify")  # the second is what noVNC asks for when its page is told nothing else
_TOKEN = re.compile(r"[A-Za-z0-9_-]{22,128}")
_PORTS = {"http": 80, "https": 443}


def origin_of(url: str) -> str:
    """Return the origin a browser sends from a page at ``url``; ``ws`` counts as ``http``.

    :raises Invalid: it is not a URL with a host.
    """
    parsed = urllib.parse.urlsplit(url)
    scheme = {"ws": "http", "wss": "https"}.get(parsed.scheme, parsed.scheme)
    try:
        port = parsed.port
    except ValueError:
        port = None
    if scheme not in _PORTS or not parsed.hostname:
        raise errors.Invalid(reason=f"[console] has the URL {url!r}, which is not one like wss://HOST:PORT.")
    host = f"[{parsed.hostname}]" if ":" in parsed.hostname else parsed.hostname
    return f"{scheme}://{host}" + (f":{port}" if port not in (None, _PORTS[scheme]) else "")


class ConsoleProxy:
    """The daemon's part: listens while it is started.

    :ivar port: where it listens
    """

    def __init__(self, clients: Any) -> None:
        """:raises Invalid: an origin or a URL of ``[console]`` is not one."""
        self.clients = self._clients = clients
        self._settings = clients.settings.console
        urls = [self._settings.url, self._settings.novnc_url, *self._settings.allowed_origins]
        self._origins = frozenset(origin_of(url) for url in urls if url)
        self._server: streams.StreamServer | None = None
        self.port = 0

    def start(self) -> None:
        """:raises Unavailable: the port is taken."""
        s = self._settings
        try:
            sock = runtime.listen(s.listen, s.port)
        except OSError as error:
            where = f"{s.listen}:{s.port}"
            raise errors.Unavailable(reason=f"The console proxy cannot listen on {where}: {error}") from error
        self._server = streams.StreamServer(sock, self._handle, max_clients=s.max_clients)
        self.port = self._server.port

    def stop(self) -> None:
        """End every console, too."""
        if self._server is not None:
            self._server.stop()
            self._server = None

    def health(self) -> list[Check]:
        """Whether it listens."""
        serves = self._server is not None
        return [Check("console proxy", "listens", serves, why=None if serves else "It does not listen.")]

    def _handle(self, request: Request) -> None:
        token = self._token(request)
        websocket.check(request)
        self._check_origin(request)
        try:
            found = self._clients.db.write(context.admin(), _use, token)
            if found is None:
                raise Refused(403, "The token is unknown, was used, or is no longer good; ask for a new console URL.")
            row, agent_url = found
            guest = self._clients.agents.console(agent_url, row.instance_id, row.kind)
        except errors.IaasError as error:
            LOG.warning("a console cannot be opened: %s", error)
            raise Refused(503 if error.kind is errors.Kind.UNAVAILABLE else 502, str(error)) from None
        LOG.info("the %s console of instance %s is opened", row.kind, row.instance_id)
        began = runtime.monotonic()
        with guest:
            request.sock.sendall(websocket.accept(request))
            Session(request.sock, guest, self._settings.idle_timeout).run()
        seconds = runtime.monotonic() - began
        LOG.info("the %s console of instance %s was closed after %.0f s", row.kind, row.instance_id, seconds)

    def _token(self, request: Request) -> str:
        """Return the token of a request for a console; nothing of the target is ever shown, logged or redirected to.

        :raises Refused: this path is not served, or has no token.
        """
        path, _, query = request.target.partition("?")
        if path not in PATHS:
            raise Refused(404, "There is nothing here.")
        try:
            found = urllib.parse.parse_qs(query, strict_parsing=True, max_num_fields=8).get("token", [])
        except ValueError:
            found = []
        if len(found) != 1 or not _TOKEN.fullmatch(found[0]):
            raise Refused(403, "The URL of a console has one token.")
        return found[0]

    def _check_origin(self, request: Request) -> None:
        """:raises Refused: a page of another site asks, or something that does not say what it is."""
        origin = request.headers.get("origin")
        if origin is None and not self._settings.require_origin:
            return
        if origin not in self._origins:
            raise Refused(403, "Pages from there may not open consoles; see allowed_origins in [console].")


def _use(tx: Tx, token: str) -> tuple[Any, str] | None:
    """Use up a token; return its row and where the agent of its host is."""
    row = consoles.use(tx, token, runtime.time())
    return None if row is None else (row, hosts.get(tx, row.host).agent_url)
