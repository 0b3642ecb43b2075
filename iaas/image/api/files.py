"""The data of an image: upload and download, streamed in bounded memory.

Source: https://docs.openstack.org/api-ref/image/v2/index.html#image-data
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from iaas.common import errors, runtime
from iaas.common.rest import body, faults
from iaas.common.rest.operations import Call, Reply, Resource
from iaas.image import downloads, uploads
from iaas.image.api.base import image_id, who

resource = Resource()
OCTETS = "application/octet-stream"


@resource.operation(
    "PUT", "/images/{image_id}/file", policy="image:images:upload", status=204, streamed=True, media=(OCTETS,)
)
def upload(call: Call) -> None:
    """Upload the data of an image."""
    kind = call.environ.get("CONTENT_TYPE", "").partition(";")[0].strip().lower()
    if kind not in ("", OCTETS):
        raise faults.UnsupportedMediaType()
    announced = _announced(call.environ)
    uploads.upload(call.clients, who(call), image_id(call), _source(call.environ, announced), announced)


def _announced(environ: Mapping[str, Any]) -> int | None:
    """Return the bytes the request says it has, or None for a chunked body."""
    if environ.get("HTTP_TRANSFER_ENCODING", "").lower() == "chunked":
        return None
    text = environ.get("CONTENT_LENGTH") or "0"
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise errors.Invalid(reason="The Content-Length header is not a number.")
    return int(text)


def _source(environ: Mapping[str, Any], announced: int | None) -> uploads.Source:
    """Return what fills a buffer with the next bytes of the body, never with more than was announced."""
    fill, left = body.reader(environ), announced

    def source(room: memoryview) -> int:
        """:raises Invalid: the connection broke."""
        nonlocal left
        if left is None:
            return _filled(fill, room)
        count = _filled(fill, room[:left]) if left else 0
        left -= count
        return count

    return source


def _filled(fill: uploads.Source, room: memoryview) -> int:
    try:
        return fill(room)
    except (OSError, ValueError) as error:  # servers raise either for a broken chunk
        raise errors.Invalid(reason=f"The upload broke off: {str(error)[:100]}") from None


@resource.operation("GET", "/images/{image_id}/file", policy="image:images:download")
def download(call: Call) -> Reply:
    """Download the data of an image, or a range of it."""
    ctx, admin = who(call), call.ctx.is_admin
    image = downloads.data_of(call.clients, ctx, image_id(call), may_deactivated=admin)
    if image is None:
        return Reply(status=204)
    total: int = image.size
    span = downloads.span_of(call.header("Range"), total)
    headers = {"Content-Type": OCTETS, "Accept-Ranges": "bytes"}
    if span is None:
        body = {"code": 416, "title": faults.REASONS[416], "message": f"The image has {total} bytes only."}
        return Reply(body, 416, {"Content-Range": f"bytes */{total}"})
    headers["Content-Length"] = str(span.end - span.start)
    if image.checksum and span.whole:
        headers["Content-MD5"] = image.checksum
    if call.environ["REQUEST_METHOD"] == "HEAD" or total == 0:
        return Reply(iter(()), headers=headers)
    data = downloads.read(call.clients, image, span, runtime.file_sender(call.environ))
    if span.whole:
        return Reply(data, headers=headers)
    headers["Content-Range"] = f"bytes {span.start}-{span.end - 1}/{total}"
    return Reply(data, 206, headers)
