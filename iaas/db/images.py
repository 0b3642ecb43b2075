"""Queries on images, their properties and tags. Each takes the caller's transaction and never commits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from iaas.common import errors
from iaas.common.context import RequestContext
from iaas.db import paging
from iaas.db.models.images import blob_gc, image_members, image_properties, image_tags, images
from iaas.db.tx import DuplicateKey, Tx

#: how many ids one ``IN (…)`` names
_BATCH = 500


class ImageNotFound(errors.IaasError):
    kind = errors.Kind.NOT_FOUND
    template = "Image {image_id} could not be found."


class ImageForbidden(errors.IaasError):
    """The image is visible, but this may not be done to it, or not by this caller."""

    kind = errors.Kind.FORBIDDEN
    template = "{reason}"


class ImageExists(errors.IaasError):
    kind = errors.Kind.CONFLICT
    template = "An image with the id {image_id} exists, or existed a moment ago."


@dataclass(frozen=True)
class Image:
    """One image with what describes it; columns of the row are attributes."""

    row: sa.Row[Any]
    properties: Mapping[str, str]
    tags: Sequence[str]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.row, name)


@dataclass(frozen=True)
class Listing:
    """Which images are asked for.

    :ivar visibility: one of the four words, ``all``, or None: what a list shows unasked (no community images of others)
    :ivar member_status: whose offers of shared images count: pending, accepted, rejected or all
    :ivar conditions: further conditions, made by the functions below
    """

    limit: int
    marker: str | None = None
    sort: Sequence[tuple[str, str]] = (("created_at", "desc"),)
    visibility: str | None = None
    member_status: str = "accepted"
    conditions: Sequence[sa.ColumnElement[bool]] = field(default=())


def _offered(ctx: RequestContext, status: str) -> sa.ColumnElement[bool]:
    """Images shared with the caller's project."""
    if ctx.project_id is None:
        return sa.false()
    members = sa.select(image_members.c.image_id).where(image_members.c.member_id == ctx.project_id)
    if status != "all":
        members = members.where(image_members.c.status == status)
    return sa.and_(images.c.visibility == "shared", images.c.id.in_(members))


def _own(ctx: RequestContext) -> sa.ColumnElement[bool]:
    return images.c.owner == ctx.project_id if ctx.project_id is not None else sa.false()


def visible_to(ctx: RequestContext) -> sa.ColumnElement[bool]:
    """The rows a request may name by id: its project's, public and community ones, and those shared with it.

    A member that has not accepted, or has rejected, may still use the image by its id: the status decides
    about lists only.  An admin sees all.
    """
    if ctx.is_admin:
        return sa.true()
    return sa.or_(images.c.visibility.in_(("public", "community")), _own(ctx), _offered(ctx, "all"))


def _listed(ctx: RequestContext, wanted: Listing) -> sa.ColumnElement[bool]:
    """The rows a list shows."""
    if ctx.is_admin:
        if wanted.visibility in (None, "all"):
            return sa.true()
        return images.c.visibility == wanted.visibility
    offered = _offered(ctx, wanted.member_status)
    match wanted.visibility:
        case None:
            return sa.or_(images.c.visibility == "public", _own(ctx), offered)
        case "all":
            return sa.or_(images.c.visibility.in_(("public", "community")), _own(ctx), offered)
        case "public" | "community" as open_to_all:
            return images.c.visibility == open_to_all
        case "shared":
            return sa.or_(sa.and_(images.c.visibility == "shared", _own(ctx)), offered)
    return sa.and_(images.c.visibility == "private", _own(ctx))


def get(tx: Tx, image_id: str) -> Image:
    """Return one image the request may see.

    :raises ImageNotFound: no such row, or it is not visible.
    """
    row = tx.one(sa.select(images).where(images.c.id == image_id, visible_to(tx.ctx)))
    if row is None:
        raise ImageNotFound(image_id=image_id)
    return with_details(tx, [row])[0]


def get_to_change(tx: Tx, image_id: str, action: str) -> sa.Row[Any]:
    """Return the row of an image of the caller's own, locked until the transaction ends.

    :raises ImageNotFound: no such row, or it is not visible.
    :raises ImageForbidden: it is visible, but another project's.
    """
    query = sa.select(images).where(images.c.id == image_id, visible_to(tx.ctx))
    row = tx.one(query.with_for_update())
    if row is None:
        raise ImageNotFound(image_id=image_id)
    if not tx.ctx.is_admin and (row.owner is None or row.owner != tx.ctx.project_id):
        raise ImageForbidden(reason=f"You cannot {action} image {image_id}: it belongs to another project.")
    return row


def uploading(tx: Tx, image_id: str, upload_id: str) -> sa.Row[Any] | None:
    """Return the locked row of an upload that is still the one that may finish, or None."""
    where = (images.c.id == image_id, images.c.upload_id == upload_id)
    return tx.one(sa.select(images).where(*where).with_for_update())


