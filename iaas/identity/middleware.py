"""The filter of the other services: ``X-Auth-Token`` becomes the context of the request.

A request without a token, or with one that is not in force, goes on without a context: the dispatcher answers it if
the operation is public and refuses it if not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from iaas.common import errors
from iaas.common.context import RequestContext, new_request_id
from iaas.common.rest.middleware import REFUSED, WsgiApp
from iaas.identity import rules

ADMIN_ROLE = "admin"


def context_of(
    token: Mapping[str, Any],
    request_id: str | None = None,
    *,
    global_request_id: str | None = None,
    text: str | None = None,
) -> RequestContext:
    """Return the caller a token speaks for.

    :param token: what it says: the value of ``token`` in the identity service's answer
    :param text: the token itself, kept in ``extra["auth_token"]`` for calls in the caller's name
    """
    user, project = token["user"], token.get("project") or {}
    roles = tuple(role["name"].lower() for role in token.get("roles", ()))
    return RequestContext(
        request_id=request_id or new_request_id(),
        global_request_id=global_request_id,
        user_id=user["id"],
        user_name=user["name"],
        user_domain_id=user["domain"]["id"],
        project_id=project.get("id"),
        project_name=project.get("name"),
        project_domain_id=project["domain"]["id"] if project else None,
        domain_id=token["domain"]["id"] if token.get("domain") else None,
        system_scope="all" if token.get("system") else None,
        roles=roles,
        is_admin=ADMIN_ROLE in roles,
        extra={"auth_token": text} if text else {},
    )


class TokenFilter:
    """Asks ``clients.identity`` who a token is, unless it was asked within the last seconds."""

    def __init__(self, app: WsgiApp) -> None:
        self.app = app

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        text = environ.get("HTTP_X_AUTH_TOKEN")
        if text:
            try:
                token = environ["iaas.clients"].identity.identify(text)
                if token is not None and not rules.permits(token, environ) and not self._by_a_service(environ):
                    token = None
            except errors.Unavailable as error:
                environ[REFUSED] = error  # the application says so, in its own words
                token = None
            if token is not None:
                environ["iaas.context"] = context_of(
                    token,
                    environ.get("iaas.request_id"),
                    global_request_id=environ.get("iaas.global_request_id"),
                    text=text,
                )
        return self.app(environ, start_response)

    @staticmethod
    def _by_a_service(environ: dict[str, Any]) -> bool:
        """Whether one of our services passes a user's token on: its rules were heeded where it came in."""
        text = environ.get("HTTP_X_SERVICE_TOKEN")
        token = environ["iaas.clients"].identity.identify(text) if text else None
        return token is not None and "service" in context_of(token).roles


def filter_factory(_global_conf: Any) -> Callable[[WsgiApp], TokenFilter]:
    """The ``auth`` filter for paste.deploy."""
    return TokenFilter
