"""Verbs on servers: what both the OpenStack and the EC2 edge call.

A verb decides and accepts; the work is a job.  Creating: the image is looked up first (another service), then one
transaction checks and takes everything - flavor, key, quota, networks, rows, jobs - and only its commit makes
the request true.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from iaas.common import errors, runtime
from iaas.common.context import RequestContext
from iaas.compute.api import flavors, keypairs
from iaas.compute.states import DELETING_ERROR, INSTANCE, SCHEDULING
from iaas.db import client_tokens, codec, instances
from iaas.db import quotas as quota_rows
from iaas.db.models.instances import instances as table
from iaas.db.transitions import correct, created, move
from iaas.db.tx import DuplicateKey, Tx
from iaas.jobs import submit
from iaas.jobs.kinds import BUILD
from iaas.network.api import servers as networking
from iaas.network.api.servers import Wanted

MAX_METADATA = 255
_HOSTNAME = re.compile(r"[^a-z0-9-]+", re.ASCII)


class ImageNotUsable(errors.IaasError):
    kind = errors.Kind.INVALID
    template = "Image {image_id} is unacceptable: {reason}"


class FlavorTooSmall(errors.IaasError):
    kind = errors.Kind.INVALID
    template = "The flavor is too small for the image: {what} of at least {needed} is needed, it has {offered}."


@dataclass(frozen=True)
class NewServers:
    """A request for one or more like servers."""

    name: str
    flavor_id: str
    image_id: str
    min_count: int = 1
    max_count: int = 1
    key_name: str | None = None
    metadata: Mapping[str, str] | None = None
    user_data: str | None = None  # base64 text
    zone: str | None = None
    host: str | None = None  # an administrator's wish
    networks: tuple[Wanted, ...] | Literal["auto", "none", "default"] = "default"
    security_groups: tuple[str, ...] = ()
    config_drive: bool = False
    description: str | None = None
    hostname: str | None = None
    tags: tuple[str, ...] = ()
    client_token: str | None = None
    access_ip_v4: str | None = None
    access_ip_v6: str | None = None


@dataclass(frozen=True)
class Made:
    """What was accepted: the rows as they are after the commit, in launch order."""

    reservation_id: str
    rows: Sequence[Mapping[str, Any]]


class _Rehearsed(Exception):
    """Ends a rehearsal inside its transaction, so that nothing of it is kept."""

    def __init__(self, made: Made) -> None:
        super().__init__()
        self.made = made


def create(clients: Any, ctx: RequestContext, new: NewServers, *, dry_run: bool = False) -> Made:
    """Accept between ``min_count`` and ``max_count`` servers, as many as the quota allows.

    :param dry_run: check and take everything, then take it all back: the answer says what would have been made
    :raises QuotaExceeded: fewer than ``min_count`` fit.
    :raises ImageNotFound: no such image, or not visible to the project.
    :raises Unavailable: the image service, the database or the backlog refuses now; nothing was accepted.
    """
    clients.backlog.check(ctx)
    image = clients.image.get(ctx, new.image_id)
    _check_image(image)
    count = new.max_count
    while True:
        try:
            return _accepted(clients, ctx, new, image, count, dry_run)
        except errors.QuotaExceeded as error:
            fits = _what_fits(error, count)
            if not new.min_count <= fits < count:
                raise
            count = fits


def _what_fits(error: errors.QuotaExceeded, count: int) -> int:
    """Return how many of the ``count`` servers that passed a quota would not pass it."""
    each = error.fields["asked"] // count
    return max(error.fields["limit"] - error.fields["used"], 0) // each if each else 0


def _accepted(clients: Any, ctx: RequestContext, new: NewServers, image: Any, count: int, dry_run: bool) -> Made:
    def accept(tx: Tx) -> Made:
        made = _accept(tx, clients, new, image, count)
        if dry_run:
            raise _Rehearsed(made)
        return made

    try:
        return clients.db.write(ctx, accept)
    except _Rehearsed as rehearsal:
        return rehearsal.made
    except DuplicateKey:
        if new.client_token is None:
            raise
        # the same token came in twice at the same time: the other request has made what this one asks for
        return clients.db.write(ctx, accept)


def _check_image(image: Any) -> None:
    if image.status != "active":
        raise ImageNotUsable(image_id=image.id, reason=f"it is {image.status}, not active.")


def _accept(tx: Tx, clients: Any, new: NewServers, image: Any, count: int) -> Made:
    if new.client_token is not None:
        earlier = _earlier(tx, new)
        if earlier is not None:
            return earlier
    flavor = flavors.get(tx, new.flavor_id)
    _check_fit(flavor, image)
    key = keypairs.find_mine(tx, new.key_name) if new.key_name else None
    if new.key_name and key is None:
        raise errors.Invalid(reason=f"Invalid key_name provided: there is no key pair {new.key_name!r}.")
    plan = networking.plan(tx, clients, new.networks, new.security_groups)
    amounts = {"instances": count, "cores": flavor.vcpus * count, "ram": flavor.memory_mb * count}
    project_id = str(tx.ctx.project_id)
    # after everything that is only read: the others of the project wait for these rows until this is committed
    quota_rows.take(tx, project_id, amounts, clients.settings.quota)
    group_names = [group.name for group in plan.groups] if plan.interfaces else []
    reservation_id = "r-" + runtime.uuid()[:8]
    rows = [_row(tx, new, flavor, image, key, reservation_id, index, count) for index in range(count)]
    nics = networking.allocate_many(tx, clients, plan, {row["id"]: row["hostname"] for row in rows}, project_id)
    for row in rows:
        row["network_info"] = codec.dump(nics[row["id"]]) if nics[row["id"]] else None
        row["security_groups"] = codec.dump(group_names)
    instances.add_many(tx, rows)
    args = {"host": new.host} if new.host else {}
    for row in rows:
        created(tx, INSTANCE, row)
        submit.submit(tx, clients.bell, BUILD, row["id"], args=args)
    if new.client_token is not None:
        ids = [row["id"] for row in rows]
        client_tokens.add(tx, project_id, new.client_token, _digest(new), ids, runtime.time())
    return Made(reservation_id, rows)


def _check_fit(flavor: Any, image: Any) -> None:
    if flavor.memory_mb < (image.min_ram_mb or 0):
        raise FlavorTooSmall(what="memory", needed=f"{image.min_ram_mb} MiB", offered=f"{flavor.memory_mb} MiB")
    needed = max(image.min_disk_gb or 0, -(-(image.virtual_size or image.size or 0) // (1 << 30)))
    if flavor.disk_gb and flavor.disk_gb < needed:
        raise FlavorTooSmall(what="a disk", needed=f"{needed} GiB", offered=f"{flavor.disk_gb} GiB")


def _row(
    tx: Tx, new: NewServers, flavor: Any, image: Any, key: Any, reservation_id: str, index: int, count: int
) -> dict[str, Any]:
    instance_id, now = runtime.uuid(), runtime.time()
    name = new.name if count == 1 else f"{new.name}-{index + 1}"
    return {
        "id": instance_id,
        "ec2_id": "i-" + instance_id.replace("-", "")[:17],
        "project_id": tx.ctx.project_id,
        "user_id": tx.ctx.user_id,
        "reservation_id": reservation_id,
        "launch_index": index,
        "name": name,
        "hostname": new.hostname or hostname_of(name, instance_id),
        "description": new.description,
        **dict(zip(INSTANCE.columns, SCHEDULING.columns, strict=True)),
        "power_state": 0,
        "zone_wanted": new.zone,
        "image_id": image.id,
        "image": codec.dump(_image_facts(image)),
        "flavor_id": flavor.id,
        "flavor": codec.dump(flavors.embedded(flavor)),
        "vcpus": flavor.vcpus,
        "memory_mb": flavor.memory_mb,
        "disk_gb": flavor.disk_gb + flavor.ephemeral_gb,
        "key_name": key.name if key is not None else None,
        "key": codec.dump({"name": key.name, "type": key.type, "public_key": key.public_key}) if key else None,
        "metadata": codec.dump(dict(new.metadata or {})),
        "tags": codec.dump(sorted(set(new.tags))),
        "user_data": new.user_data,
        "config_drive": new.config_drive,
        "access_ip_v4": new.access_ip_v4,
        "access_ip_v6": new.access_ip_v6,
        "created_at": now,
        "updated_at": now,
        "network_info": None,
        "security_groups": "[]",
    }


def _image_facts(image: Any) -> dict[str, Any]:
    """What the build needs of the image, as it was when the request was accepted."""
    return {
        "disk_format": image.disk_format,
        "size": image.size,
        "virtual_size": image.virtual_size,
        "hash_algo": image.hash_algo,
        "hash_value": image.hash_value,
        "min_disk": image.min_disk_gb,
        "properties": dict(image.properties or {}),
    }


def hostname_of(name: str, instance_id: str) -> str:
    """Return the host name a guest gets from its server's name: letters, digits and dashes, at most 63."""
    cleaned = _HOSTNAME.sub("-", name.strip().lower().replace("_", "-").replace(".", "-")).strip("-")[:63].strip("-")
    return cleaned or f"server-{instance_id}"


