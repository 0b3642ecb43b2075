"""What every noun of the API shares: lists and their query, one or many in a body, moments.

Sources: https://docs.openstack.org/api-ref/network/v2/#filtering-and-column-selection and the two sections after it.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from iaas.common import errors
from iaas.common.rest.operations import Call
from iaas.common.rest.schemas import BOOLEAN, Compiled, to_bool
from iaas.network.api.listing import Asked, Page

View = Callable[[Any], dict[str, Any]]
_BOOLEAN = Compiled(BOOLEAN)
_OWN = ("fields", "limit", "marker", "page_reverse", "sort_key", "sort_dir")


@dataclass(frozen=True)
class Columns:
    """Which attributes a list may be filtered and sorted by, and the columns they are.

    :param special: attributes the noun's own module turns into filters
    """

    text: Mapping[str, str]
    flags: Mapping[str, str] = field(default_factory=dict)
    numbers: Mapping[str, str] = field(default_factory=dict)
    special: Sequence[str] = ()

    @property
    def all(self) -> dict[str, str]:
        return {**self.text, **self.flags, **self.numbers}


def asked(call: Call, columns: Columns) -> Asked:
    """Return what the query asks for.

    :raises Invalid: an unknown parameter, or a value that cannot be.
    """
    equal: dict[str, list[Any]] = {}
    for name, values in call.query.items():
        if name in _OWN or name in columns.special:
            continue
        column = columns.all.get(name)
        if column is None:
            raise errors.Invalid(reason=f"[{name[:64]!r}] is invalid attribute for filtering")
        wanted = [_value(columns, name, value) for value in values]
        equal[column] = [value for value in equal.get(column, wanted) if value in wanted]  # both spellings must agree
    return Asked(equal, _sort(call, columns), _limit(call), call.param("marker"), to_bool(call.param("page_reverse")))


def _value(columns: Columns, name: str, value: str) -> Any:
    if name in columns.flags:
        return flag(value)
    if name in columns.numbers:
        if not (value.isascii() and value.isdecimal() and len(value) < 10):
            raise errors.Invalid(reason=f"'{value[:64]}' is not an integer")
        return int(value)
    return value


def flag(text: str) -> bool:
    """Return the yes or no a filter asks for.

    :raises Invalid: it is neither.
    """
    _BOOLEAN.check(text)
    return to_bool(text)


def _sort(call: Call, columns: Columns) -> list[tuple[str, str]]:
    keys, directions = call.query.get("sort_key", []), call.query.get("sort_dir", [])
    if directions and len(directions) != len(keys):
        raise errors.Invalid(reason="The number of sort_keys and sort_dirs must be same")
    found = []
    for index, key in enumerate(keys):
        if key not in columns.all:
            raise errors.Invalid(reason=f"[{key[:64]!r}] is invalid attribute for sort_keys")
        direction = directions[index] if directions else "asc"
        if direction not in ("asc", "desc"):
            raise errors.Invalid(reason=f"[{direction[:64]!r}] is invalid value for sort_dirs, valid are asc and desc")
        found.append((columns.all[key], direction))
    return found or [("created_at", "asc")]


def _limit(call: Call) -> int:
    text, most = call.param("limit"), call.clients.settings.api.max_page
    if text is None:
        return most
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise errors.Invalid(reason="limit must be an integer 0 or greater and not '" + text[:40] + "'")
    return min(int(text) or most, most)


def listed(call: Call, plural: str, page: Page, view: View) -> dict[str, Any]:
    """Return a list's body: the rows, and links to the pages beside it."""
    rows = [view(row) for row in page.rows]
    body: dict[str, Any] = {plural.replace("-", "_"): [chosen(call, row) for row in rows]}
    reverse = to_bool(call.param("page_reverse"))
    links = []
    if rows and (page.more or (reverse and call.param("marker"))):
        links.append(_link(call, plural, "next", rows[-1]["id"], False))
    if rows and (call.param("marker") if not reverse else page.more):
        links.append(_link(call, plural, "previous", rows[0]["id"], True))
    if links:
        body[f"{plural.replace('-', '_')}_links"] = links
    return body


def _link(call: Call, plural: str, rel: str, marker: str, reverse: bool) -> dict[str, str]:
    kept = [(name, value) for name, values in call.query.items() if name not in ("marker", "page_reverse")
            for value in values]  # fmt: skip
    query = urlencode([*kept, ("marker", marker), *([("page_reverse", "True")] if reverse else [])])
    return {"rel": rel, "href": f"{call.base_url}/v2.0/{plural}?{query}"}


def chosen(call: Call, row: dict[str, Any]) -> dict[str, Any]:
    """Return the attributes the query's ``fields`` name; all where it names none."""
    names = {name for name in call.query.get("fields", ()) if name}
    return {name: value for name, value in row.items() if name in names} if names else row


def items(call: Call, one: str, many: str) -> tuple[list[dict[str, Any]], bool]:
    """Return what a POST wants made, and whether it asked for many at once."""
    if many in call.body:
        return call.body[many], True
    return [call.body[one]], False


def made(rows: Sequence[dict[str, Any]], bulk: bool, one: str, many: str) -> dict[str, Any]:
    """Return the answer to a POST."""
    return {many: list(rows)} if bulk else {one: rows[0]}


def project_of(call: Call, wanted: Mapping[str, Any]) -> str:
    """Return the project a new thing is for: the caller's, or one an administrator names.

    :raises Forbidden: another project, and the caller is no administrator.
    """
    names = {wanted[key] for key in ("project_id", "tenant_id") if wanted.get(key)}
    if len(names) > 1:
        raise errors.Invalid(reason="'project_id' and 'tenant_id' are both given and do not match.")
    project_id = names.pop() if names else call.ctx.project_id
    if not project_id:
        raise errors.Invalid(reason="The token is for no project; name one as project_id.")
    if project_id != call.ctx.project_id:
        call.clients.policy.check(call.ctx, "network:set:project_id")
    return project_id


def guard(call: Call, noun: str, wanted: Mapping[str, Any], names: Sequence[str]) -> None:
    """Ask the policy for each attribute a request names that has a rule, whatever its value (OSSA-2014-031)."""
    for name in names:
        if name in wanted or (name == "provider" and any(key.startswith("provider:") for key in wanted)):
            call.clients.policy.check(call.ctx, f"network:{noun}:set:{name}")


def moment(seconds: float) -> str:
    """Return a moment as this API writes it."""
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def stamps(row: Any) -> dict[str, Any]:
    """The attributes every resource has."""
    return {
        "project_id": row.project_id,
        "tenant_id": row.project_id,
        "description": row.description,
        "created_at": moment(row.created_at),
        "updated_at": moment(getattr(row, "updated_at", row.created_at)),
        "revision_number": row.revision,
    }