def page(tx: Tx, wanted: Listing) -> list[Image]:
    """Return one page of images.

    :raises MarkerNotFound: the marker is not among the images asked for.
    """
    query = sa.select(images).where(_listed(tx.ctx, wanted), *wanted.conditions)
    return with_details(tx, paging.page(tx, query, images, wanted.sort, wanted.limit, wanted.marker))


def with_details(tx: Tx, rows: Sequence[sa.Row[Any]]) -> list[Image]:
    """Return the rows with their properties and tags: two queries, however many rows."""
    properties: dict[str, dict[str, str]] = {row.id: {} for row in rows}
    tags: dict[str, list[str]] = {row.id: [] for row in rows}
    ids = list(properties)
    for at in range(0, len(ids), _BATCH):
        batch = ids[at : at + _BATCH]
        for row in tx.all(sa.select(image_properties).where(image_properties.c.image_id.in_(batch))):
            properties[row.image_id][row.name] = row.value
        for row in tx.all(sa.select(image_tags).where(image_tags.c.image_id.in_(batch))):
            tags[row.image_id].append(row.value)
    return [Image(row, properties[row.id], sorted(tags[row.id])) for row in rows]


# -- conditions of a listing ------------------------------------------------------------------------------


def column_is(name: str, values: Sequence[Any]) -> sa.ColumnElement[bool]:
    """The column has one of ``values``."""
    column = images.c[name]
    return column == values[0] if len(values) == 1 else column.in_(values)


def column_between(name: str, low: float | None = None, below: float | None = None) -> sa.ColumnElement[bool]:
    """``low <= column < below``, either side open."""
    column = images.c[name]
    sides = [column >= low] if low is not None else []
    if below is not None:
        sides.append(column < below)
    return sa.and_(sa.true(), *sides)


def negated(condition: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
    return sa.not_(condition)


def has_tag(value: str) -> sa.ColumnElement[bool]:
    return images.c.id.in_(sa.select(image_tags.c.image_id).where(image_tags.c.value == value))


def has_property(name: str, value: str) -> sa.ColumnElement[bool]:
    where = (image_properties.c.name == name, image_properties.c.value == value)
    return images.c.id.in_(sa.select(image_properties.c.image_id).where(*where))


# -- writing ----------------------------------------------------------------------------------------------


def add(tx: Tx, *, properties: Mapping[str, str], tags: Iterable[str], **values: Any) -> None:
    """Insert an image.

    :raises ImageExists: the id is taken, or its last bearer's bytes are not gone yet.
    """
    image_id = values["id"]
    unfinished = (blob_gc.c.image_id == image_id, blob_gc.c.removed_at.is_(None))
    if tx.one(sa.select(blob_gc.c.image_id).where(*unfinished)) is not None:
        raise ImageExists(image_id=image_id)
    try:
        tx.insert(images, **values)
    except DuplicateKey:
        raise ImageExists(image_id=image_id) from None
    _add_properties(tx, image_id, properties)
    _add_tags(tx, image_id, tags)


def update(tx: Tx, image_id: str, **values: Any) -> None:
    """Change columns that are not part of the state."""
    if "status" in values:
        raise ValueError("state columns are written by iaas.db.transitions.move only")
    tx.execute(sa.update(images).where(images.c.id == image_id).values(**values))


def replace_properties(tx: Tx, image_id: str, before: Mapping[str, str], after: Mapping[str, str]) -> None:
    """Make the properties ``after``, given that they are ``before``."""
    gone = [name for name, value in before.items() if after.get(name) != value]
    if gone:
        where = (image_properties.c.image_id == image_id, image_properties.c.name.in_(gone))
        tx.execute(sa.delete(image_properties).where(*where))
    _add_properties(tx, image_id, {name: value for name, value in after.items() if before.get(name) != value})


def replace_tags(tx: Tx, image_id: str, before: Iterable[str], after: Iterable[str]) -> None:
    """Make the tags ``after``, given that they are ``before``."""
    gone = set(before) - set(after)
    if gone:
        where = (image_tags.c.image_id == image_id, image_tags.c.value.in_(gone))
        tx.execute(sa.delete(image_tags).where(*where))
    _add_tags(tx, image_id, set(after) - set(before))


def _add_properties(tx: Tx, image_id: str, properties: Mapping[str, str]) -> None:
    rows = [{"image_id": image_id, "name": name, "value": value} for name, value in properties.items()]
    if rows:
        tx.execute(sa.insert(image_properties), rows)


def _add_tags(tx: Tx, image_id: str, tags: Iterable[str]) -> None:
    rows = [{"image_id": image_id, "value": value} for value in tags]
    if rows:
        tx.execute(sa.insert(image_tags), rows)


def remove(tx: Tx, image_id: str) -> None:
    """Delete an image; its properties, tags and members go with it."""
    tx.execute(sa.delete(images).where(images.c.id == image_id))
