"""The verbs of the image service that concern an image's record; its bytes are ``uploads`` and ``downloads``."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from iaas.common import errors, runtime
from iaas.common.context import RequestContext
from iaas.db import image_blobs, image_members, images, transitions
from iaas.db.models.images import images as table
from iaas.db.tx import Tx
from iaas.image import inspect, quota, states
from iaas.image.clients import ImageClients

LOG = logging.getLogger(__name__)
#: what a request may set, beside extra properties and tags, and what it is if the request says nothing
COLUMNS: Mapping[str, Any] = {
    "name": None, "visibility": "shared", "owner": None, "disk_format": None, "container_format": None,
    "min_disk": 0, "min_ram": 0, "protected": False, "os_hidden": False,
}  # fmt: skip
FORMATS = ("disk_format", "container_format")
MAX_PROPERTIES = 128
MAX_TAGS = 128
MAX_MEMBERS = 128

#: an image as a client writes it: columns, ``tags``, and every other key a property
Document = dict[str, Any]


def document(image: images.Image) -> Document:
    """Return what a request may change of an image."""
    return {**{name: getattr(image, name) for name in COLUMNS}, "tags": list(image.tags), **image.properties}


def _parts(wanted: Document) -> tuple[dict[str, Any], dict[str, str], list[str]]:
    """Return the columns, properties and tags of a document.

    :raises TooLarge: too many properties or tags.
    """
    columns = {name: wanted.get(name, default) for name, default in COLUMNS.items()}
    extra = {name: value for name, value in wanted.items() if name not in COLUMNS and name != "tags"}
    properties = {name: value for name, value in extra.items() if value is not None}
    tags = list(dict.fromkeys(wanted.get("tags", ())))
    if len(properties) > MAX_PROPERTIES:
        raise errors.TooLarge(reason=f"An image may have {MAX_PROPERTIES} properties, not {len(properties)}.")
    if len(tags) > MAX_TAGS:
        raise errors.TooLarge(reason=f"An image may have {MAX_TAGS} tags, not {len(tags)}.")
    return columns, properties, tags


def create(clients: ImageClients, ctx: RequestContext, wanted: Document, image_id: str | None = None) -> images.Image:
    """Record an image without data and return it.

    :raises ImageExists: the id is taken.
    :raises ImageForbidden: the caller may not give it this visibility or owner.
    """
    columns, properties, tags = _parts(wanted)
    if not (ctx.is_admin and "owner" in wanted):
        if columns["owner"] not in (None, ctx.project_id):
            raise images.ImageForbidden(reason="You cannot create an image that belongs to another project.")
        columns["owner"] = ctx.project_id
    _check_visibility(clients, ctx, columns["visibility"])
    _check_format(columns["disk_format"])
    now = runtime.time()
    values = {"id": image_id or runtime.uuid(), "status": states.QUEUED.columns[0], "created_at": now, **columns}

    def insert(tx: Tx) -> images.Image:
        quota.take(tx, clients.settings, columns["owner"], count=1)
        images.add(tx, properties=properties, tags=tags, updated_at=now, **values)
        transitions.created(tx, states.IMAGE, values)
        return images.get(tx, values["id"])

    return clients.db.write(ctx, insert)


def show(clients: ImageClients, ctx: RequestContext, image_id: str) -> images.Image:
    """:raises ImageNotFound: no such image for the caller."""
    with clients.db.read(ctx) as tx:
        return images.get(tx, image_id)


def page(clients: ImageClients, ctx: RequestContext, wanted: images.Listing) -> list[images.Image]:
    """:raises MarkerNotFound: the marker is not among the images asked for."""
    with clients.db.read(ctx) as tx:
        return images.page(tx, wanted)


def update(
    clients: ImageClients, ctx: RequestContext, image_id: str, edit: Callable[[Document], Document]
) -> images.Image:
    """Change an image and return it; ``edit`` makes the new document of the old one, inside the transaction.

    :raises ImageForbidden: a change the caller, or anybody, may not make.
    """

    def change(tx: Tx) -> images.Image:
        row = images.get_to_change(tx, image_id, "change")
        before = images.with_details(tx, [row])[0]
        columns, properties, tags = _parts(edit(document(before)))
        changed = {name: value for name, value in columns.items() if value != getattr(row, name)}
        _check_change(clients, ctx, row, changed)
        if "owner" in changed:
            image_blobs.give_back(tx, row.owner, count=1, size=row.size or 0)
            quota.take(tx, clients.settings, changed["owner"], count=1, size=row.size or 0)
        images.update(tx, image_id, updated_at=runtime.time(), **changed)
        images.replace_properties(tx, image_id, before.properties, properties)
        images.replace_tags(tx, image_id, before.tags, tags)
        return images.get(tx, image_id)

    return clients.db.write(ctx, change)


def _check_change(clients: ImageClients, ctx: RequestContext, row: Any, changed: Mapping[str, Any]) -> None:
    if "visibility" in changed:
        _check_visibility(clients, ctx, changed["visibility"])
    if "owner" in changed and not ctx.is_admin:
        raise images.ImageForbidden(reason="Only an administrator can change the owner of an image.")
    for name in FORMATS:
        if name in changed and row.status != states.QUEUED.columns[0]:
            raise images.ImageForbidden(reason=f"Attribute {name} can be changed while the image is queued only.")
    _check_format(changed.get("disk_format"))


def _check_visibility(clients: ImageClients, ctx: RequestContext, visibility: str) -> None:
    rule = {"public": "image:images:publicize", "community": "image:images:communitize"}.get(visibility)
    if rule is not None and not ctx.is_admin:
        clients.policy.check(ctx, rule)


def _check_format(disk_format: str | None) -> None:
    """:raises ImageRejected: no image of this format is ever accepted."""
    if disk_format is not None:
        inspect.Inspector(disk_format)


def delete(clients: ImageClients, ctx: RequestContext, image_id: str) -> None:
    """Delete an image; an upload that runs ends with an error and leaves nothing.

    :raises ImageForbidden: it is protected.
    """

    def remove(tx: Tx) -> str | None:
        row = images.get_to_change(tx, image_id, "delete")
        if row.protected:
            raise images.ImageForbidden(reason=f"Image {image_id} is protected and cannot be deleted.")
        image_blobs.give_back(tx, row.owner, count=1, size=row.size or 0)
        location = row.location or clients.store.location(image_id)
        has_data = states.IMAGE.state_of(row) in states.WITH_DATA
        note = image_blobs.bury if has_data else image_blobs.give_up  # an upload that broke off may wake still
        note(tx, image_id, location)
        images.remove(tx, image_id)
        transitions.removed(tx, "image", image_id, row.status)
        return location if has_data else None

    location = clients.db.write(ctx, remove)
    if location is not None:
        discard(clients, ctx, image_id, location)


def discard(clients: ImageClients, ctx: RequestContext, image_id: str, location: str) -> None:
    """Delete a buried blob; what fails here, the sweep does again."""
    try:
        clients.store.delete(location)
        clients.db.write(ctx, image_blobs.removed, image_id)
    except Exception:
        LOG.exception("the data of deleted image %s is left to the sweep", image_id)


def deactivate(clients: ImageClients, ctx: RequestContext, image_id: str) -> None:
    """Forbid downloads of an active image; one that is deactivated already stays so."""
    _switch(clients, ctx, image_id, "deactivate", states.DEACTIVATED)


def reactivate(clients: ImageClients, ctx: RequestContext, image_id: str) -> None:
    """Allow downloads of a deactivated image again; an active one stays so."""
    _switch(clients, ctx, image_id, "reactivate", states.ACTIVE)


def _switch(clients: ImageClients, ctx: RequestContext, image_id: str, event: str, target: Any) -> None:
    def switch(tx: Tx) -> None:
        row = images.get_to_change(tx, image_id, event)
        if states.IMAGE.state_of(row) is target:
            return
        if not states.IMAGE.allows(event, states.IMAGE.state_of(row)):
            raise images.ImageForbidden(reason=f"You cannot {event} image {image_id}: it is {row.status}.")
        transitions.move(tx, states.IMAGE, table, row, event, updated_at=runtime.time())

    clients.db.write(ctx, switch)


# -- members ----------------------------------------------------------------------------------------------


def members(clients: ImageClients, ctx: RequestContext, image_id: str) -> list[Any]:
    """Return the members of an image: all for its owner, its own membership for another project."""
    with clients.db.read(ctx) as tx:
        image = images.get(tx, image_id)
        return list(image_members.of_image(tx, image_id, _only(ctx, image)))


def member(clients: ImageClients, ctx: RequestContext, image_id: str, member_id: str) -> Any:
    """:raises MemberNotFound: no such member, or it is not the caller's to see."""
    with clients.db.read(ctx) as tx:
        image = images.get(tx, image_id)
        if _only(ctx, image) not in (None, member_id):
            raise image_members.MemberNotFound(image_id=image_id, member_id=member_id)
        return image_members.get(tx, image_id, member_id)


