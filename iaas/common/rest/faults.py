"""From kinds of errors to HTTP: status codes here, the words in each service's own fault format.

A fault format is a function ``(status, message, error) -> JSON value``; ``error`` is None for a crash.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from iaas.common.errors import IaasError, Kind

FaultFormat = Callable[[int, str, IaasError | None], Any]

STATUS = {
    Kind.INVALID: 400,
    Kind.UNAUTHENTICATED: 401,
    Kind.FORBIDDEN: 403,
    Kind.NOT_FOUND: 404,
    Kind.CONFLICT: 409,
    Kind.OVER_LIMIT: 403,
    Kind.TOO_LARGE: 413,
    Kind.GONE_VERSION: 406,
    Kind.NOT_IMPLEMENTED: 501,
    Kind.UNAVAILABLE: 503,
    Kind.NO_SPACE: 507,
    Kind.INTERNAL: 500,
}

REASONS = {
    200: "OK", 201: "Created", 202: "Accepted", 203: "Non-Authoritative Information", 204: "No Content",
    206: "Partial Content", 300: "Multiple Choices", 301: "Moved Permanently", 302: "Found", 304: "Not Modified",
    400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed",
    406: "Not Acceptable", 409: "Conflict", 410: "Gone", 411: "Length Required", 412: "Precondition Failed",
    413: "Request Entity Too Large", 414: "URI Too Long", 415: "Unsupported Media Type",
    416: "Requested Range Not Satisfiable", 429: "Too Many Requests", 431: "Request Header Fields Too Large",
    500: "Internal Server Error", 501: "Not Implemented", 503: "Service Unavailable", 507: "Insufficient Storage",
}  # fmt: skip


class MethodNotAllowed(IaasError):
    kind = Kind.INVALID
    template = "The method is not allowed for this resource."


class UnsupportedMediaType(IaasError):
    kind = Kind.INVALID
    template = "Unsupported Content-Type; send application/json."


def status_of(error: IaasError) -> int:
    """Return the HTTP status of an error."""
    if isinstance(error, MethodNotAllowed):
        return 405
    if isinstance(error, UnsupportedMediaType):
        return 415
    return STATUS[error.kind]


_COMPUTE_WORDS = {
    400: "badRequest", 401: "unauthorized", 403: "forbidden", 404: "itemNotFound", 405: "badMethod",
    406: "notAcceptable", 409: "conflictingRequest", 413: "overLimit", 415: "badMediaType",
    429: "overLimit", 501: "notImplemented", 503: "serviceUnavailable",
}  # fmt: skip


def openstack(status: int, message: str, error: IaasError | None) -> Any:
    """The format of compute and block storage: ``{"badRequest": {"code": 400, "message": …}}``."""
    return {_COMPUTE_WORDS.get(status, "computeFault"): {"code": status, "message": message}}