# -- idempotence -------------------------------------------------------------------------------------------


class TokenMismatch(errors.IaasError):
    kind = errors.Kind.CONFLICT
    template = "The client token {token} was used before with other parameters."


class TokenSpent(errors.IaasError):
    kind = errors.Kind.CONFLICT
    template = "The servers that the client token {token} made are deleted; use a new token."


def _digest(new: NewServers) -> str:
    return hashlib.sha256(repr(new).encode()).hexdigest()


def _earlier(tx: Tx, new: NewServers) -> Made | None:
    """Return what the same token made before.

    :raises TokenMismatch: the token came with another request.
    :raises TokenSpent: what it made is deleted.
    """
    token = client_tokens.find(tx, str(tx.ctx.project_id), str(new.client_token))
    if token is None:
        return None
    if token.request_hash != _digest(new):
        raise TokenMismatch(token=new.client_token)
    rows = [instances.find(tx, instance_id) for instance_id in codec.load(token.resource_ids)]
    live: list[Mapping[str, Any]] = [dict(row._mapping) for row in rows if row is not None]
    if not live:
        raise TokenSpent(token=new.client_token)
    return Made(live[0]["reservation_id"], live)


# -- the rest of a server's life ----------------------------------------------------------------------------


def delete(clients: Any, ctx: RequestContext, instance_id: str) -> None:
    """Accept the deletion, whatever else is under way; deleting twice is one deletion.

    :raises InstanceNotFound: no such server, or it belongs to another project.
    :raises Conflict: the server is locked and the caller is not an administrator.
    """
    clients.db.write(ctx, accept_delete, clients, instance_id)


