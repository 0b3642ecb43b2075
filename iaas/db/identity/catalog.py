"""Regions, services and endpoints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from iaas.common import errors
from iaas.db.identity import listing
from iaas.db.models.identity import endpoints, regions, services
from iaas.db.tx import Tx

TABLES = {"Region": regions, "Service": services, "Endpoint": endpoints}


def find(tx: Tx, what: str, key: str) -> Any | None:
    """Return a row of :data:`TABLES`, or None."""
    table = TABLES[what]
    return tx.one(sa.select(table).where(table.c.id == key))


def get(tx: Tx, what: str, key: str) -> Any:
    """:raises NotFound: no such row."""
    row = find(tx, what, key)
    if row is None:
        raise errors.NotFound(what=what, id=key)
    return row


def page(tx: Tx, what: str, wanted: listing.Listing) -> Sequence[Any]:
    return tx.all(listing.page(sa.select(TABLES[what]), TABLES[what], wanted))


def add(tx: Tx, what: str, **values: Any) -> None:
    """:raises DuplicateKey: a region of that id exists."""
    tx.insert(TABLES[what], **values)


def update(tx: Tx, what: str, key: str, values: Mapping[str, Any]) -> None:
    table = TABLES[what]
    if values:
        tx.count(sa.update(table).where(table.c.id == key).values(**values))


def delete(tx: Tx, what: str, key: str) -> bool:
    """Delete a row, of a service with its endpoints; return whether there was one.

    :raises Conflict: a region that has endpoints or regions in it.
    """
    if what == "Service":
        tx.count(sa.delete(endpoints).where(endpoints.c.service_id == key))
    if what == "Region":
        for table, column in ((regions, regions.c.parent_id), (endpoints, endpoints.c.region_id)):
            if tx.one(sa.select(table.c.id).where(column == key).limit(1)) is not None:
                raise errors.Conflict(reason=f"The region still holds {table.name}; delete them first.")
    table = TABLES[what]
    return tx.count(sa.delete(table).where(table.c.id == key)) == 1


def find_service(tx: Tx, kind: str) -> Any | None:
    """Return a service of that type, or None."""
    return tx.one(sa.select(services).where(services.c.type == kind).order_by(services.c.id))


def find_endpoint(tx: Tx, service_id: str, region_id: str, interface: str) -> Any | None:
    c = endpoints.c
    where = (c.service_id == service_id, c.region_id == region_id, c.interface == interface)
    return tx.one(sa.select(endpoints).where(*where).order_by(c.id))


def enabled(tx: Tx) -> Sequence[Any]:
    """Return every enabled endpoint of an enabled service, with the service's type and name."""
    query = sa.select(
        services.c.id.label("service_id"), services.c.type, services.c.name, endpoints.c.id,
        endpoints.c.interface, endpoints.c.region_id, endpoints.c.url,
    ).join(endpoints, endpoints.c.service_id == services.c.id)  # fmt: skip
    query = query.where(services.c.enabled.is_(True), endpoints.c.enabled.is_(True))
    return tx.all(query.order_by(services.c.type, services.c.id, endpoints.c.id))
