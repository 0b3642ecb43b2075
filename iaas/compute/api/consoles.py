"""Verbs on consoles: a URL that opens a server's screen or serial line once, and what is behind such a URL.

The URL is that of the console proxy's WebSocket, or, where ``[console] novnc_url`` names a page, that of the page told
where the WebSocket is.
"""

from __future__ import annotations

import base64
import urllib.parse
from dataclasses import dataclass
from typing import Any

from iaas.common import errors, runtime
from iaas.common.context import RequestContext
from iaas.compute.states import INSTANCE
from iaas.db import consoles, hosts, instances
from iaas.db.tx import Tx

TOKEN_BYTES = 32


class TokenNotFound(errors.IaasError):
    kind = errors.Kind.NOT_FOUND
    template = "The console token is unknown, was used, or is no longer good."


@dataclass(frozen=True)
class Place:
    """Where a console is reached inside of the cloud: at the agent of the server's host."""

    instance_id: str
    host: str
    port: int
    path: str


def create(clients: Any, ctx: RequestContext, instance_id: str, kind: str) -> str:
    """Return a URL that opens the ``vnc`` or ``serial`` console of a server, once and for a while.

    :raises Conflict: the server does not run, or something is being done to it.
    """
    settings = clients.settings.console
    token = base64.urlsafe_b64encode(runtime.secret_bytes(TOKEN_BYTES)).rstrip(b"=").decode()
    clients.db.write(ctx, _add, instance_id, kind, token, settings.token_lifetime)
    return _url(settings, kind, token)


def place(clients: Any, ctx: RequestContext, token: str) -> Place:
    """Return where the console of a token is, and leave the token good.

    :raises TokenNotFound: it opens nothing.
    """
    with clients.db.read(ctx) as tx:
        row = consoles.find(tx, token, runtime.time())
        if row is None:
            raise TokenNotFound
        agent = urllib.parse.urlsplit(hosts.get(tx, row.host).agent_url)
    return Place(row.instance_id, agent.hostname or row.host, agent.port or 0, f"/guests/{row.instance_id}/{row.kind}")


def _add(tx: Tx, instance_id: str, kind: str, token: str, lifetime: float) -> None:
    row = instances.get(tx, instance_id)
    if not consoles.has_console(row):
        state = INSTANCE.state_of(row)
        raise errors.Conflict(reason=f"Cannot open a console of instance {row.id} while it is in state {state}.")
    consoles.add(tx, token, row, kind, runtime.time(), lifetime)


def _url(settings: Any, kind: str, token: str) -> str:
    socket = f"{settings.url.rstrip('/')}/?token={token}"
    if kind != "vnc" or not settings.novnc_url:
        return socket
    at = urllib.parse.urlsplit(settings.url)
    secure = at.scheme == "wss"
    told = {
        "autoconnect": "1",
        "host": at.hostname or "",
        "port": str(at.port or (443 if secure else 80)),
        "encrypt": "1" if secure else "0",
        "path": f"?token={token}",
    }
    sign = "&" if "?" in settings.novnc_url else "?"
    return f"{settings.novnc_url}{sign}{urllib.parse.urlencode(told)}"
