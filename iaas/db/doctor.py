"""What the doctor reads: everything whose agreement it judges, at one moment, in a fixed number of statements.

Columns nobody judges (images, keys, user data) are left in the database: 10,000 servers are a few megabytes.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

import sqlalchemy as sa

from iaas.common.context import RequestContext
from iaas.db import jobs as job_rows
from iaas.db import quotas
from iaas.db.engines import db_now
from iaas.db.models.base import CONTROLLER
from iaas.db.models.consoles import console_tokens
from iaas.db.models.hosts import allocations, hosts, services
from iaas.db.models.images import blob_gc, image_usages, images
from iaas.db.models.instances import instances, keypairs
from iaas.db.models.jobs import jobs
from iaas.db.models.networks import (
    fixed_ips,
    networks,
    port_groups,
    ports,
    security_group_rules,
    security_groups,
    subnets,
)
from iaas.db.models.quotas import quota_usages
from iaas.db.models.volumes import volumes
from iaas.db.tx import Database, Tx

Rows = Sequence[sa.Row[Any]]
#: ended jobs whose events are read, the newest: older ones were read by earlier visits
HISTORY = 5000
#: rows shown of a broken foreign key
BROKEN = 20
BATCH = 500
KEY_PAIRS = "key_pairs_of_user"


@dataclass(frozen=True)
class Snapshot:
    """The rows of one moment.

    :ivar now: the database's clock, in seconds since the epoch
    :ivar jobs: those that are live, and those that ended in the last ``grace`` seconds
    :ivar history: the newest ended jobs with their events
    :ivar held: (project_id, resource, held): what rows hold of each quota
    :ivar console_tokens: instance_id of those that are valid and whose server is gone
    :ivar broken: (source, target, id): rows whose foreign key names nothing
    """

    now: float
    instances: Rows
    jobs: Rows
    history: Rows
    hosts: Rows
    allocations: Rows
    services: Rows
    usages: Rows
    held: Rows
    volumes: Rows
    ports: Rows
    fixed_ips: Rows
    subnets: Rows
    networks: Rows
    groups: Rows
    port_groups: Rows
    rules: Rows
    console_tokens: Rows
    broken: Rows


def look(db: Database, ctx: RequestContext, grace: float) -> Snapshot:
    """Read everything at one moment.

    :param grace: seconds for which an ended job still excuses its resource
    :raises Unavailable: the database cannot be reached.
    """
    with db.snapshot(ctx) as tx, _whatever_text(tx):
        now = tx.scalar(sa.select(db_now()))
        found = dict(_rows(tx, now - grace))
    return Snapshot(now=now, **found)


@contextlib.contextmanager
def _whatever_text(tx: Tx) -> Iterator[None]:
    """Read text that is no text, with its bytes spelt out: of the databases, SQLite alone keeps such, and one would
    hide all rows of its table."""
    raw: Any = tx.connection.connection.dbapi_connection if tx.database.dialect == "sqlite" else None
    if raw is None:
        yield
        return
    kept, raw.text_factory = raw.text_factory, lambda said: said.decode(errors="backslashreplace")
    try:
        yield
    finally:
        raw.text_factory = kept


def _rows(tx: Tx, since: float) -> Iterator[tuple[str, Rows]]:
    queries = _queries(since)
    for field in fields(Snapshot):
        if field.name != "now":
            yield field.name, tx.all(queries[field.name])


def _queries(since: float) -> dict[str, Any]:
    live = jobs.c.live_key.isnot(None)
    ended = sa.and_(~jobs.c.state.in_(job_rows.LIVE), jobs.c.events.isnot(None))
    return {
        "instances": sa.select(*_instances()),
        "jobs": sa.select(*_jobs()).where(sa.or_(live, jobs.c.state.in_(job_rows.LIVE), jobs.c.updated_at > since)),
        "history": sa.select(*_jobs(), jobs.c.events)
        .where(ended)
        .order_by(jobs.c.updated_at.desc(), jobs.c.id)
        .limit(HISTORY),
        "hosts": sa.select(hosts),
        "allocations": sa.select(allocations),
        "services": sa.select(services, (db_now() - services.c.seen_at).label("silent_for")),
        "usages": sa.select(quota_usages).where(quota_usages.c.project_id != quotas.DEFAULTS),
        "held": _held(),
        "volumes": sa.select(*_volumes()),
        "ports": _ports(),
        "fixed_ips": sa.select(fixed_ips, subnets.c.network_id)
        .select_from(fixed_ips.outerjoin(subnets, subnets.c.id == fixed_ips.c.subnet_id))
        .order_by(fixed_ips.c.port_id, fixed_ips.c.address),
        "subnets": sa.select(*_subnets()),
        "networks": sa.select(networks.c.id, networks.c.mtu, networks.c.admin_state_up),
        "groups": sa.select(security_groups.c.id, security_groups.c.project_id, security_groups.c.updated_at),
        "port_groups": sa.select(port_groups),
        "rules": sa.select(*_rules()),
        "console_tokens": sa.select(console_tokens.c.instance_id)
        .outerjoin(instances, instances.c.id == console_tokens.c.instance_id)
        .where(instances.c.id.is_(None), console_tokens.c.expires_at > db_now())
        .distinct(),
        "broken": _broken(),
    }


def _instances() -> list[Any]:
    c = instances.c
    return [
        c.id, c.project_id, c.vm_state, c.task_state, c.host, c.host_id, c.vcpus, c.memory_mb, c.disk_gb,
        c.quota_held, c.network_info, c.fault, c.created_at, c.updated_at, c.image_id, c.config_drive,
    ]  # fmt: skip


def _jobs() -> list[Any]:
    c = jobs.c
    return [
        c.id, c.kind, c.resource_type, c.resource_id, c.project_id, c.topic, c.host, c.step, c.state, c.live_key,
        c.owner, c.fence, c.lease_until, c.attempt, c.not_before, c.chain, c.created_at, c.updated_at,
        c.error.isnot(None).label("has_error"),
    ]  # fmt: skip


def _volumes() -> list[Any]:
    c = volumes.c
    return [c.id, c.project_id, c.size_gb, c.status, c.host, c.fault, c.created_at, c.updated_at]


def _subnets() -> list[Any]:
    c = subnets.c
    return [
        c.id, c.network_id, c.cidr, c.gateway_ip, c.enable_dhcp, c.dns_nameservers, c.host_routes, c.updated_at,
    ]  # fmt: skip


def _rules() -> list[Any]:
    c = security_group_rules.c
    return [
        c.id, c.group_id, c.direction, c.ethertype, c.protocol, c.port_min, c.port_max, c.remote_cidr,
        c.remote_group_id,
    ]  # fmt: skip


def _ports() -> Any:
    """The ports, each with whether it may carry frames (``admin_up``: it and its network) and since when at least."""
    c, n = ports.c, networks.c
    up = sa.case((sa.and_(c.admin_state_up, n.admin_state_up), 1), else_=0).label("admin_up")
    touched = sa.case((n.updated_at > c.updated_at, n.updated_at), else_=c.updated_at).label("touched_at")
    columns = [
        c.id, c.network_id, c.project_id, c.status, c.device_id, c.device_owner, c.made_for_instance, c.host, c.error,
        c.mac, c.dns_name, c.admin_state_up, c.port_security, c.allowed_pairs, c.created_at, c.updated_at, up, touched,
    ]  # fmt: skip
    return sa.select(*columns).select_from(ports.outerjoin(networks, n.id == c.network_id))


def held_by(tx: Tx, owner: str) -> Rows:
    """Return (project_id, resource, held) of what the rows of one project or user hold."""
    held = _held().subquery()
    return tx.all(sa.select(held).where(held.c.project_id == owner))


def _held() -> Any:
    """What rows hold of each quota, in one statement, so that nothing is counted at two moments."""

    def of(column: Any, resource: str, amount: Any, *where: Any) -> Any:
        owner = column.label("project_id")
        query = sa.select(owner, sa.literal(resource).label("resource"), amount.label("held"))
        return query.where(*where).group_by(column)

    one = sa.func.count()
    i, v = instances.c, volumes.c
    return sa.union_all(
        of(i.project_id, "instances", one, i.quota_held),
        of(i.project_id, "cores", sa.func.sum(i.vcpus), i.quota_held),
        of(i.project_id, "ram", sa.func.sum(i.memory_mb), i.quota_held),
        of(v.project_id, "volumes", one),
        of(v.project_id, "gigabytes", sa.func.sum(v.size_gb)),
        of(ports.c.project_id, "ports", one),
        of(networks.c.project_id, "networks", one),
        of(subnets.c.project_id, "subnets", one),
        of(security_groups.c.project_id, "security_groups", one),
        of(security_group_rules.c.project_id, "security_group_rules", one),
        of(keypairs.c.user_id, KEY_PAIRS, one),
    )


#: what of a quota's rows is counted, as :func:`_held` does
COUNTED = (
    "instances", "cores", "ram", "volumes", "gigabytes", "ports", "networks", "subnets", "security_groups",
    "security_group_rules", KEY_PAIRS,
)  # fmt: skip


def _broken() -> Any:
    """Every row whose foreign key names a row that is not there: where keys were off, or a backup was torn."""
    parts = []
    for table in CONTROLLER.sorted_tables:
        for key in table.foreign_keys:
            parent = key.column.table.alias()
            there = sa.exists().where(parent.c[key.column.name] == key.parent)
            parts.append(
                sa.select(
                    sa.literal(f"{table.name}.{key.parent.name}").label("source"),
                    sa.literal(key.column.table.name).label("target"),
                    key.parent.label("id"),
                ).where(key.parent.isnot(None), ~there)
            )
    return sa.union_all(*parts).limit(BROKEN)


@dataclass(frozen=True)
class ImageSnapshot:
    """The image service's rows of one moment.

    :ivar held: (project_id, images, size): what rows hold of each project's quota; ``""`` is no project
    :ivar buried: (image_id, created_at, removed_at) of images whose bytes were given up
    """

    now: float
    images: Rows
    usages: Rows
    held: Rows
    buried: Rows


def look_at_images(db: Database, ctx: RequestContext, with_bytes: Sequence[str]) -> ImageSnapshot:
    """Read what the image service knows at one moment.

    :param with_bytes: the states of images whose size counts
    :raises Unavailable: the database cannot be reached.
    """
    c = images.c
    counted = sa.func.sum(sa.case((c.status.in_(list(with_bytes)), sa.func.coalesce(c.size, 0)), else_=0))
    owner = sa.func.coalesce(c.owner, "").label("project_id")
    held = sa.select(owner, sa.func.count().label("images"), counted.label("size")).group_by(owner)
    with db.snapshot(ctx) as tx, _whatever_text(tx):
        return ImageSnapshot(
            now=tx.scalar(sa.select(db_now())),
            images=tx.all(
                sa.select(c.id, c.status, c.size, c.os_hash_algo, c.os_hash_value, c.created_at, c.updated_at)
            ),
            usages=tx.all(sa.select(image_usages)),
            held=tx.all(held),
            buried=tx.all(sa.select(blob_gc.c.image_id, blob_gc.c.created_at, blob_gc.c.removed_at)),
        )


def things(tx: Tx) -> dict[str, dict[str, sa.Row[Any]]]:
    """Return what clients may have been promised: noun → id → (id, name, state, fault)."""
    plain = {"port": ports, "network": networks, "subnet": subnets, "security_group": security_groups}
    nothing = sa.null().label("state"), sa.null().label("fault")
    queries = {
        "server": sa.select(*_named(instances), instances.c.vm_state.label("state"), instances.c.fault),
        "volume": sa.select(*_named(volumes), volumes.c.status.label("state"), volumes.c.fault),
        **{noun: sa.select(*_named(table), *nothing) for noun, table in plain.items()},
    }
    return {noun: {row.id: row for row in tx.all(query)} for noun, query in queries.items()}


def _named(table: Any) -> tuple[Any, Any]:
    return table.c.id, table.c.name


def jobs_of_requests(tx: Tx, request_ids: Sequence[str]) -> Rows:
    """Return (resource_id, request_id, state, error) of what some requests started."""
    columns = (jobs.c.resource_id, jobs.c.request_id, jobs.c.state, jobs.c.error)
    found: list[sa.Row[Any]] = []
    for at in range(0, len(request_ids), BATCH):
        found += tx.all(sa.select(*columns).where(jobs.c.request_id.in_(request_ids[at : at + BATCH])))
    return found
