"""The metadata API: what a guest is told about itself at 169.254.169.254.

Guests never reach it: a relay on their host does, which signs the network it listens on and the address it saw.  The
pair is looked up in the rows at each request, so that an address that moved a moment ago answers for its new owner
(SECURITY T41, OSSA-2013-033, 2014-024).
"""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Callable, Iterable
from typing import Any

from iaas.api.metadata import tree
from iaas.common import context, errors, runtime
from iaas.common.rest import faults
from iaas.db import codec, metadata, subnets
from iaas.network import relay

LOG = logging.getLogger(__name__)
MAX_PATH = 512
SEED_BYTES = 512
SENTENCES = {
    403: "The request does not come from a relay of this cloud.",
    404: "There is no such metadata.",
    405: "Metadata is read only.",
    500: "The request failed; the log says why.",
    503: "Metadata is not available at the moment; try again.",
}


class _Refused(Exception):
    """The request ends with this status and its sentence."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class MetadataApi:
    """A WSGI application."""

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        try:
            status, kind, body = self._answer(environ)
        except _Refused as refused:
            status, kind, body = refused.status, "text/plain; charset=utf-8", SENTENCES[refused.status].encode()
        except errors.IaasError as error:
            LOG.warning("metadata: %s", error)
            status, kind, body = 503, "text/plain; charset=utf-8", SENTENCES[503].encode()
        except Exception:
            LOG.exception("metadata for %s failed", environ.get("HTTP_X_FORWARDED_FOR"))
            status, kind, body = 500, "text/plain; charset=utf-8", SENTENCES[500].encode()
        headers = [("Content-Type", kind), ("Content-Length", str(len(body))), ("X-Content-Type-Options", "nosniff")]
        start_response(f"{status} {faults.REASONS[status]}", headers)
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]

    def _answer(self, environ: dict[str, Any]) -> tuple[int, str, bytes]:
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            raise _Refused(405)
        text = environ.get("PATH_INFO", "")
        path = [part for part in text.split("/") if part]
        if len(text) > MAX_PATH or not tree.known(path):
            raise _Refused(404)
        if not path:
            return 200, "text/plain; charset=utf-8", tree.versions().encode()
        clients = environ["iaas.clients"]
        network_id, address = _identity(environ, clients.settings.network.metadata_secret)
        row, of_row = _look_up(clients, network_id, address)
        settings = clients.settings.network
        seed = runtime.secret_bytes(SEED_BYTES)
        found = tree.of(row, path, domain=settings.domain, subnets=of_row, seed=seed)
        if found is None:
            raise _Refused(404)
        kind = "application/json" if path[-1].endswith(".json") else "text/plain; charset=utf-8"
        raw = path[-1] in ("user-data", "user_data")
        return 200, "application/octet-stream" if raw else kind, tree.rendered(found)


def _identity(environ: dict[str, Any], secret: str) -> tuple[str, str]:
    """Return the network and the address a relay vouches for."""
    if not secret:
        LOG.error("[network] metadata_secret is empty: no metadata is given to anybody")
        raise _Refused(503)
    names = (relay.NETWORK_ID, relay.FORWARDED_FOR, relay.SIGNATURE)
    network_id, address, signature = (environ.get("HTTP_" + name.upper().replace("-", "_"), "") for name in names)
    if not (network_id and address and signature) or not relay.check(secret, network_id, address, signature):
        raise _Refused(403)
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        raise _Refused(403) from None
    mapped = getattr(ip, "ipv4_mapped", None)
    return network_id, str(mapped or ip)


def _look_up(clients: Any, network_id: str, address: str) -> tuple[Any, dict[str, Any]]:
    """Return the instance that has the address now, and the subnets of its interfaces."""
    with clients.db.read(context.admin()) as tx:
        row = metadata.instance_at(tx, network_id, address)
        if row is None:
            raise _Refused(404)
        network_ids = {nic["network_id"] for nic in codec.load(row.network_info, [])}
        return row, {subnet.id: subnet for subnet in subnets.of_networks(tx, sorted(network_ids))}


def app_factory(global_conf: Any, **_local: Any) -> MetadataApi:
    """Return the application, for paste.deploy."""
    return MetadataApi()
