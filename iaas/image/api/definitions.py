"""The JSON schemas the service publishes of itself: clients build their models and help texts from them.

Source: https://docs.openstack.org/api-ref/image/v2/index.html#image-schemas
"""

from __future__ import annotations

from typing import Any

from iaas.common.rest.operations import Call, Resource
from iaas.common.rest.schemas import Schema
from iaas.image import inspect
from iaas.image.api.schemas import images as schemas
from iaas.image.api.schemas import members

resource = Resource()
_UUID = schemas.UUID["pattern"]


def _says(kind: Any, description: str, **more: Any) -> Schema:
    return {"type": kind, "description": description, **more}


def _set(kind: Any, description: str, **more: Any) -> Schema:
    """An attribute that only the service sets."""
    return _says(kind, description, readOnly=True, **more)


_TEXT_OR_NULL = ["null", "string"]
_NUMBER_OR_NULL = ["null", "integer"]
_IMAGE_PROPERTIES: dict[str, Schema] = {
    "id": _says("string", "The image's UUID; given by the client or made by the service", pattern=_UUID),
    "name": _says(_TEXT_OR_NULL, "A name for people", maxLength=255),
    "status": _set(
        "string", "Whether the image can be used", enum=["queued", "saving", "active", "killed", "deactivated"]
    ),
    "visibility": _says("string", "Who sees the image", enum=list(schemas.VISIBILITIES)),
    "protected": _says("boolean", "Whether the image cannot be deleted"),
    "os_hidden": _says("boolean", "Whether the image is left out of lists that do not ask for hidden images"),
    "checksum": _set(_TEXT_OR_NULL, "MD5 of the data, in hex", maxLength=32),
    "os_hash_algo": _set(_TEXT_OR_NULL, "Algorithm of os_hash_value", maxLength=64),
    "os_hash_value": _set(_TEXT_OR_NULL, "Hash of the data, in hex", maxLength=128),
    "owner": _says(_TEXT_OR_NULL, "Project the image belongs to", maxLength=255),
    "size": _set(_NUMBER_OR_NULL, "Bytes of the data"),
    "virtual_size": _set(_NUMBER_OR_NULL, "Bytes of the disk the image becomes"),
    "container_format": _says(_TEXT_OR_NULL, "What the data is wrapped in", enum=[None, *schemas.CONTAINER_FORMATS]),
    "disk_format": _says(_TEXT_OR_NULL, "Format of the disk", enum=[None, *inspect.ACCEPTED]),
    "created_at": _set("string", "When the image was made"),
    "updated_at": _set("string", "When the image was last changed"),
    "tags": _says("array", "Words the image is found by", items={"type": "string", "maxLength": 255}),
    "min_ram": _says("integer", "MiB of memory a server needs at least"),
    "min_disk": _says("integer", "GiB of disk a server needs at least"),
    "self": _set("string", "Path of this image"),
    "file": _set("string", "Path of the data"),
    "schema": _set("string", "Path of this schema"),
    "kernel_id": _says(_TEXT_OR_NULL, "Image of the kernel of a machine image", pattern=_UUID, is_base=False),
    "ramdisk_id": _says(_TEXT_OR_NULL, "Image of the RAM disk of a machine image", pattern=_UUID, is_base=False),
    "architecture": _says("string", "Architecture of the processor", is_base=False),
    "os_distro": _says("string", "Distribution of the operating system", is_base=False),
    "os_version": _says("string", "Version of the operating system", is_base=False),
    "instance_uuid": _says("string", "Server the image was made from", is_base=False),
}
_MEMBER_PROPERTIES: dict[str, Schema] = {
    "image_id": _says("string", "The image", pattern=_UUID),
    "member_id": _says("string", "The project the image is shared with"),
    "status": _says("string", "What that project answered", enum=list(members.STATUSES)),
    "created_at": _says("string", "When the image was offered"),
    "updated_at": _says("string", "When the project last answered"),
    "schema": _set("string", "Path of this schema"),
}
_SELF = {"rel": "self", "href": "{self}"}
_DESCRIBED_BY = {"rel": "describedby", "href": "{schema}"}
_PAGES = [{"rel": "first", "href": "{first}"}, {"rel": "next", "href": "{next}"}, _DESCRIBED_BY]

IMAGE: Schema = {
    "name": "image",
    "properties": _IMAGE_PROPERTIES,
    "additionalProperties": {"type": "string"},
    "links": [_SELF, {"rel": "enclosure", "href": "{file}"}, _DESCRIBED_BY],
}
MEMBER: Schema = {"name": "member", "properties": _MEMBER_PROPERTIES}


def _list_of(name: str, item: Schema, links: list[dict[str, str]]) -> Schema:
    paths: dict[str, Schema] = {key: {"type": "string"} for key in ("schema", "first", "next")}
    return {"name": name, "properties": {name: {"type": "array", "items": item}, **paths}, "links": links}


IMAGES = _list_of("images", IMAGE, _PAGES)
MEMBERS = _list_of("members", MEMBER, [_DESCRIBED_BY])


@resource.operation("GET", "/schemas/image", policy="image:schemas:read")
def image(call: Call) -> Schema:
    """Show the schema of an image."""
    return IMAGE


@resource.operation("GET", "/schemas/images", policy="image:schemas:read")
def images(call: Call) -> Schema:
    """Show the schema of a list of images."""
    return IMAGES


@resource.operation("GET", "/schemas/member", policy="image:schemas:read")
def member(call: Call) -> Schema:
    """Show the schema of a member."""
    return MEMBER


@resource.operation("GET", "/schemas/members", policy="image:schemas:read")
def members_(call: Call) -> Schema:
    """Show the schema of a list of members."""
    return MEMBERS
