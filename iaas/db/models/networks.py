"""Networks, subnets, ports, addresses and security groups: one model, the Network API's."""

from __future__ import annotations

import sqlalchemy as sa

from iaas.db.models import base

networks = base.table(
    base.CONTROLLER,
    "networks",
    base.uuid(),
    base.ident("project_id", nullable=False),
    base.text("name", nullable=False),
    base.text("description", nullable=False, default=""),
    base.flag("admin_state_up", default=True),
    base.flag("shared"),
    base.flag("external"),
    base.flag("is_default"),
    base.flag("port_security", default=True),
    base.count("mtu", 1500),
    base.ident("type", nullable=False, default="flat"),
    base.ident("physical"),
    sa.Column("segment", sa.Integer()),
    base.time("created_at", nullable=False),
    base.time("updated_at", nullable=False),
    base.count("revision", 1),
)
sa.Index("ix_networks_project", networks.c.project_id)

subnets = base.table(
    base.CONTROLLER,
    "subnets",
    base.uuid(),
    base.uuid("network_id", sa.ForeignKey("networks.id"), nullable=False),
    base.ident("project_id", nullable=False),
    base.text("name", nullable=False),
    base.text("description", nullable=False, default=""),
    base.count("ip_version", 4),
    base.text("cidr", 64, nullable=False),
    base.text("gateway_ip", 64),
    base.flag("enable_dhcp", default=True),
    base.json("dns_nameservers", nullable=False),
    base.json("host_routes", nullable=False),
    base.json("allocation_pools", nullable=False),  # [{"start", "end"}]
    base.time("created_at", nullable=False),
    base.time("updated_at", nullable=False),
    base.count("revision", 1),
)
sa.Index("ix_subnets_network", subnets.c.network_id)

ports = base.table(
    base.CONTROLLER,
    "ports",
    base.uuid(),
    base.uuid("network_id", sa.ForeignKey("networks.id"), nullable=False),
    base.ident("project_id", nullable=False),
    base.text("name", nullable=False, default=""),
    base.text("description", nullable=False, default=""),
    base.text("mac", 32, nullable=False),
    base.flag("admin_state_up", default=True),
    base.ident("status", nullable=False, default="DOWN"),
    base.text("device_id", nullable=False, default=""),
    base.text("device_owner", nullable=False, default=""),
    base.flag("made_for_instance"),  # goes with its server
    base.count("device_index"),
    base.ident("host"),  # where it is bound
    base.flag("port_security", default=True),
    base.json("allowed_pairs", nullable=False),
    base.text("dns_name", 64, nullable=False, default=""),
    base.text("vnic_type", 32, nullable=False, default="normal"),
    base.text("error"),  # why it stays closed
    base.time("created_at", nullable=False),
    base.time("updated_at", nullable=False),
    base.count("revision", 1),
    sa.UniqueConstraint("network_id", "mac"),
)
sa.Index("ix_ports_device", ports.c.device_id)
sa.Index("ix_ports_host", ports.c.host)
sa.Index("ix_ports_project", ports.c.project_id)

fixed_ips = base.table(
    base.CONTROLLER,
    "fixed_ips",
    base.uuid("subnet_id", sa.ForeignKey("subnets.id"), primary_key=True),
    sa.Column("address", sa.String(46), primary_key=True),
    base.uuid("port_id", sa.ForeignKey("ports.id", ondelete="CASCADE"), nullable=False),
)
sa.Index("ix_fixed_ips_port", fixed_ips.c.port_id)
sa.Index("ix_fixed_ips_address", fixed_ips.c.address)

security_groups = base.table(
    base.CONTROLLER,
    "security_groups",
    base.uuid(),
    base.ident("project_id", nullable=False),
    base.text("name", nullable=False),
    base.text("description", nullable=False, default=""),
    base.flag("stateful", default=True),
    # set on the project's default group only: one of it per project on every database alike
    base.ident("default_of", unique=True),
    base.time("created_at", nullable=False),
    base.time("updated_at", nullable=False),
    base.count("revision", 1),
)
sa.Index("ix_security_groups_project", security_groups.c.project_id, security_groups.c.name)

security_group_rules = base.table(
    base.CONTROLLER,
    "security_group_rules",
    base.uuid(),
    base.uuid("group_id", sa.ForeignKey("security_groups.id", ondelete="CASCADE"), nullable=False),
    base.ident("project_id", nullable=False),
    base.ident("direction", nullable=False),
    base.ident("ethertype", nullable=False),
    base.ident("protocol"),
    sa.Column("port_min", sa.Integer()),
    sa.Column("port_max", sa.Integer()),
    base.text("remote_cidr", 64),
    base.uuid("remote_group_id"),
    base.text("description", nullable=False, default=""),
    # a digest of what the rule says: the same rule twice in a group is refused by the key
    base.ident("digest", nullable=False),
    base.time("created_at", nullable=False),
    base.count("revision", 1),
    sa.UniqueConstraint("group_id", "digest"),
)

port_groups = base.table(
    base.CONTROLLER,
    "port_groups",
    base.uuid("port_id", sa.ForeignKey("ports.id", ondelete="CASCADE"), primary_key=True),
    base.uuid("group_id", sa.ForeignKey("security_groups.id"), primary_key=True),
)
sa.Index("ix_port_groups_group", port_groups.c.group_id)
