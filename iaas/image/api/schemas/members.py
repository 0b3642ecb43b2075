"""Members as clients may write them.

Source: https://docs.openstack.org/api-ref/image/v2/index.html#sharing
"""

from __future__ import annotations

from iaas.common.rest.schemas import Schema, obj

STATUSES = ("pending", "accepted", "rejected")
_MEMBER: Schema = {"type": "string", "minLength": 1, "maxLength": 64, "format": "no-control"}

ADD = obj(("member",), member=_MEMBER)
ANSWER = obj(("status",), status={"enum": list(STATUSES)}, member=_MEMBER)  # the command line repeats the member
