"""The shapes of resources: which column is shown as what, which a caller may set, and where the rest goes.

Identity lets a caller keep attributes of its own on most things.  They live in one JSON column and are shown beside
the real ones, and never take the place of a real one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from iaas.common import errors
from iaas.db import codec

MAX_EXTRA_BYTES = 32_768
#: what no caller may set anywhere
RESERVED = frozenset({"id", "links", "password_expires_at", "federated", "_hash"})


@dataclass(frozen=True)
class Shape:
    """One resource.

    :ivar settable: columns a caller may write
    :ivar fixed: attributes that are written once, at creation
    :ivar encoded: settable columns that hold JSON
    :ivar shown: what is shown of a row besides its extra attributes
    """

    noun: str
    plural: str
    settable: tuple[str, ...]
    shown: Callable[[Any], dict[str, Any]]
    fixed: tuple[str, ...] = ()
    encoded: tuple[str, ...] = ()
    extra: bool = True
    reserved: frozenset[str] = field(default=RESERVED)

    def values(self, wanted: Mapping[str, Any], row: Any = None) -> dict[str, Any]:
        """Return the columns to write for a caller's ``wanted``.

        :param row: what is there already, on an update
        :raises Invalid: it sets what cannot be set.
        """
        values: dict[str, Any] = {}
        extra = codec.load(row.extra, {}) if row is not None else {}
        for name, value in wanted.items():
            if name in self.settable:
                values[name] = codec.dump(value) if name in self.encoded else value
            elif name in self.fixed:
                self._fix(name, value, row, values)
            elif name in self.reserved or not self.extra:
                self._refuse(name, value, row)
            else:
                extra[name] = value
        text = codec.dump(extra)
        if len(text) > MAX_EXTRA_BYTES:
            raise errors.Invalid(reason="The additional attributes are too long.")
        values["extra"] = text
        return values

    def _fix(self, name: str, value: Any, row: Any, values: dict[str, Any]) -> None:
        if row is None:
            values[name] = value
        elif value != self.shown(row).get(name):
            raise errors.Invalid(reason=f"The {name} of a {self.noun} cannot be changed.")

    def _refuse(self, name: str, value: Any, row: Any) -> None:
        if row is not None and name == "id" and value == row.id:
            return  # clients send the whole of what they read
        raise errors.Invalid(reason=f"{name} cannot be set on a {self.noun}.")

    def view(self, row: Any) -> dict[str, Any]:
        """Return what is shown of a row, without links."""
        extra = codec.load(row.extra, {}) if self.extra else {}
        return {**extra, **self.shown(row)}


def _user(row: Any) -> dict[str, Any]:
    shown = {
        "id": row.id,
        "name": row.name,
        "domain_id": row.domain_id,
        "enabled": row.enabled,
        "password_expires_at": None,
        "options": codec.load(row.options, {}),
    }
    if row.default_project_id is not None:
        shown["default_project_id"] = row.default_project_id
    if row.description is not None:
        shown["description"] = row.description
    return shown


def _group(row: Any) -> dict[str, Any]:
    return {"id": row.id, "name": row.name, "domain_id": row.domain_id, "description": row.description or ""}


def _project(row: Any) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "domain_id": row.domain_id,
        "parent_id": row.parent_id or row.domain_id,
        "description": row.description or "",
        "enabled": row.enabled,
        "is_domain": False,
        "tags": codec.load(row.tags, []),
        "options": codec.load(row.options, {}),
    }


def _domain(row: Any) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "description": row.description or "",
        "enabled": row.enabled,
        "tags": codec.load(row.tags, []),
        "options": codec.load(row.options, {}),
    }


def _role(row: Any) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "domain_id": row.domain_id or None,
        "description": row.description,
        "options": codec.load(row.options, {}),
    }


def _region(row: Any) -> dict[str, Any]:
    return {"id": row.id, "parent_region_id": row.parent_id, "description": row.description or ""}


def _service(row: Any) -> dict[str, Any]:
    shown = {"id": row.id, "type": row.type, "enabled": row.enabled}
    if row.name is not None:
        shown["name"] = row.name
    if row.description is not None:
        shown["description"] = row.description
    return shown


def _endpoint(row: Any) -> dict[str, Any]:
    shown = {
        "id": row.id,
        "service_id": row.service_id,
        "interface": row.interface,
        "region_id": row.region_id,
        "region": row.region_id,
        "url": row.url,
        "enabled": row.enabled,
    }
    for name in ("name", "description"):
        if getattr(row, name) is not None:
            shown[name] = getattr(row, name)
    return shown


def _credential(row: Any) -> dict[str, Any]:
    return {"id": row.id, "user_id": row.user_id, "project_id": row.project_id, "type": row.type}


USER = Shape(
    "user",
    "users",
    ("name", "enabled", "default_project_id", "description", "options"),
    _user,
    ("domain_id",),
    ("options",),
    reserved=RESERVED | {"password", "original_password", "password_hash", "password_changed_at", "extra"},
)
GROUP = Shape("group", "groups", ("name", "description"), _group, ("domain_id",))
PROJECT = Shape(
    "project",
    "projects",
    ("name", "description", "enabled", "options", "tags"),
    _project,
    ("domain_id", "parent_id", "is_domain"),
    ("options", "tags"),
)
DOMAIN = Shape(
    "domain", "domains", ("name", "description", "enabled", "options", "tags"), _domain, (), ("options", "tags")
)
ROLE = Shape("role", "roles", ("name", "description", "options"), _role, ("domain_id",), ("options",))
REGION = Shape("region", "regions", ("parent_region_id", "description"), _region)
SERVICE = Shape("service", "services", ("type", "name", "description", "enabled"), _service)
ENDPOINT = Shape(
    "endpoint",
    "endpoints",
    ("service_id", "interface", "region_id", "url", "enabled", "name", "description"),
    _endpoint,
)
CREDENTIAL = Shape("credential", "credentials", ("type",), _credential, ("user_id", "project_id"), extra=False)
