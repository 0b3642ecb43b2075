"""Finding what an administrator names: by id, or by a name that only one thing has."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from iaas.cmd.manage.base import Ambiguous, Unknown
from iaas.db import flavors, instances
from iaas.db.identity import domains, groups, projects, roles, users
from iaas.db.identity.listing import Listing
from iaas.db.tx import Tx

PAGE = 1000


def pages(page: Callable[[Tx, Listing], Sequence[Any]], tx: Tx, **equal: Any) -> Iterator[Any]:
    """Yield every row of a list of identity, a page at a time."""
    marker: str | None = None
    while True:
        rows = page(tx, Listing(PAGE, marker, equal))
        yield from rows[:PAGE]
        if len(rows) <= PAGE:
            return
        marker = rows[PAGE - 1].id


def domain(tx: Tx, name: str) -> Any:
    """:raises Unknown: no such domain."""
    row = domains.find(tx, name) or domains.find_named(tx, name)
    if row is None:
        raise Unknown(what="domain", name=name, see="project list")
    return row


def user(tx: Tx, name: str, domain_name: str = "default") -> Any:
    """:raises Unknown: no such user."""
    row = users.find(tx, name) or users.find_named(tx, name, domain_id=domain(tx, domain_name).id)
    if row is None:
        raise Unknown(what="user", name=name, see="user list")
    return row


def group(tx: Tx, name: str, domain_name: str = "default") -> Any:
    """:raises Unknown: no such group."""
    for equal in ({"id": name}, {"name": name, "domain_id": domain(tx, domain_name).id}):
        for row in pages(groups.page, tx, **equal):
            return row
    raise Unknown(what="group", name=name, see="role assignments")


def project(tx: Tx, name: str, domain_name: str = "default") -> Any:
    """:raises Unknown: no such project."""
    row = projects.find(tx, name) or projects.find_named(tx, name, domain_id=domain(tx, domain_name).id)
    if row is None:
        raise Unknown(what="project", name=name, see="project list")
    return row


def role(tx: Tx, name: str) -> Any:
    """:raises Unknown: no such role."""
    row = next(iter(pages(roles.page, tx, id=name)), None) or roles.find_named(tx, name)
    if row is None:
        raise Unknown(what="role", name=name, see="role list")
    return row


def server(tx: Tx, name: str) -> Any:
    """:raises Unknown: no such server. :raises Ambiguous: several of that name."""
    row = instances.find(tx, name)
    if row is not None:
        return row
    named = instances.page(tx, [instances.Condition("name", "in", [name])], [("created_at", "asc")], 10, None)
    if len(named) > 1:
        raise Ambiguous(what="server", name=name, ids=", ".join(found.id for found in named))
    if not named:
        raise Unknown(what="server", name=name, see="server list")
    return named[0]


def flavor(tx: Tx, name: str) -> Any:
    """:raises Unknown: no such flavor."""
    try:
        return flavors.get(tx, name)
    except flavors.FlavorNotFound:
        named = flavors.by_names(tx, [name])
    if not named:
        raise Unknown(what="flavor", name=name, see="flavor list") from None
    return named[0]
