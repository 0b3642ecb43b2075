"""Flavors: the sizes servers come in, and which projects may use the private ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from iaas.common import errors, runtime
from iaas.common.context import RequestContext
from iaas.db import codec
from iaas.db import flavors as db
from iaas.db.tx import Tx

MAX_SPECS = 65_535  # bytes of all extra specs of one flavor, as the database keeps them


class AccessExists(errors.IaasError):
    kind = errors.Kind.CONFLICT
    template = "Project {project_id} has access to flavor {flavor_id} already."


class AccessNotFound(errors.IaasError):
    kind = errors.Kind.NOT_FOUND
    template = "Project {project_id} has no access to flavor {flavor_id}."


class SpecNotFound(errors.IaasError):
    kind = errors.Kind.NOT_FOUND
    template = "Flavor {flavor_id} has no extra spec {key}."


@dataclass(frozen=True)
class NewFlavor:
    """A flavor to make; without an ``id`` it gets a random one."""

    name: str
    vcpus: int
    memory_mb: int
    disk_gb: int
    id: str | None = None
    ephemeral_gb: int = 0
    swap_mb: int = 0
    rxtx_factor: float = 1.0
    is_public: bool = True
    description: str | None = None


def index(clients: Any, ctx: RequestContext, **wanted: Any) -> Sequence[Any]:
    """Return one page of the flavors offered to the request; ``wanted`` as ``iaas.db.flavors.page`` takes it."""
    if wanted.get("limit") == 0:
        return []
    with clients.db.read(ctx) as tx:
        return db.page(tx, **wanted)


def show(clients: Any, ctx: RequestContext, flavor_id: str) -> Any:
    """:raises FlavorNotFound: absent, or private and not given to the project."""
    with clients.db.read(ctx) as tx:
        return db.get(tx, flavor_id)


def get(tx: Tx, flavor_id: str) -> Any:
    """Return a flavor within the caller's transaction.

    :raises FlavorNotFound: absent, or private and not given to the project.
    """
    return db.get(tx, flavor_id)


def embedded(flavor: Any) -> dict[str, Any]:
    """Return what a server keeps of its flavor, in the words Compute 2.47 and later shows it with."""
    return {
        "original_name": flavor.name,
        "vcpus": flavor.vcpus,
        "ram": flavor.memory_mb,
        "disk": flavor.disk_gb,
        "ephemeral": flavor.ephemeral_gb,
        "swap": flavor.swap_mb,
        "extra_specs": specs_of(flavor),
    }


def create(clients: Any, ctx: RequestContext, new: NewFlavor) -> Any:
    """Make a flavor and return its row.

    :raises FlavorExists: the id or the name is taken.
    """
    return clients.db.write(ctx, _create, new)


def _create(tx: Tx, new: NewFlavor) -> Any:
    flavor_id = new.id or runtime.uuid()
    db.add(
        tx,
        id=flavor_id,
        name=new.name,
        description=new.description,
        vcpus=new.vcpus,
        memory_mb=new.memory_mb,
        disk_gb=new.disk_gb,
        ephemeral_gb=new.ephemeral_gb,
        swap_mb=new.swap_mb,
        rxtx_factor=new.rxtx_factor,
        is_public=new.is_public,
        extra_specs="{}",
        created_at=runtime.time(),
    )
    return db.get(tx, flavor_id)


def update(clients: Any, ctx: RequestContext, flavor_id: str, description: str | None) -> Any:
    """Change the one thing of a flavor that may change, and return its row."""

    def change(tx: Tx) -> Any:
        db.get(tx, flavor_id)
        db.update(tx, flavor_id, description=description)
        return db.get(tx, flavor_id)

    return clients.db.write(ctx, change)


def delete(clients: Any, ctx: RequestContext, flavor_id: str) -> None:
    """Remove a flavor; servers made from it keep what they were sold."""
    clients.db.write(ctx, db.remove, flavor_id)


# -- access to private flavors -------------------------------------------------------------------------------


def projects_of(clients: Any, ctx: RequestContext, flavor_id: str) -> list[str]:
    """Return the projects that may use a private flavor.

    :raises NotFound: the flavor is public, so there is no such list.
    """
    with clients.db.read(ctx) as tx:
        if db.get(tx, flavor_id).is_public:
            raise errors.NotFound(what="The access list of public flavor", id=flavor_id)
        return db.projects_of(tx, flavor_id)


def grant(clients: Any, ctx: RequestContext, flavor_id: str, project_id: str, *, private_only: bool) -> list[str]:
    """Let a project use a flavor, and return all projects that may.

    :param private_only: refuse a public flavor, which every project may use anyway
    :raises AccessExists: it may already.
    """

    def give(tx: Tx) -> list[str]:
        if db.get(tx, flavor_id, to_change=True).is_public and private_only:
            raise errors.Conflict(reason=f"Flavor {flavor_id} is public: every project has access to it.")
        if not db.grant(tx, flavor_id, project_id):
            raise AccessExists(project_id=project_id, flavor_id=flavor_id)
        return db.projects_of(tx, flavor_id)

    return clients.db.write(ctx, give)


def revoke(clients: Any, ctx: RequestContext, flavor_id: str, project_id: str) -> list[str]:
    """Take a project's access away, and return the projects that are left.

    :raises AccessNotFound: it had none.
    """

    def take(tx: Tx) -> list[str]:
        db.get(tx, flavor_id)
        if not db.revoke(tx, flavor_id, project_id):
            raise AccessNotFound(project_id=project_id, flavor_id=flavor_id)
        return db.projects_of(tx, flavor_id)

    return clients.db.write(ctx, take)


# -- extra specs ---------------------------------------------------------------------------------------------


def specs_of(flavor: Any) -> dict[str, str]:
    """Return the extra specs of a flavor's row."""
    return codec.load(flavor.extra_specs, {})


def set_specs(clients: Any, ctx: RequestContext, flavor_id: str, specs: Mapping[str, str]) -> None:
    """Add extra specs to a flavor; a key it has gets the new value.

    :raises Invalid: together they are more than a flavor can keep.
    """

    def change(tx: Tx) -> None:
        text = codec.dump({**specs_of(db.get(tx, flavor_id, to_change=True)), **specs})
        if len(text.encode()) > MAX_SPECS:
            raise errors.Invalid(reason=f"The extra specs of one flavor take at most {MAX_SPECS} bytes.")
        db.update(tx, flavor_id, extra_specs=text)

    clients.db.write(ctx, change)


def unset_spec(clients: Any, ctx: RequestContext, flavor_id: str, key: str) -> None:
    """:raises SpecNotFound: the flavor has no such key."""

    def change(tx: Tx) -> None:
        specs = specs_of(db.get(tx, flavor_id, to_change=True))
        if key not in specs:
            raise SpecNotFound(flavor_id=flavor_id, key=key)
        del specs[key]
        db.update(tx, flavor_id, extra_specs=codec.dump(specs))

    clients.db.write(ctx, change)
