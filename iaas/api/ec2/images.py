"""Images: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeImages.html"""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from typing import Any

from cachetools import TTLCache

from iaas.api.ec2 import errors, filters, ids, pages
from iaas.api.ec2.action import Actions, Call
from iaas.api.ec2.views.instances import ROOT_DEVICE, STORE, VIRTUALIZATION, architecture_of
from iaas.common import runtime
from iaas.image.client import ImageNotFound

actions = Actions()
errors.declare(ImageNotFound, errors.InvalidAmiIdNotFound)

STATES = {
    "active": "available", "queued": "pending", "saving": "pending", "importing": "pending", "uploading": "pending",
    "killed": "failed", "deactivated": "disabled", "pending_delete": "deregistered", "deleted": "deregistered",
}  # fmt: skip
#: images one answer looks at
MAX_SCANNED = 10_000
#: UUIDs of images by their EC2 ids; whether a project may see one is asked each time
_KNOWN: TTLCache[str, str] = TTLCache(10_000, 3600.0, timer=runtime.monotonic)

FILTERS: dict[str, filters.Read] = {
    "architecture": lambda image: [architecture_of(image.properties)],
    "creation-date": lambda image: [_created(image)],
    "description": lambda image: [image.properties.get("description", "")],
    "image-id": lambda image: [ids.to_ec2("image", image.id)],
    "image-type": lambda image: ["machine"],
    "is-public": lambda image: [_is_public(image)],
    "name": lambda image: [image.name],
    "owner-id": lambda image: [image.owner],
    "root-device-name": lambda image: [ROOT_DEVICE],
    "root-device-type": lambda image: [STORE],
    "state": lambda image: [_state(image)],
    "virtualization-type": lambda image: [VIRTUALIZATION],
}


def _created(image: Any) -> str:
    return datetime.datetime.fromtimestamp(image.created_at, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def _is_public(image: Any) -> bool:
    return image.visibility in ("public", "community")


def _state(image: Any) -> str:
    return STATES.get(image.status, "error")


def resolve(call: Call, ec2_id: str) -> str:
    """The UUID of the image an ``ami-`` id stands for.

    The image service knows no beginnings of ids, so an unknown one is looked for in what the project can see.

    :raises InvalidAmiIdNotFound: it sees none of that id.
    """
    prefix = ids.prefix("image", ec2_id)
    known = _KNOWN.get(ec2_id)
    if known is not None:
        return known
    for image in _scanned(call.clients.image.list(call.ctx, {"visibility": "all"})):
        if image.id.startswith(prefix):
            _KNOWN[ec2_id] = image.id
            return image.id
    raise ids.not_found("image", ec2_id)


def _scanned(images: Iterable[Any]) -> Iterable[Any]:
    for number, image in enumerate(images):
        if number == MAX_SCANNED:
            raise errors.UnsupportedOperation(message=f"There are more than {MAX_SCANNED} images to look through.")
        yield image


@actions.action("DescribeImages", policy="compute:images:read")
def describe_images(call: Call) -> dict[str, Any]:
    """Show the images the project can launch from."""
    most = pages.size(call.params, "ImageId")
    matches = filters.matcher(filters.wanted(call.params), FILTERS)
    wanted = call.params.get("ImageId")
    if wanted:
        found = [call.clients.image.get(call.ctx, resolve(call, ec2_id)) for ec2_id in dict.fromkeys(wanted)]
    else:
        found = list(_scanned(call.clients.image.list(call.ctx, {})))
    rows = [image for image in found if _is_owned(call, image) and _is_executable(call, image) and matches(image)]
    left, token = pages.cut(call.params, rows, most)
    return {"imagesSet": [_shown(image) for image in left], "nextToken": token}


def _is_owned(call: Call, image: Any) -> bool:
    """Whether an owner asked for owns it; ``self`` is the caller's project."""
    owners = call.params.get("Owner")
    if not owners:
        return True
    return image.owner in [call.ctx.project_id if owner == "self" else owner for owner in owners]


def _is_executable(call: Call, image: Any) -> bool:
    """Whether who was asked for may launch it: ``all``, or ``self`` by a permission of its own."""
    given = call.params.get("ExecutableBy")
    if not given:
        return True
    if set(given) - {"self", "all"}:
        raise errors.UnsupportedOperation(message="ExecutableBy can be self or all.")
    public = _is_public(image)
    return ("all" in given and public) or ("self" in given and not public and image.owner != call.ctx.project_id)


def _shown(image: Any) -> dict[str, Any]:
    name = image.name or ""
    return {
        "imageId": ids.to_ec2("image", image.id),
        "imageLocation": f"{image.owner or ''}/{name}",
        "imageState": _state(image),
        "imageOwnerId": image.owner or "",
        "isPublic": _is_public(image),
        "architecture": architecture_of(image.properties),
        "imageType": "machine",
        "name": name,
        "description": image.properties.get("description"),
        "creationDate": _created(image),
        "rootDeviceType": STORE,
        "rootDeviceName": ROOT_DEVICE,
        "blockDeviceMapping": [],
        "virtualizationType": VIRTUALIZATION,
        "productCodes": [],
        "tagSet": [],
    }
