"""Verbs on volumes, for every HTTP edge."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from iaas.common import errors, runtime
from iaas.common.context import RequestContext
from iaas.db import codec, hosts, quotas, volumes
from iaas.db.models.volumes import volumes as table
from iaas.db.transitions import correct, created, move
from iaas.db.tx import Tx
from iaas.jobs import kinds, submit
from iaas.volume.states import CREATING, DELETING, VOLUME

BINARY = "iaas-volume"
MAX_SIZE_GB = 1 << 20
MAX_METADATA_ITEMS = 128
MAX_METADATA_BYTES = 60_000
EQUAL = ("name", "status", "user_id", "host", "zone", "type_name", "bootable")


class ItemNotFound(errors.IaasError):
    kind = errors.Kind.NOT_FOUND
    template = "Volume {volume_id} has no metadata with key {key}."


@dataclass(frozen=True)
class NewVolume:
    """What a project asks for; ``type`` is a name or an id, None the default one."""

    size_gb: int
    name: str | None = None
    description: str | None = None
    type: str | None = None
    zone: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Listing:
    """Which volumes, in which order, and which page of them.

    :param equal: columns of :data:`EQUAL` and the value each must have
    :param project_id: None for every project the request may see
    """

    project_id: str | None
    equal: Mapping[str, Any] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    sort: Sequence[tuple[str, str]] = (("created_at", "desc"),)
    limit: int = 1000
    marker: str | None = None
    offset: int = 0


def create(clients: Any, ctx: RequestContext, new: NewVolume) -> Any:
    """Accept a volume and return its row; a volume service makes it soon.

    :raises Invalid: no project in the token, a size or zone that does not exist, or too much metadata.
    :raises VolumeTypeNotFound: the type is not there, or not for this project.
    :raises QuotaExceeded: the project would pass its volumes or gigabytes.
    :raises Unavailable: too much is under way.
    """
    if ctx.project_id is None:
        raise errors.Invalid(reason="A volume belongs to a project; ask with a token of one.")
    if not 1 <= new.size_gb <= MAX_SIZE_GB:
        raise errors.Invalid(reason=f"The size of a volume is 1 to {MAX_SIZE_GB} GiB, not {new.size_gb}.")
    _check_metadata(new.metadata)
    clients.backlog.check(ctx)
    return clients.db.write(ctx, _accept, clients, new)


def _accept(tx: Tx, clients: Any, new: NewVolume) -> Any:
    settings, ctx, now = clients.settings, tx.ctx, runtime.time()
    name = settings.volume.type
    kind = volumes.get_type(tx, new.type) if new.type else volumes.default_type(tx, name)
    if new.zone is not None and new.zone not in {row.zone for row in hosts.all_services(tx, binary=BINARY)}:
        raise errors.Invalid(reason=f"Availability zone '{new.zone}' is invalid: no volume service is in it.")
    quotas.take(tx, ctx.project_id or "", {"volumes": 1, "gigabytes": new.size_gb}, settings.quota)
    volume_id = runtime.uuid()
    volumes.add(
        tx,
        id=volume_id,
        project_id=ctx.project_id,
        user_id=ctx.user_id,
        name=new.name,
        description=new.description,
        size_gb=new.size_gb,
        status=CREATING.columns[0],
        zone=new.zone or settings.compute.zone,
        type_id=kind.id,
        type_name=kind.name,
        metadata=codec.dump(dict(new.metadata)),
        created_at=now,
        updated_at=now,
    )
    row = volumes.get(tx, volume_id)
    created(tx, VOLUME, row)
    args = {"zone": new.zone} if new.zone else None
    submit.submit(tx, clients.bell, kinds.CREATE_VOLUME, volume_id, args=args)
    return row


def index(clients: Any, ctx: RequestContext, listing: Listing) -> Sequence[Any]:
    """Return one page of volumes.

    :raises MarkerNotFound: the marker is not one of them.
    """
    if listing.marker and listing.offset:
        raise errors.Invalid(reason="Give a marker or an offset, not both.")
    filters = [table.c[name] == value for name, value in listing.equal.items() if name in EQUAL]
    if listing.project_id is not None:
        filters.append(table.c.project_id == listing.project_id)
    with clients.db.read(ctx) as tx:
        filters += [volumes.has_item(tx, key, value) for key, value in listing.metadata.items()]
        return volumes.page(tx, filters, listing.sort, listing.limit, listing.marker, listing.offset)


def show(clients: Any, ctx: RequestContext, volume_id: str) -> Any:
    """Return one volume.

    :raises VolumeNotFound: absent, or another project's.
    """
    with clients.db.read(ctx) as tx:
        return volumes.get(tx, volume_id)


def update(clients: Any, ctx: RequestContext, volume_id: str, changes: Mapping[str, Any]) -> Any:
    """Change ``name``, ``description`` or ``metadata`` (all of them at once) and return the volume.

    :raises VolumeNotFound: absent, or another project's.
    """
    values = {name: changes[name] for name in ("name", "description") if name in changes}
    metadata = changes.get("metadata")
    if metadata is not None:
        _check_metadata(metadata)

    def write(tx: Tx) -> Any:
        row, now = volumes.get(tx, volume_id), runtime.time()
        if metadata is not None:
            volumes.replace_metadata(tx, row, metadata, now)
        if values:
            volumes.update(tx, row.id, updated_at=now, **values)
        return volumes.get(tx, row.id)

    return clients.db.write(ctx, write)


def delete(clients: Any, ctx: RequestContext, volume_id: str) -> None:
    """Accept the deletion of a volume, whatever is under way on it; asking twice is fine.

    :raises VolumeNotFound: absent, or another project's.
    """

    def write(tx: Tx) -> None:
        row = volumes.get(tx, volume_id)
        state, now = VOLUME.state_of(row), runtime.time()
        if not state.known:  # somebody changed it by hand; who asks may be rid of it all the same
            correct(tx, VOLUME, table, row, DELETING, updated_at=now)
        elif state is not DELETING:
            move(tx, VOLUME, table, row, "delete", updated_at=now)
        submit.submit_delete(tx, clients.bell, "volume", row.id, row.host)

    clients.db.write(ctx, write)


# -- metadata ----------------------------------------------------------------------------------------------


def replace_metadata(clients: Any, ctx: RequestContext, volume_id: str, metadata: Mapping[str, str]) -> dict[str, str]:
    """Give a volume these metadata and no others, and return them."""
    return _change(clients, ctx, volume_id, lambda _old: dict(metadata))


def merge_metadata(clients: Any, ctx: RequestContext, volume_id: str, metadata: Mapping[str, str]) -> dict[str, str]:
    """Add to a volume's metadata or change them, and return all."""
    return _change(clients, ctx, volume_id, lambda old: {**old, **metadata})


