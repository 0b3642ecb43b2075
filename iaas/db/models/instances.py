"""Instances, and what they are made from: flavors and key pairs."""

from __future__ import annotations

import sqlalchemy as sa

from iaas.db.models import base

instances = base.table(
    base.CONTROLLER,
    "instances",
    base.uuid(),
    sa.Column("ec2_id", sa.String(24), nullable=False, unique=True),
    base.ident("project_id", nullable=False),
    base.ident("user_id", nullable=False),
    base.ident("reservation_id", nullable=False),
    base.count("launch_index"),
    base.text("name", nullable=False),
    base.text("hostname", 64, nullable=False),
    base.text("description"),
    base.ident("vm_state", nullable=False),
    base.ident("task_state"),
    base.count("power_state"),
    base.ident("host"),
    base.uuid("host_id"),
    base.ident("zone_wanted"),
    base.ident("zone"),
    base.ident("image_id"),
    base.json("image", nullable=False),  # facts of the image when the request was accepted
    base.ident("flavor_id", nullable=False),
    base.json("flavor", nullable=False),  # the flavor as it was, in the words of the API
    base.count("vcpus"),
    base.count("memory_mb"),
    base.count("disk_gb"),
    base.text("key_name"),
    base.json("key"),  # {"name", "type", "public_key"}
    base.json("metadata", nullable=False),
    base.json("tags", nullable=False),
    sa.Column("user_data", sa.Text()),
    base.flag("config_drive"),
    base.text("access_ip_v4", 46),  # what the user says the server is reached at; shown, never used
    base.text("access_ip_v6", 46),
    base.flag("locked"),
    base.text("locked_reason"),
    base.json("fault"),
    base.json("network_info"),  # cache of addresses, rewritten whenever a port of the instance changes
    base.json("security_groups", nullable=False),
    base.time("created_at", nullable=False),
    base.time("updated_at", nullable=False),
    base.time("launched_at"),
    base.time("terminated_at"),
    base.flag("quota_held", default=True),
)
sa.Index("ix_instances_project", instances.c.project_id, instances.c.created_at, instances.c.id)
sa.Index("ix_instances_created", instances.c.created_at, instances.c.id)
sa.Index("ix_instances_host", instances.c.host)

flavors = base.table(
    base.CONTROLLER,
    "flavors",
    base.ident("id", primary_key=True),  # the API's flavor id: an operator may choose "1" or "m1.small"
    base.text("name", nullable=False, unique=True),
    sa.Column("description", sa.Text()),
    base.count("vcpus"),
    base.count("memory_mb"),
    base.count("disk_gb"),
    base.count("ephemeral_gb"),
    base.count("swap_mb"),
    sa.Column("rxtx_factor", sa.Double(), nullable=False, default=1.0),
    base.flag("is_public", default=True),
    base.flag("disabled"),
    base.json("extra_specs", nullable=False),
    base.time("created_at", nullable=False),
)

flavor_access = base.table(
    base.CONTROLLER,
    "flavor_access",
    base.ident("flavor_id", sa.ForeignKey("flavors.id", ondelete="CASCADE"), primary_key=True),
    base.ident("project_id", primary_key=True),
)

keypairs = base.table(
    base.CONTROLLER,
    "keypairs",
    base.uuid(),
    base.ident("user_id", nullable=False),
    base.text("name", nullable=False),
    base.ident("type", nullable=False, default="ssh"),
    base.text("fingerprint", nullable=False),
    sa.Column("public_key", sa.Text(), nullable=False),
    base.time("created_at", nullable=False),
    sa.UniqueConstraint("user_id", "name"),
)
