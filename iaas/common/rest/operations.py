"""Operations: one row each, declared where they are handled."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from iaas.common.context import RequestContext
from iaas.common.rest.microversions import Version, Versioned
from iaas.common.rest.schemas import Compiled, Schema

#: the policy of what anybody may read without a token: version documents, health
PUBLIC = "public"

Handler = Callable[["Call"], Any]


@dataclass
class Call:
    """One request on its way through a handler.

    :ivar clients: the process's connections: database, queue, image and identity clients, settings
    :ivar body: the validated JSON, or None; for a streamed operation, ``stream`` reads the bytes
    :ivar headers: what the handler adds to the answer's headers
    """

    clients: Any
    ctx: RequestContext
    version: Version
    path: Mapping[str, str]
    query: Mapping[str, list[str]]
    body: Any
    environ: dict[str, Any]
    base_url: str
    operation: Operation
    headers: dict[str, str] = field(default_factory=dict)

    def at_least(self, text: str) -> bool:
        """Whether the request's microversion is ``text`` or later."""
        return self.version >= Version.parse(text)

    def param(self, name: str, default: str | None = None) -> str | None:
        """Return the last value of a query parameter."""
        values = self.query.get(name)
        return values[-1] if values else default

    def header(self, name: str) -> str | None:
        """Return a header of the request."""
        return self.environ.get("HTTP_" + name.upper().replace("-", "_"))


@dataclass
class Reply:
    """An answer that is more than a JSON body with the declared status.

    :param body: a JSON value, or bytes, or an iterable of bytes that is streamed
    """

    body: Any = None
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Operation:
    """One row: what is served, to whom, from which version on, and by which function."""

    method: str
    path: str
    handler: Handler
    policy: str
    action: str | None = None
    status: int = 200
    first: Version = Version(0, 0)
    last: Version = Version(999, 999)
    body: Versioned[Compiled] | None = None
    query: Versioned[Compiled] | None = None
    streamed: bool = False  # the handler reads the body itself, in chunks
    max_body: int | None = None
    media: tuple[str, ...] = ("application/json",)
    served: bool = True  # False: it only says, in a sentence, that it is not there; the ledger counts it as open

    @property
    def key(self) -> tuple[str, str, str | None]:
        return self.method, self.path, self.action

    @property
    def name(self) -> str:
        """The operation in metrics: its path as declared, and its action."""
        return self.path if self.action is None else f"{self.path}#{self.action}"

    @property
    def summary(self) -> str:
        """The first line of the handler's docstring."""
        return (self.handler.__doc__ or "").strip().split("\n")[0]


def _versioned(schemas: Mapping[str, Schema] | Schema | None) -> Versioned[Compiled] | None:
    if schemas is None:
        return None
    if not all(key[:1].isdigit() for key in schemas):
        schemas = {"0.0": schemas}  # type: ignore[dict-item]  # a service without microversions
    return Versioned({start: Compiled(schema) for start, schema in schemas.items()})


class Resource:
    """The operations of one noun; the module of the noun holds one, named ``resource``."""

    def __init__(self) -> None:
        self.operations: list[Operation] = []

    def operation(
        self,
        method: str,
        path: str,
        *,
        policy: str,
        action: str | None = None,
        status: int = 200,
        first: str = "0.0",
        last: str = "999.999",
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, Any] | None = None,
        streamed: bool = False,
        max_body: int | None = None,
        media: tuple[str, ...] = ("application/json",),
        served: bool = True,
    ) -> Callable[[Handler], Handler]:
        """Declare the decorated handler as ``method path``.

        :param action: the body's only key, for ``POST …/action``
        :param body: a schema, or schemas keyed by the microversion they start at
        :param media: the content types of the body that are understood
        :param served: False for one that only answers, in a sentence, that it is not there
        """

        def declare(handler: Handler) -> Handler:
            self.operations.append(
                Operation(
                    method, path, handler, policy, action, status, Version.parse(first), Version.parse(last),
                    _versioned(body), _versioned(query), streamed, max_body, media, served,
                )
            )  # fmt: skip
            return handler

        return declare

    def __iter__(self) -> Iterator[Operation]:
        return iter(self.operations)


class Node:
    """One segment of the route tree."""

    __slots__ = ("children", "operations", "wildcard")

    def __init__(self) -> None:
        self.children: dict[str, Node] = {}
        self.wildcard: Node | None = None
        self.operations: dict[str, list[Operation]] = {}  # by method


class Router:
    """Finds the operations of a path; a literal segment wins over a parameter."""

    def __init__(self, operations: Iterable[Operation]) -> None:
        self.root = Node()
        for operation in operations:
            self._add(operation)

    def _add(self, operation: Operation) -> None:
        node = self.root
        for segment in _split(operation.path):
            if segment.startswith("{"):
                node.wildcard = node.wildcard or Node()
                node = node.wildcard
            else:
                node = node.children.setdefault(segment, Node())
        same = node.operations.setdefault(operation.method, [])
        for other in same:
            if other.action == operation.action and other.first <= operation.last and operation.first <= other.last:
                raise ValueError(f"{operation.method} {operation.path} {operation.action or ''} is declared twice")
        same.append(operation)

    def find(self, path: str) -> tuple[Node, list[str]] | None:
        """Return the node of ``path`` and the values of its parameters, in order."""
        return self._walk(self.root, _split(path), 0, [])

    def _walk(self, node: Node, segments: list[str], at: int, values: list[str]) -> tuple[Node, list[str]] | None:
        if at == len(segments):
            return (node, values) if node.operations else None
        child = node.children.get(segments[at])
        if child is not None:
            found = self._walk(child, segments, at + 1, values)
            if found is not None:
                return found
        if node.wildcard is not None and segments[at]:
            return self._walk(node.wildcard, segments, at + 1, [*values, segments[at]])
        return None


def _split(path: str) -> list[str]:
    return path.strip("/").split("/") if path.strip("/") else []


def parameter_names(path: str) -> list[str]:
    """Return the names of a template's parameters, in order."""
    return [segment[1:-1] for segment in _split(path) if segment.startswith("{")]
