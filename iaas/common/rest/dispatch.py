"""The WSGI application of one API: from a request to the handler of its operation, and back.

The order is fixed: route, microversion, authentication, body limits, JSON, policy, schema, handler.  Nothing a
client sends reaches a handler before its operation's policy and schema have passed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import parse_qs, unquote_to_bytes

import orjson

from iaas.common import errors
from iaas.common.context import RequestContext, new_request_id
from iaas.common.rest import body as bodies
from iaas.common.rest import faults
from iaas.common.rest.microversions import Negotiation, Version
from iaas.common.rest.middleware import REFUSED
from iaas.common.rest.operations import PUBLIC, Call, Operation, Reply, Resource, Router, parameter_names

LOG = logging.getLogger(__name__)
NO_VERSION = Version(0, 0)
#: characters of the longest name or id in a path
MAX_SEGMENT = 1024
#: characters of a fault that quotes what a client sent
MAX_MESSAGE = 1000
#: characters of a path that a fault quotes
MAX_SHOWN = 200
NOTHING = "The resource could not be found."
StartResponse = Callable[..., Any]


class NoSuchResource(errors.IaasError):
    kind = errors.Kind.NOT_FOUND
    template = "{reason}"


class Api:
    """One API: its operations behind one prefix.

    :param base: the URL clients know this API by, without the prefix; links are built from it
    :param project_in_path: whether ``<prefix>/<project id>/…`` is served too, and must be the token's project
    :param exact_paths: a slash at the end names nothing: ``/images/`` is an image without an id, not the list
    """

    def __init__(
        self,
        name: str,
        resources: Iterable[Resource],
        *,
        base: Callable[[Any], str],
        prefix: str = "",
        negotiation: Negotiation | None = None,
        fault: faults.FaultFormat = faults.openstack,
        project_in_path: bool = False,
        exact_paths: bool = False,
        roots: Resource | None = None,
    ) -> None:
        self.name = name
        self.prefix = prefix
        self.negotiation = negotiation
        self.fault = fault
        self.project_in_path = project_in_path
        self.exact_paths = exact_paths
        self.operations = [operation for resource in resources for operation in resource]
        self.roots = list(roots or ())
        self._base = base
        self._router = Router(self.operations)
        self._root_router = Router(self.roots)
        self._names = {operation.path: parameter_names(operation.path) for operation in self.operations + self.roots}

    def policies(self) -> Iterable[str]:
        """Return the policy rule of every operation."""
        return [operation.policy for operation in self.operations + self.roots]

    # -- WSGI ------------------------------------------------------------------------------------------

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        headers: list[tuple[str, str]] = []
        try:
            status, body = self._answer(environ, headers)
        except errors.IaasError as error:
            status, body = self._fault(environ, error, headers)
        except Exception:
            LOG.exception("%s %s failed", environ["REQUEST_METHOD"], environ.get("PATH_INFO"))
            status, body = self._crash(environ, headers)
        environ["iaas.operation_status"] = status
        return _send(environ, start_response, status, headers, body)

    def _answer(self, environ: dict[str, Any], headers: list[tuple[str, str]]) -> tuple[int, Any]:
        clients = environ["iaas.clients"]
        if REFUSED in environ:
            raise environ[REFUSED]
        operations, values, ctx = self._route(environ)
        version = self.negotiation.asked(environ) if self.negotiation else NO_VERSION
        if self.negotiation:
            headers += self.negotiation.headers(version)
        if operations[0].policy != PUBLIC and ctx is None:
            raise errors.Unauthenticated()
        ctx = ctx or RequestContext(environ.get("iaas.request_id") or new_request_id())
        operation, body = self._choose(environ, operations, version, clients.settings.api.max_body)
        environ["iaas.operation"] = operation
        if operation.policy != PUBLIC:
            clients.policy.check(ctx, operation.policy)
        query = _query(environ)
        if operation.body is not None:
            _check(operation.body.at(version), body)
        if operation.query is not None:
            _check(operation.query.at(version), query)
        call = Call(
            clients=clients,
            ctx=ctx,
            version=version,
            path=dict(zip(self._names[operation.path], values, strict=True)),
            query=query,
            body=body,
            environ=environ,
            base_url=self._base(clients.settings),
            operation=operation,
        )
        result = operation.handler(call)
        headers += call.headers.items()
        if isinstance(result, Reply):
            headers += result.headers.items()
            return result.status or operation.status, result.body
        return operation.status, result

    def _route(self, environ: dict[str, Any]) -> tuple[list[Operation], list[str], RequestContext | None]:
        path, method = environ.get("PATH_INFO", "") or "/", environ["REQUEST_METHOD"]
        ctx: RequestContext | None = environ.get("iaas.context")
        found = self._root_router.find(path)
        if found is None and path.startswith(self.prefix):
            found = self._under_prefix(path[len(self.prefix) :], ctx)
        if found is None:
            raise self._unserved(method, path) if ctx else errors.Unauthenticated()
        node, values = found
        operations = node.operations.get("GET" if method == "HEAD" and "HEAD" not in node.operations else method)
        if operations is None:
            if ctx is None and all(op.policy != PUBLIC for ops in node.operations.values() for op in ops):
                raise errors.Unauthenticated()
            raise faults.MethodNotAllowed()
        return operations, [_decoded(value) for value in values], ctx

    def _unserved(self, method: str, path: str) -> NoSuchResource:
        """What is not there, as against what is there and has no such row: say so, whether it is published or not."""
        shown = path[:MAX_SHOWN] + ("…" if len(path) > MAX_SHOWN else "")
        words = f"The {self.name} API of this cloud has no operation {method} {shown}"
        return NoSuchResource(reason=f"{words}; docs/api/operations.md lists what it has.")

    def _other_versions(self, operations: list[Operation], action: str | None, version: Version) -> str:
        """Say at which versions an operation is there that is not at ``version``."""
        if self.negotiation is None:
            return NOTHING
        lowest, highest = self.negotiation.lowest, self.negotiation.highest
        spans = [(max(lowest, one.first), min(highest, one.last)) for one in operations if one.action == action]
        words = " and ".join(f"{first} to {last}" for first, last in spans if first <= last)
        return f"The operation is not there at microversion {version}; ask for one of {words or 'none'}."

    def _under_prefix(self, path: str, ctx: RequestContext | None) -> Any:
        if self.project_in_path and ctx is not None and path:
            first, _, rest = path.lstrip("/").partition("/")
            if first == ctx.project_id:
                path = rest
        if self.exact_paths and path.endswith("/") and path.strip("/"):
            return None
        return self._router.find(path)

    def _choose(
        self, environ: dict[str, Any], operations: list[Operation], version: Version, limit: int
    ) -> tuple[Operation, Any]:
        """Return the operation in force, and the parsed body."""
        first = operations[0]
        if first.streamed:
            return first, None
        if environ["REQUEST_METHOD"] in ("GET", "HEAD"):
            raw = b""
        else:
            raw = bodies.read(environ, first.max_body or limit)
        body = None
        if raw:
            _check_media(environ, first.media)
            body = bodies.parse(raw)
        action = None
        if first.action is not None:
            if not isinstance(body, dict) or len(body) != 1:
                raise errors.Invalid(reason="The body must be an object with one key, the action.")
            action = next(iter(body))
            if all(operation.action != action for operation in operations):
                raise errors.Invalid(reason=f"There is no such action: {action[:64]}")
        for operation in operations:
            if operation.action == action and operation.first <= version <= operation.last:
                return operation, body
        raise NoSuchResource(reason=self._other_versions(operations, action, version))

    # -- faults ----------------------------------------------------------------------------------------

    def _fault(
        self, environ: dict[str, Any], error: errors.IaasError, headers: list[tuple[str, str]]
    ) -> tuple[int, Any]:
        status = faults.status_of(error)
        if self.negotiation and not any(name == "Vary" for name, _ in headers):
            headers += self.negotiation.headers(self.negotiation.lowest)
        if isinstance(error, errors.Unavailable):
            headers.append(("Retry-After", str(error.retry_after)))
        if status == 401:
            url = environ["iaas.clients"].settings.identity.url
            headers.append(("WWW-Authenticate", f'Keystone uri="{url}"'))
        if status >= 500:
            LOG.warning("%s %s: %s", environ["REQUEST_METHOD"], environ.get("PATH_INFO"), error)
            if error.kind is errors.Kind.INTERNAL:
                return self._crash(environ, headers)
        return status, self.fault(status, error.message[:MAX_MESSAGE], error)

    def _crash(self, environ: dict[str, Any], headers: list[tuple[str, str]]) -> tuple[int, Any]:
        sentence = (
            "An unexpected error prevented the request from being fulfilled. "
            f"Tell your administrator the request id {environ.get('iaas.request_id')}."
        )
        return 500, self.fault(500, sentence, None)


def _check(schema: Any, value: Any) -> None:
    if schema is not None:
        schema.check(value)


def _check_media(environ: Mapping[str, Any], media: tuple[str, ...]) -> None:
    kind = environ.get("CONTENT_TYPE", "").partition(";")[0].strip().lower()
    if kind and kind not in media:
        raise faults.UnsupportedMediaType()


def _decoded(value: str) -> str:
    """A path segment as text: WSGI hands it over as latin-1."""
    try:
        text = value.encode("latin-1").decode()
    except UnicodeError:
        raise NoSuchResource(reason=NOTHING) from None
    if "\x00" in text or len(text) > MAX_SEGMENT:  # nothing is called so, and not every database can be asked for it
        raise NoSuchResource(reason=NOTHING)
    return text


def _query(environ: Mapping[str, Any]) -> dict[str, list[str]]:
    text = environ.get("QUERY_STRING", "")
    if not text:
        return {}
    try:
        unquote_to_bytes(text.replace("+", " ")).decode()
        query = parse_qs(text, keep_blank_values=True, max_num_fields=200)
    except (UnicodeDecodeError, ValueError):
        raise errors.Invalid(reason="The query string cannot be read.") from None
    if "\x00" in text or "%00" in text:
        raise errors.Invalid(reason="The query string has a NUL character.")
    return query


def _send(
    environ: dict[str, Any],
    start_response: StartResponse,
    status: int,
    headers: list[tuple[str, str]],
    body: Any,
) -> Iterable[bytes]:
    reason = faults.REASONS.get(status, "Unknown")
    names = {name.lower() for name, _ in headers}
    if body is None:
        if status not in (204, 304):
            headers.append(("Content-Length", "0"))
        chunks: Iterable[bytes] = []
    elif isinstance(body, (dict, list, bytes)):
        raw = body if isinstance(body, bytes) else orjson.dumps(body)
        headers.append(("Content-Length", str(len(raw))))
        chunks = [raw]
    else:
        chunks = body
    if body is not None and "content-type" not in names:
        headers.append(("Content-Type", "application/json"))
    headers.append(("X-Content-Type-Options", "nosniff"))
    if environ["REQUEST_METHOD"] == "HEAD":
        chunks = []
    start_response(f"{status} {reason}", [(name, _clean(value)) for name, value in headers])
    return chunks


def _clean(value: str) -> str:
    """A header value on one line, in the bytes a header may have."""
    if value.isascii() and value.isprintable():
        return value
    return value.replace("\r", " ").replace("\n", " ").encode("utf-8").decode("latin-1")