def accept_delete(tx: Tx, clients: Any, instance_id: str) -> None:
    """Do :func:`delete` in the caller's transaction."""
    row = instances.get(tx, instance_id)
    refuse_locked(tx.ctx, row)
    if not INSTANCE.state_of(row).known:  # somebody changed it by hand; who asks may be rid of it all the same
        correct(tx, INSTANCE, table, row, DELETING_ERROR, updated_at=runtime.time())
    elif row.task_state != "deleting":
        move(tx, INSTANCE, table, row, "delete", updated_at=runtime.time())
    submit.submit_delete(tx, clients.bell, "instance", instance_id, row.host)


def refuse_locked(ctx: RequestContext, row: Any) -> None:
    """:raises Conflict: the server is locked, and only an administrator may touch it."""
    if row.locked and not ctx.is_admin:
        raise errors.Conflict(reason=f"Instance {row.id} is locked; unlock it first.")


def update(clients: Any, ctx: RequestContext, instance_id: str, **changes: Any) -> Any:
    """Change ``name``, ``description``, ``hostname`` or the access addresses and return the row.

    :raises InstanceNotFound: no such server, or it belongs to another project.
    """

    def write(tx: Tx) -> Any:
        instances.get(tx, instance_id)
        instances.update(tx, instance_id, updated_at=runtime.time(), **changes)
        return instances.get(tx, instance_id)

    return clients.db.write(ctx, write)


def set_metadata(
    clients: Any, ctx: RequestContext, instance_id: str, items: Mapping[str, str], *, replace: bool
) -> dict[str, str]:
    """Merge ``items`` into the server's metadata, or replace it, and return what it is then.

    :raises QuotaExceeded: there would be more items than the project may have.
    """

    def change(there: dict[str, str]) -> dict[str, str]:
        now = dict(items) if replace else {**there, **items}
        check_metadata(clients, now)
        return now

    return clients.db.write(ctx, change_metadata, instance_id, change)


def delete_metadata(clients: Any, ctx: RequestContext, instance_id: str, key: str) -> None:
    """Remove one item.

    :raises NotFound: the server has no such item.
    """

    def change(there: dict[str, str]) -> dict[str, str]:
        if key not in there:
            raise errors.NotFound(what="Metadata item", id=key)
        return {name: value for name, value in there.items() if name != key}

    clients.db.write(ctx, change_metadata, instance_id, change)


def change_metadata(tx: Tx, instance_id: str, change: Callable[[dict[str, str]], dict[str, str]]) -> dict[str, str]:
    """Change a server's metadata in the caller's transaction: two at the same time lose nothing of each other.

    :raises StateConflict: others change it all the time.
    """
    for _ in range(5):
        row = instances.get(tx, instance_id)
        refuse_locked(tx.ctx, row)
        now = change(codec.load(row.metadata, {}))
        if instances.swap_metadata(tx, row, codec.dump(now), runtime.time()):
            return now
    raise errors.StateConflict(machine="instance", id=instance_id)


def check_metadata(clients: Any, items: Mapping[str, str]) -> None:
    """:raises QuotaExceeded: there are more items than a server may have."""
    limit = clients.settings.quota.metadata_items
    if limit >= 0 and len(items) > limit:
        raise errors.QuotaExceeded(resource="metadata_items", asked=len(items), used=0, limit=limit)
