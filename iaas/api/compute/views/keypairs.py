"""Key pairs in the words of Compute."""

from __future__ import annotations

from typing import Any

from iaas.api.compute import legacy
from iaas.common.rest import wire
from iaas.common.rest.operations import Call


def short(call: Call, row: Any) -> dict[str, Any]:
    """A key pair as a list shows it."""
    view = {"name": row.name, "public_key": row.public_key, "fingerprint": row.fingerprint}
    if call.at_least("2.2"):
        view["type"] = row.type
    return view


def made(call: Call, row: Any, private_key: str | None) -> dict[str, Any]:
    """A key pair as the answer to its creation shows it."""
    view = {**short(call, row), "user_id": row.user_id}
    if private_key is not None:
        view["private_key"] = private_key
    return view


def full(call: Call, row: Any) -> dict[str, Any]:
    """A key pair with all that is shown of it."""
    return {
        **short(call, row),
        "user_id": row.user_id,
        "id": legacy.number(row.id),
        "created_at": wire.micros(row.created_at),
        "updated_at": None,
        "deleted": False,
        "deleted_at": None,
    }
