"""The first contents of an identity database: what every cloud needs before anybody can log in.

Running it again adds what is missing and changes only what it is told: the passwords and the URLs it is given.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from iaas.common import context
from iaas.common.conf import Settings
from iaas.db.identity import assignments, catalog, clock, domains, projects, revocations, roles, users
from iaas.db.tx import Database, Tx
from iaas.identity import ids
from iaas.identity.passwords import Hasher

DEFAULT_DOMAIN = "default"
ROLES = ("admin", "manager", "member", "reader", "service")
#: each implies the next
LADDER = ("admin", "manager", "member", "reader")
INTERFACES = ("public", "internal", "admin")


@dataclass(frozen=True)
class Bootstrapped:
    """What is there now, by id."""

    user_id: str
    project_id: str
    role_ids: Mapping[str, str]
    service_user_id: str | None


def bootstrap(
    db: Database,
    settings: Settings,
    *,
    password: str,
    endpoints: Mapping[str, tuple[str, str]],
    service_password: str = "",
    username: str = "admin",
    project: str = "admin",
    internal_endpoints: Mapping[str, str] | None = None,
) -> Bootstrapped:
    """Make the default domain, the administrator, the roles, the services' user and the catalog.

    :param endpoints: service type -> (service name, URL), for all three interfaces
    :param service_password: of the user ``settings.identity.username``; by default ``settings.identity.password``;
        without either no such user is made
    :param internal_endpoints: service type -> URL where the internal and the admin interface are elsewhere
    """
    identity = settings.identity
    hasher = Hasher(identity.argon2_memory_kib, identity.argon2_time, identity.hash_workers, identity.hash_queue)
    service_password = service_password or identity.password
    hashes = {username: _kept(db, hasher, username, password)}
    if service_password:
        hashes[identity.username] = _kept(db, hasher, identity.username, service_password)
    urls = {
        kind: {interface: (internal_endpoints or {}).get(kind, url) if interface != "public" else url
               for interface in INTERFACES}
        for kind, (_, url) in endpoints.items()
    }  # fmt: skip
    names = {kind: name for kind, (name, _) in endpoints.items()}

    def write(tx: Tx) -> Bootstrapped:
        clock.advance(tx)
        _domain(tx)
        role_ids = _roles(tx)
        project_id = _project(tx, project, "The administrators' project.")
        user_id = _user(tx, username, hashes[username], identity.token_lifetime)
        _grant(tx, user_id, "project", project_id, role_ids["admin"])
        _grant(tx, user_id, "domain", DEFAULT_DOMAIN, role_ids["admin"])
        _grant(tx, user_id, "system", assignments.SYSTEM, role_ids["admin"])
        service_user_id = None
        if identity.username in hashes:
            service_project_id = _project(tx, identity.project, "The services' project.")
            service_user_id = _user(tx, identity.username, hashes[identity.username], identity.token_lifetime)
            for name in ("service", "admin"):
                _grant(tx, service_user_id, "project", service_project_id, role_ids[name])
        _catalog(tx, identity.region, names, urls)
        return Bootstrapped(user_id, project_id, role_ids, service_user_id)

    return db.write(context.admin(), write)


def _kept(db: Database, hasher: Hasher, name: str, password: str) -> str | None:
    """Return the hash to write, or None if the user has that password already."""
    with db.read(context.admin()) as tx:
        row = users.find_named(tx, name, domain_id=DEFAULT_DOMAIN)
    if row is not None and hasher.verify(row.password_hash, password):
        return None
    return hasher.hash(password)


def _domain(tx: Tx) -> None:
    if domains.find(tx, DEFAULT_DOMAIN) is None:
        domains.add(
            tx, id=DEFAULT_DOMAIN, name="Default", description="The default domain", enabled=True,
            options="{}", tags="[]", extra="{}",
        )  # fmt: skip


def _roles(tx: Tx) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in ROLES:
        row = roles.find_named(tx, name)
        found[name] = row.id if row is not None else ids.new()
        if row is None:
            roles.add(tx, id=found[name], name=name, domain_id="", options="{}", extra="{}")
    for prior, implied in itertools.pairwise(LADDER):
        roles.imply(tx, found[prior], found[implied])
    return found


def _project(tx: Tx, name: str, description: str) -> str:
    row = projects.find_named(tx, name, domain_id=DEFAULT_DOMAIN)
    if row is not None:
        return row.id
    project_id = ids.new()
    projects.add(
        tx, id=project_id, domain_id=DEFAULT_DOMAIN, name=name, description=description, enabled=True,
        options="{}", tags="[]", extra="{}",
    )  # fmt: skip
    return project_id


def _user(tx: Tx, name: str, password_hash: str | None, kept_for: float) -> str:
    row = users.find_named(tx, name, domain_id=DEFAULT_DOMAIN)
    now = clock.look(tx).now
    if row is None:
        user_id = ids.new()
        users.add(
            tx, id=user_id, domain_id=DEFAULT_DOMAIN, name=name, enabled=True, password_hash=password_hash,
            password_changed_at=now, options="{}", extra="{}",
        )  # fmt: skip
        return user_id
    if password_hash is not None:
        users.update(tx, row.id, {"password_hash": password_hash, "password_changed_at": now})
        revocations.add(tx, kept_for, [{"user_id": row.id}])
    return row.id


def _grant(tx: Tx, user_id: str, kind: str, target_id: str, role_id: str) -> None:
    key: dict[str, Any] = {
        "actor_type": "user", "actor_id": user_id, "target_type": kind, "target_id": target_id,
        "role_id": role_id, "inherited": False,
    }  # fmt: skip
    if not assignments.exists(tx, key):
        assignments.add(tx, key)


def _catalog(tx: Tx, region: str, names: Mapping[str, str], urls: Mapping[str, Mapping[str, str]]) -> None:
    if catalog.find(tx, "Region", region) is None:
        catalog.add(tx, "Region", id=region, description="", extra="{}")
    for kind, by_interface in urls.items():
        service = catalog.find_service(tx, kind)
        service_id = service.id if service is not None else ids.new()
        if service is None:
            catalog.add(tx, "Service", id=service_id, type=kind, name=names[kind], enabled=True, extra="{}")
        for interface, url in by_interface.items():
            endpoint = catalog.find_endpoint(tx, service_id, region, interface)
            if endpoint is None:
                catalog.add(
                    tx, "Endpoint", id=ids.new(), service_id=service_id, region_id=region, interface=interface,
                    url=url, enabled=True, extra="{}",
                )  # fmt: skip
            elif endpoint.url != url:
                catalog.update(tx, "Endpoint", endpoint.id, {"url": url})
