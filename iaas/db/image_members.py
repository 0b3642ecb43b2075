"""Members: the projects an image is shared with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from iaas.common import errors, runtime
from iaas.db.models.images import image_members as members
from iaas.db.tx import DuplicateKey, Tx


class MemberNotFound(errors.IaasError):
    kind = errors.Kind.NOT_FOUND
    template = "Member {member_id} of image {image_id} could not be found."


def of_image(tx: Tx, image_id: str, only: str | None = None) -> Sequence[sa.Row[Any]]:
    """Return the members of an image; ``only`` names the one that may be seen."""
    query = sa.select(members).where(members.c.image_id == image_id).order_by(members.c.member_id)
    return tx.all(query.where(members.c.member_id == only) if only is not None else query)


def get(tx: Tx, image_id: str, member_id: str) -> sa.Row[Any]:
    """:raises MemberNotFound: no such member."""
    row = tx.one(sa.select(members).where(members.c.image_id == image_id, members.c.member_id == member_id))
    if row is None:
        raise MemberNotFound(image_id=image_id, member_id=member_id)
    return row


def count_of(tx: Tx, image_id: str) -> int:
    return int(tx.scalar(sa.select(sa.func.count()).select_from(members).where(members.c.image_id == image_id)) or 0)


def add(tx: Tx, image_id: str, member_id: str) -> None:
    """:raises Conflict: it is one already."""
    now = runtime.time()
    try:
        tx.insert(members, image_id=image_id, member_id=member_id, status="pending", created_at=now, updated_at=now)
    except DuplicateKey:
        raise errors.Conflict(reason=f"Project {member_id} is already a member of image {image_id}.") from None


def set_status(tx: Tx, image_id: str, member_id: str, status: str) -> None:
    """:raises MemberNotFound: no such member."""
    where = (members.c.image_id == image_id, members.c.member_id == member_id)
    if tx.count(sa.update(members).where(*where).values(status=status, updated_at=runtime.time())) != 1:
        raise MemberNotFound(image_id=image_id, member_id=member_id)


def remove(tx: Tx, image_id: str, member_id: str) -> None:
    """:raises MemberNotFound: no such member."""
    if tx.count(sa.delete(members).where(members.c.image_id == image_id, members.c.member_id == member_id)) != 1:
        raise MemberNotFound(image_id=image_id, member_id=member_id)
