"""Verbs on volume types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from iaas.common import errors, runtime
from iaas.common.context import RequestContext
from iaas.db import codec, volumes
from iaas.db.models.volumes import volume_types as table
from iaas.db.tx import Tx

MAX_SPECS_BYTES = 60_000


class SpecNotFound(errors.IaasError):
    kind = errors.Kind.NOT_FOUND
    template = "Volume type {type_id} has no extra specs with key {key}."


def index(
    clients: Any,
    ctx: RequestContext,
    *,
    is_public: bool | None,
    sort: Sequence[tuple[str, str]],
    limit: int,
    marker: str | None,
) -> Sequence[Any]:
    """Return one page of the types the request may see.

    :param is_public: None for public and private ones
    """
    _default(clients, ctx)
    filters = [] if is_public is None else [table.c.is_public.is_(is_public)]
    with clients.db.read(ctx) as tx:
        return volumes.page_types(tx, filters, sort, limit, marker)


def show(clients: Any, ctx: RequestContext, type_id: str) -> Any:
    """Return a type by its id or name.

    :raises VolumeTypeNotFound: absent, or not for this project.
    """
    with clients.db.read(ctx) as tx:
        return volumes.get_type(tx, type_id)


def show_default(clients: Any, ctx: RequestContext) -> Any:
    """Return the type of volumes that ask for none."""
    return _default(clients, ctx)


def create(
    clients: Any,
    ctx: RequestContext,
    *,
    name: str,
    description: str | None = None,
    is_public: bool = True,
    extra_specs: Mapping[str, str] | None = None,
) -> Any:
    """Make a type and return it.

    :raises VolumeTypeExists: one of that name exists.
    """
    specs = _checked(dict(extra_specs or {}))
    type_id = runtime.uuid()

    def write(tx: Tx) -> Any:
        values = {"description": description, "is_public": is_public, "extra_specs": codec.dump(specs)}
        volumes.add_type(tx, id=type_id, name=name, is_default=False, created_at=runtime.time(), **values)
        return volumes.get_type(tx, type_id)

    return clients.db.write(ctx, write)


def delete(clients: Any, ctx: RequestContext, type_id: str) -> None:
    """Delete a type.

    :raises VolumeTypeInUse: a volume has it, or it is the default one.
    """
    clients.db.write(ctx, lambda tx: volumes.remove_type(tx, volumes.get_type(tx, type_id)))


# -- extra specs -------------------------------------------------------------------------------------------


def specs_of(row: Any) -> dict[str, str]:
    """Return a type's extra specs."""
    return codec.load(row.extra_specs, {})


def spec_of(row: Any, key: str) -> str:
    """Return one of a type's extra specs.

    :raises SpecNotFound: there is none of that key.
    """
    specs = specs_of(row)
    if key not in specs:
        raise SpecNotFound(type_id=row.id, key=key)
    return specs[key]


def merge_specs(clients: Any, ctx: RequestContext, type_id: str, specs: Mapping[str, str]) -> None:
    """Add to a type's extra specs, or change them."""

    def write(tx: Tx) -> None:
        row = volumes.get_type(tx, type_id)
        volumes.replace_extra_specs(tx, row, _checked({**specs_of(row), **specs}))

    clients.db.write(ctx, write)


def remove_spec(clients: Any, ctx: RequestContext, type_id: str, key: str) -> None:
    """Take one of a type's extra specs off.

    :raises SpecNotFound: there is none of that key.
    """

    def write(tx: Tx) -> None:
        row = volumes.get_type(tx, type_id)
        spec_of(row, key)
        left = {name: value for name, value in specs_of(row).items() if name != key}
        volumes.replace_extra_specs(tx, row, left)

    clients.db.write(ctx, write)


def _default(clients: Any, ctx: RequestContext) -> Any:
    with clients.db.read(ctx) as tx:
        found = volumes.find_default_type(tx)
    return found or clients.db.write(ctx, volumes.default_type, clients.settings.volume.type)


def _checked(specs: dict[str, str]) -> dict[str, str]:
    if len(codec.dump(specs).encode()) > MAX_SPECS_BYTES:
        raise errors.Invalid(reason=f"A volume type has at most {MAX_SPECS_BYTES} bytes of extra specs.")
    return specs
