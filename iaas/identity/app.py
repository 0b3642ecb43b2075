"""The identity service: Identity v3 as a WSGI application.

Source: https://docs.openstack.org/api-ref/identity/v3/
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from typing import Any

from iaas.common import errors
from iaas.common.conf import Settings
from iaas.common.context import RequestContext, new_request_id
from iaas.common.rest import pipeline
from iaas.common.rest.dispatch import Api
from iaas.common.rest.middleware import REFUSED, Bound, WsgiApp
from iaas.common.rest.operations import Resource
from iaas.identity import clients as _clients
from iaas.identity import faults, issue, rules
from iaas.identity.clients import IdentityClients
from iaas.identity.tokens import BadToken

#: the modules of ``iaas.identity.api`` whose operations are served
NOUNS = (
    "tokens",
    "scopes",
    "users",
    "groups",
    "projects",
    "domains",
    "roles",
    "grants",
    "role_assignments",
    "catalog",
    "credentials",
    "ec2",
    "application_credentials",
)


def base_url(settings: Settings) -> str:
    """Return where clients reach the service, without the version."""
    return settings.identity.url.rstrip("/").removesuffix("/v3")


def make_clients(settings: Settings) -> IdentityClients:
    """Return what the service works with: database, keys, policy."""
    return _clients.make(settings)


def make(settings: Settings, clients: IdentityClients | None = None) -> Bound:
    """Return the service with its filters, ready to be served.

    :raises UnknownRule: an operation is declared with a policy rule that is not.
    """
    clients = clients or make_clients(settings)
    return pipeline.load("identity", clients, settings.api.paste_file)


def resources() -> list[Resource]:
    """Return every operation that is served under ``/v3``, by noun."""
    return [importlib.import_module(f"iaas.identity.api.{noun}").resource for noun in NOUNS]


def api() -> Api:
    """Return the application behind the filters."""
    roots = importlib.import_module("iaas.identity.api.discovery").roots
    return Api("identity", resources(), base=base_url, prefix="/v3", fault=faults.keystone, roots=roots)


def app_factory(_global_conf: Any) -> Api:
    """The application for paste.deploy."""
    return api()


class Authenticate:
    """Finds out who calls: ``X-Auth-Token`` becomes the context of the request."""

    def __init__(self, app: WsgiApp) -> None:
        self.app = app

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        text = environ.get("HTTP_X_AUTH_TOKEN")
        if text:
            clients: IdentityClients = environ["iaas.clients"]
            base = RequestContext(
                environ.get("iaas.request_id") or new_request_id(),
                global_request_id=environ.get("iaas.global_request_id"),
            )
            try:
                moment = environ["iaas.identity.moment"] = clients.world.look(base)
                valid = clients.issuer.validate(base, moment, text)
                if rules.permits(valid.access.said, environ):
                    environ["iaas.context"] = issue.context(valid, base)
            except BadToken:
                pass  # no context: what needs one answers 401
            except errors.Unavailable as error:
                environ[REFUSED] = error  # the application says so, in its own words
        return self.app(environ, start_response)


def auth_factory(_global_conf: Any) -> Callable[[WsgiApp], Authenticate]:
    """The ``auth_identity`` filter for paste.deploy."""
    return Authenticate
