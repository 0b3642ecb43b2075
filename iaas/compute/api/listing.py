"""Listing servers: filters become one indexed query; patterns run on a linear-time engine, never inside SQL.

Names and addresses are filtered by regular expression, as clients expect (OSSA-2014-038 is why not in SQL).  A
pattern without special characters is a plain substring and is left to SQL; any other is matched page by page
over the ordered rows, up to a bound.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import re2

from iaas.common import errors
from iaas.common.context import RequestContext
from iaas.compute.states import INSTANCE
from iaas.db import codec, instances
from iaas.db.instances import Condition

SPECIAL = set(r".^$*+?{}[]\|()")
MAX_PATTERN = 256
MAX_SCANNED = 20_000
Matcher = Callable[[Any], bool]
_QUIET = re2.Options()
_QUIET.log_errors = False  # what a user cannot write is told to the user


@dataclass
class ListServers:
    """What a list is asked for.

    :param equal: column → wanted values
    :param patterns: ``name``, ``ip`` or ``ip6`` → regular expression
    """

    all_projects: bool = False
    equal: dict[str, list[Any]] = field(default_factory=dict)
    statuses: list[str] | None = None
    patterns: dict[str, str] = field(default_factory=dict)
    changed_since: float | None = None
    changed_before: float | None = None
    tags_all: list[str] = field(default_factory=list)
    tags_any: list[str] = field(default_factory=list)
    not_tags_all: list[str] = field(default_factory=list)
    not_tags_any: list[str] = field(default_factory=list)
    sort: list[tuple[str, str]] = field(default_factory=list)
    limit: int = 1000
    marker: str | None = None


def page(clients: Any, ctx: RequestContext, wanted: ListServers) -> Sequence[Any]:
    """Return one page of the servers the request may see.

    :raises Invalid: the marker is unknown, a pattern cannot be read, or a search would scan too many rows.
    """
    conditions = _conditions(ctx, wanted)
    if conditions is None:
        return []
    matcher = _matcher(wanted)
    sort = wanted.sort or [("created_at", "desc")]
    with clients.db.read(ctx) as tx:
        if matcher is None:
            return instances.page(tx, conditions, sort, wanted.limit, wanted.marker)
        return _scan(tx, conditions, sort, wanted, matcher)


def _scan(tx: Any, conditions: list[Condition], sort: Any, wanted: ListServers, matcher: Matcher) -> list[Any]:
    found: list[Any] = []
    marker = wanted.marker
    for _ in range(MAX_SCANNED // 1000):
        rows = instances.page(tx, conditions, sort, 1000, marker)
        found += [row for row in rows if matcher(row)]
        if len(found) >= wanted.limit or len(rows) < 1000:
            return found[: wanted.limit]
        marker = rows[-1].id
    raise errors.Invalid(reason=f"The pattern would look at more than {MAX_SCANNED} servers; add other filters.")


def _conditions(ctx: RequestContext, wanted: ListServers) -> list[Condition] | None:
    """The filters as SQL; None where nothing can match."""
    found = [Condition(name, "in", values) for name, values in wanted.equal.items()]
    if not wanted.all_projects:
        found.append(Condition("project_id", "in", [ctx.project_id]))
    if wanted.statuses is not None:
        states = [state.columns for state in INSTANCE.states if state.openstack in wanted.statuses]
        if not states:
            return None
        found.append(Condition("state", "in", states))
    if wanted.changed_since is not None:
        found.append(Condition("updated_at", "ge", wanted.changed_since))
    if wanted.changed_before is not None:
        found.append(Condition("updated_at", "le", wanted.changed_before))
    name = wanted.patterns.get("name")
    if name is not None and not SPECIAL & set(name):
        found.append(Condition("name", "contains", name))
    return found


def _matcher(wanted: ListServers) -> Matcher | None:
    """What SQL cannot say of a row, or None."""
    checks: list[Matcher] = []
    name = wanted.patterns.get("name")
    if name is not None and SPECIAL & set(name):
        regex = _compiled(name)
        checks.append(lambda row: regex.search(row.name) is not None)
    for word, version in (("ip", 4), ("ip6", 6)):
        if word in wanted.patterns:
            checks.append(_address_check(_compiled(wanted.patterns[word]), version))
    if wanted.tags_all or wanted.tags_any or wanted.not_tags_all or wanted.not_tags_any:
        checks.append(lambda row: _tags_match(set(codec.load(row.tags, [])), wanted))
    return (lambda row: all(check(row) for check in checks)) if checks else None


def _compiled(pattern: str) -> Any:
    if len(pattern) > MAX_PATTERN:
        raise errors.Invalid(reason=f"A pattern has at most {MAX_PATTERN} characters.")
    try:
        return re2.compile(pattern, _QUIET)
    except re2.error as error:
        why = error.args[0].decode(errors="replace") if error.args else "it is no regular expression"
        raise errors.Invalid(reason=f"The pattern {pattern[:64]!r} cannot be read: {why[:100]}") from None


def _address_check(regex: Any, version: int) -> Matcher:
    def check(row: Any) -> bool:
        return any(
            address["version"] == version and regex.search(address["address"]) is not None
            for nic in codec.load(row.network_info, [])
            for address in nic["addresses"]
        )

    return check


def _tags_match(tags: set[str], wanted: ListServers) -> bool:
    return (
        tags.issuperset(wanted.tags_all)
        and (not wanted.tags_any or not tags.isdisjoint(wanted.tags_any))
        and (not wanted.not_tags_all or not tags.issuperset(wanted.not_tags_all))
        and tags.isdisjoint(wanted.not_tags_any)
    )


def show(clients: Any, ctx: RequestContext, instance_id: str) -> Any:
    """Return one server's row.

    :raises InstanceNotFound: no such server, or it belongs to another project.
    """
    with clients.db.read(ctx) as tx:
        return instances.get(tx, instance_id)


def metadata(clients: Any, ctx: RequestContext, instance_id: str) -> Mapping[str, str]:
    """Return a server's metadata."""
    return codec.load(show(clients, ctx, instance_id).metadata, {})
