"""The EC2 API as one WSGI application: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/Query-Requests.html

A request is a form: in the body of a POST, or all of it in a signed query string.  Who signed it is asked of the
identity service, which alone knows the secrets.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl

from iaas.api import ec2
from iaas.api.ec2 import errors
from iaas.api.ec2.action import Actions, fault
from iaas.api.ec2.query import MAX_PARAMETERS
from iaas.common import runtime
from iaas.common.context import RequestContext, new_request_id
from iaas.common.errors import Unavailable
from iaas.common.rest import body as bodies
from iaas.identity import sigv4
from iaas.identity.middleware import context_of

#: where clients are told the API is; the second is Nova's old one
PATHS = ("", "/", "/services/Cloud", "/services/Cloud/")
SERVICE = "ec2"
FORM = "application/x-www-form-urlencoded"
XML = "text/xml;charset=UTF-8"
BANNER = (
    b"This is the EC2 API, version 2016-11-15: a request needs the parameter Action and a signature of version 4.\n"
)

Start = Callable[..., Any]


class Ec2Api:
    """Authenticates, dispatches, and always answers in the XML a client expects."""

    def __init__(self, actions: Actions) -> None:
        self.actions = actions

    def policies(self) -> Iterable[str]:
        """Return the policy rule of every action."""
        return [action.policy for action in self.actions]

    def __call__(self, environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
        if _asks_nothing(environ):
            return _send(start_response, 200, BANNER, [("Content-Type", "text/plain; charset=utf-8")])
        request_id = environ.get("iaas.request_id") or new_request_id()
        headers = [("Content-Type", XML), ("x-amzn-RequestId", request_id), ("Cache-Control", "no-store")]
        try:
            pairs, ctx = self._received(environ, request_id)
            environ["iaas.context"] = ctx
            environ["iaas.operation_name"] = self.actions.name_of(pairs)
            status, document = self.actions.dispatch(environ["iaas.clients"], ctx, pairs, request_id)
        except Exception as exc:  # what is refused before there is an action
            status, document = fault(exc, request_id)
        if status == HTTPStatus.SERVICE_UNAVAILABLE:
            headers.append(("Retry-After", str(Unavailable.retry_after)))
        return _send(start_response, status, document, headers)

    def _received(self, environ: dict[str, Any], request_id: str) -> tuple[list[tuple[str, str]], RequestContext]:
        """The parameters, and who signed them."""
        clients = environ["iaas.clients"]
        if environ["PATH_INFO"] not in PATHS:
            raise errors.InvalidRequest(message="There is nothing here: the EC2 API is at /.")
        if environ["REQUEST_METHOD"] not in ("GET", "POST"):
            raise errors.InvalidRequest(message="The EC2 API is asked by GET or POST.")
        body = bodies.read(environ, clients.settings.api.max_body)
        pairs = _parameters(environ, body)
        token = clients.identity.ec2_token(_credentials(environ, body, clients.settings))
        return pairs, context_of(token, request_id)


def _asks_nothing(environ: Mapping[str, Any]) -> bool:
    """Whether somebody only looks what is here."""
    empty = not environ.get("QUERY_STRING") and environ.get("CONTENT_LENGTH") in (None, "", "0")
    return environ["REQUEST_METHOD"] == "GET" and empty and environ["PATH_INFO"] in PATHS


def _parameters(environ: Mapping[str, Any], body: bytes) -> list[tuple[str, str]]:
    """The names and values of the form, in order.

    :raises InvalidRequest: it is in two places, no form, not UTF-8, or too long.
    """
    query = environ.get("QUERY_STRING", "")
    if body and (query or environ["REQUEST_METHOD"] == "GET"):
        raise errors.InvalidRequest(message="Parameters are in the body of a POST or in the query string, not both.")
    kind = environ.get("CONTENT_TYPE", "").partition(";")[0].strip().lower()
    if body and kind not in ("", FORM):
        raise errors.InvalidRequest(message=f"The body is not {FORM}.")
    try:
        text = (body or query.encode("latin-1")).decode("utf-8")
        return parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MAX_PARAMETERS)
    except ValueError as exc:  # UnicodeDecodeError is one
        message = f"The parameters are not UTF-8, or more than {MAX_PARAMETERS}."
        raise errors.InvalidRequest(message=message) from exc


def _credentials(environ: Mapping[str, Any], body: bytes, settings: Any) -> dict[str, Any]:
    """What the identity service is asked about.

    That the request is signed for this service, and now, is looked at here already: what cannot be true costs no
    question, and its sender learns nothing that the request does not say itself.

    :raises AuthFailure: nothing says who signed it.
    :raises SignatureDoesNotMatch: it is signed in no way this API knows.
    :raises RequestExpired: it says itself that it is too old, or not of today.
    """
    if "HTTP_AUTHORIZATION" not in environ and "X-Amz-Algorithm" not in environ.get("QUERY_STRING", ""):
        raise errors.AuthFailure()
    try:
        credentials = sigv4.from_wsgi(environ, body)
        signed = sigv4.claims(credentials)
        if signed.scope[2] != SERVICE:
            raise errors.SignatureDoesNotMatch()
        sigv4.check_clock(signed, runtime.now(), datetime.timedelta(seconds=settings.identity.clock_skew))
    except sigv4.SignatureMismatch:
        raise errors.SignatureDoesNotMatch() from None
    except sigv4.RequestExpired:
        raise errors.RequestExpired() from None
    return credentials


def _send(start_response: Start, status: int, document: bytes, headers: list[tuple[str, str]]) -> list[bytes]:
    start_response(f"{status} {HTTPStatus(status).phrase}", [*headers, ("Content-Length", str(len(document)))])
    return [document]


def app_factory(_global_conf: Any, **_local_conf: Any) -> Ec2Api:
    """The application, for paste.deploy."""
    return Ec2Api(ec2.actions())