def remove_item(clients: Any, ctx: RequestContext, volume_id: str, key: str) -> None:
    """Take one item off a volume's metadata.

    :raises ItemNotFound: there is none of that key.
    """

    def without(old: dict[str, str]) -> dict[str, str]:
        if key not in old:
            raise ItemNotFound(volume_id=volume_id, key=key)
        return {name: value for name, value in old.items() if name != key}

    _change(clients, ctx, volume_id, without)


def metadata_of(row: Any) -> dict[str, str]:
    """Return a volume's metadata."""
    return codec.load(row.metadata, {})


def item_of(row: Any, key: str) -> str:
    """Return one of a volume's metadata.

    :raises ItemNotFound: there is none of that key.
    """
    metadata = metadata_of(row)
    if key not in metadata:
        raise ItemNotFound(volume_id=row.id, key=key)
    return metadata[key]


def _change(
    clients: Any, ctx: RequestContext, volume_id: str, fn: Callable[[dict[str, str]], dict[str, str]]
) -> dict[str, str]:
    def write(tx: Tx) -> dict[str, str]:
        row = volumes.get(tx, volume_id)
        changed = fn(metadata_of(row))
        _check_metadata(changed)
        volumes.replace_metadata(tx, row, changed, runtime.time())
        return changed

    return clients.db.write(ctx, write)


def _check_metadata(metadata: Mapping[str, str]) -> None:
    """:raises Invalid: more than the row may hold."""
    if len(metadata) > MAX_METADATA_ITEMS or len(codec.dump(dict(metadata)).encode()) > MAX_METADATA_BYTES:
        raise errors.Invalid(
            reason=f"A volume has at most {MAX_METADATA_ITEMS} metadata items and {MAX_METADATA_BYTES} bytes of them."
        )
