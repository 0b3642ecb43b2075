"""What every handler of the image service needs."""

from __future__ import annotations

import dataclasses

from iaas.common.context import RequestContext
from iaas.common.rest import schemas
from iaas.common.rest.operations import Call
from iaas.db.images import ImageNotFound

#: an administrator, or a service of the cloud, asks for what one project sees; it can only narrow the caller's rights
VIEW_HEADER = "X-Image-View-Project"


def who(call: Call) -> RequestContext:
    """Return the caller as the queries take it: the cloud's own services see what an administrator sees."""
    ctx = call.ctx
    if not ctx.is_admin and call.clients.policy.allows(ctx, "image:all_projects"):
        ctx = dataclasses.replace(ctx, is_admin=True)
    view = call.header(VIEW_HEADER)
    if view and ctx.is_admin:
        ctx = dataclasses.replace(ctx, project_id=view, is_admin=False)
    return ctx


def image_id(call: Call) -> str:
    """Return the image's id in the path.

    :raises ImageNotFound: it is none, so there is no such image.
    """
    text = call.path["image_id"]
    if not schemas.is_uuid(text):
        raise ImageNotFound(image_id=text[:64])
    return text.lower()