def _only(ctx: RequestContext, image: images.Image) -> str | None:
    if ctx.is_admin or (image.owner is not None and image.owner == ctx.project_id):
        return None
    return ctx.project_id or ""


def add_member(clients: ImageClients, ctx: RequestContext, image_id: str, member_id: str) -> Any:
    """Offer a shared image to a project.

    :raises ImageForbidden: the image is not shared, or another project's.
    """

    def add(tx: Tx) -> Any:
        row = images.get_to_change(tx, image_id, "share")
        if row.visibility != "shared":
            reason = f"Image {image_id} is {row.visibility}; only a shared image has members."
            raise images.ImageForbidden(reason=reason)
        if image_members.count_of(tx, image_id) >= MAX_MEMBERS:
            raise errors.TooLarge(reason=f"An image may have {MAX_MEMBERS} members.")
        image_members.add(tx, image_id, member_id)
        return image_members.get(tx, image_id, member_id)

    return clients.db.write(ctx, add)


def answer_offer(clients: ImageClients, ctx: RequestContext, image_id: str, member_id: str, status: str) -> Any:
    """Accept or reject an image as the project it was offered to.

    :raises ImageForbidden: the caller is the owner: nobody accepts for another.
    """

    def answer(tx: Tx) -> Any:
        image = images.get(tx, image_id)
        if not ctx.is_admin and ctx.project_id != member_id:
            if image.owner == ctx.project_id:
                reason = f"Only project {member_id} can answer the offer of image {image_id}."
                raise images.ImageForbidden(reason=reason)
            raise image_members.MemberNotFound(image_id=image_id, member_id=member_id)
        image_members.set_status(tx, image_id, member_id, status)
        return image_members.get(tx, image_id, member_id)

    return clients.db.write(ctx, answer)


def remove_member(clients: ImageClients, ctx: RequestContext, image_id: str, member_id: str) -> None:
    """Withdraw an image from a project."""

    def remove(tx: Tx) -> None:
        images.get_to_change(tx, image_id, "withdraw")
        image_members.remove(tx, image_id, member_id)

    clients.db.write(ctx, remove)
