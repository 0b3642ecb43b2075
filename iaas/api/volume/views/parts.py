"""What several views have in common."""

from __future__ import annotations

import datetime

from iaas.common.rest.operations import Call


def moment(seconds: float) -> str:
    """Return a time as this API writes it: UTC, without a zone."""
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")


def links(call: Call, *path: str) -> list[dict[str, str]]:
    """Return the links to a resource, with and without the version."""
    parts = "/".join([*([call.ctx.project_id] if call.ctx.project_id else []), *path])
    return [
        {"rel": "self", "href": f"{call.base_url}/v3/{parts}"},
        {"rel": "bookmark", "href": f"{call.base_url}/{parts}"},
    ]
