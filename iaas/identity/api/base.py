"""What the operations of Identity v3 have in common: delegation, targets, links and lists."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from iaas.common import errors
from iaas.common.rest import operations
from iaas.common.rest.operations import Call, Handler
from iaas.db.identity.clock import Moment
from iaas.db.identity.listing import Listing
from iaas.identity.issue import Valid

_COMPARATORS = {
    name: name for name in
    ("contains", "startswith", "endswith", "equals", "icontains", "istartswith", "iendswith", "iequals")
}  # fmt: skip


class Resource(operations.Resource):
    """The operations of one noun.  A delegated token may call those that say so, and no others."""

    def operation(
        self, method: str, path: str, *, delegated: bool = False, **rest: Any
    ) -> Callable[[Handler], Handler]:
        """Declare the decorated handler as ``method path``.

        :param delegated: whether a token made with a credential in place of a log-in may call it
        """
        declare = super().operation(method, path, **rest)
        if delegated:
            return declare

        def wrap(handler: Handler) -> Handler:
            @functools.wraps(handler)
            def undelegated(call: Call) -> Any:
                valid = token_of(call)
                if valid is not None and valid.delegated:
                    raise errors.Forbidden(action=call.operation.policy)
                return handler(call)

            return declare(undelegated)

        return wrap


def token_of(call: Call) -> Valid | None:
    """Return the caller's token."""
    return call.ctx.extra.get("token")


def moment_of(call: Call) -> Moment:
    """Return the moment the request is answered for."""
    moment = call.environ.get("iaas.identity.moment")
    if moment is None:
        moment = call.environ["iaas.identity.moment"] = call.clients.world.look(call.ctx)
    return moment


def check(call: Call, **target: Any) -> None:
    """:raises Forbidden: the operation's own rule refuses ``target``."""
    call.clients.policy.check(call.ctx, call.operation.policy, target)


def link(call: Call, *parts: str) -> str:
    """Return the URL of a resource."""
    return "/".join((call.base_url + "/v3", *parts))


def own_link(call: Call) -> str:
    """Return the URL that was asked for, without its query."""
    return call.base_url + call.environ.get("PATH_INFO", "")


def listing(
    call: Call, *, text: Sequence[str] = (), flags: Sequence[str] = (), names: Mapping[str, str] | None = None
) -> Listing:
    """Return what part of a table the query string asks for.

    :param text: columns that are compared as they are
    :param flags: columns that are true or false
    :param names: query name -> column, where they differ
    """
    columns = {name: name for name in (*text, *flags)} | dict(names or {})
    equal: dict[str, Any] = {}
    like: list[tuple[str, str, str]] = []
    for key, values in call.query.items():
        name, _, comparator = key.partition("__")
        column = columns.get(name)
        if column is None:
            continue
        if comparator:
            if comparator in _COMPARATORS and name not in flags:
                like.append((column, comparator, values[-1]))
        else:
            equal[column] = truth(values[-1]) if name in flags else values[-1]
    return Listing(_limit(call), call.param("marker"), equal, tuple(like))


def _limit(call: Call) -> int:
    most = call.clients.settings.api.max_page
    asked = call.param("limit")
    if asked is None:
        return most
    if not asked.isdigit() or not asked.isascii() or len(asked) > 9:
        raise errors.Invalid(reason="limit must be a whole number.")
    return min(int(asked), most) or most


def truth(text: str) -> bool:
    """Return what a flag of a query string says; one without a value is true."""
    return text.lower() not in ("0", "false", "no", "off", "f", "n")


def flag(call: Call, name: str) -> bool:
    """Return whether the query has the flag, and does not deny it."""
    values = call.query.get(name)
    return bool(values) and truth(values[-1])


def listed(
    call: Call, plural: str, rows: Sequence[Any], limit: int, view: Callable[[Call, Any], dict[str, Any]]
) -> dict[str, Any]:
    """Return a page of ``rows`` (one more than a page if there is more) as the API shows a list."""
    shown = [view(call, row) for row in rows[:limit]]
    links: dict[str, Any] = {"next": None, "self": own_link(call), "previous": None}
    body: dict[str, Any] = {plural: shown, "links": links}
    if len(rows) > limit:
        links["next"] = f"{own_link(call)}?limit={limit}&marker={rows[limit - 1].id}"
        body["truncated"] = True
    return body
