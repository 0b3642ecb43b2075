"""Hosts and the services on them, and what each host has sold."""

from __future__ import annotations

import sqlalchemy as sa

from iaas.db.models import base

services = base.table(
    base.CONTROLLER,
    "services",
    base.uuid(),
    base.ident("binary", nullable=False),  # iaas-compute, iaas-scheduler, …
    base.ident("host", nullable=False),
    base.uuid("host_id"),  # from the state folder: two machines of one name differ in it; NULL: it keeps no state
    base.ident("zone", nullable=False, default="internal"),
    base.flag("disabled"),
    base.text("disabled_reason"),
    base.flag("forced_down"),
    base.flag("draining"),
    base.count("incarnation"),
    base.text("degraded"),  # which call of its driver does not come back; NULL: it is well
    base.text("admin_url"),  # where its process says how it is, and what its host has
    base.time("started_at", nullable=False),
    base.time("seen_at", nullable=False),  # by the database's clock
    sa.UniqueConstraint("binary", "host"),
)

hosts = base.table(
    base.CONTROLLER,
    "hosts",
    base.uuid(),
    base.ident("name", nullable=False, unique=True),
    base.ident("zone", nullable=False),
    base.text("hypervisor_hostname", nullable=False),
    base.ident("hypervisor_type", nullable=False),
    base.count("hypervisor_version"),
    base.text("agent_url"),  # where the API asks this host for console logs
    base.text("host_ip", 64),
    base.json("cpu_info"),
    base.count("vcpus"),
    base.count("memory_mb"),
    base.count("disk_gb"),
    base.count("reserved_memory_mb"),
    base.count("used_vcpus"),
    base.count("used_memory_mb"),
    base.count("used_disk_gb"),
    base.count("running"),
    base.count("incarnation"),
    base.count("fenced_epoch"),
    base.time("created_at", nullable=False),
    base.time("updated_at", nullable=False),
    sa.CheckConstraint("used_vcpus >= 0 AND used_memory_mb >= 0 AND used_disk_gb >= 0", name="used"),
)

allocations = base.table(
    base.CONTROLLER,
    "allocations",
    base.uuid("instance_id", primary_key=True),
    base.uuid("host_id", sa.ForeignKey("hosts.id"), primary_key=True),
    base.count("vcpus"),
    base.count("memory_mb"),
    base.count("disk_gb"),
)
sa.Index("ix_allocations_host", allocations.c.host_id)

placements = base.table(
    base.CONTROLLER,
    "placements",
    base.uuid("instance_id", primary_key=True),
    base.time("at", nullable=False),
    base.text("policy", 64, nullable=False),
    base.json("verdict", nullable=False),  # what every filter said of every host; names hosts, so for admins only
)
