"""The identity service's tables: who exists, who may do what where, and what was revoked.

A column that may be NULL never takes part in a unique key here: databases disagree about two NULLs.
"""

from __future__ import annotations

import sqlalchemy as sa

from iaas.db.models import base

#: one row. ``seq`` grows with every change that concerns tokens, in the order of the commits; ``state_seq`` is
#: its value at the last change of a user, project, role or endpoint
clock = base.table(
    base.IDENTITY,
    "clock",
    sa.Column("id", sa.Integer(), primary_key=True, autoincrement=False),
    sa.Column("seq", sa.BigInteger(), nullable=False),
    sa.Column("state_seq", sa.BigInteger(), nullable=False),
)

domains = base.table(
    base.IDENTITY,
    "domains",
    base.ident("id", primary_key=True),
    base.text("name", 64, nullable=False, unique=True),
    base.json("description"),
    base.flag("enabled", default=True),
    base.json("options", nullable=False),
    base.json("tags", nullable=False),
    base.json("extra", nullable=False),
)

projects = base.table(
    base.IDENTITY,
    "projects",
    base.ident("id", primary_key=True),
    base.ident("domain_id", sa.ForeignKey("domains.id"), nullable=False),
    base.ident("parent_id"),  # NULL: right under the domain
    base.text("name", 64, nullable=False),
    base.json("description"),
    base.flag("enabled", default=True),
    base.json("options", nullable=False),
    base.json("tags", nullable=False),
    base.json("extra", nullable=False),
    sa.UniqueConstraint("domain_id", "name"),
)
sa.Index("ix_projects_parent", projects.c.parent_id)

users = base.table(
    base.IDENTITY,
    "users",
    base.ident("id", primary_key=True),
    base.ident("domain_id", sa.ForeignKey("domains.id"), nullable=False),
    base.text("name", 255, nullable=False),
    base.flag("enabled", default=True),
    base.ident("default_project_id"),
    base.text("password_hash"),
    base.time("password_changed_at"),
    base.json("description"),
    base.json("options", nullable=False),
    base.json("extra", nullable=False),
    sa.UniqueConstraint("domain_id", "name"),
)

groups = base.table(
    base.IDENTITY,
    "groups",
    base.ident("id", primary_key=True),
    base.ident("domain_id", sa.ForeignKey("domains.id"), nullable=False),
    base.text("name", 64, nullable=False),
    base.json("description"),
    base.json("extra", nullable=False),
    sa.UniqueConstraint("domain_id", "name"),
)

memberships = base.table(
    base.IDENTITY,
    "memberships",
    base.ident("user_id", sa.ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    base.ident("group_id", sa.ForeignKey("groups.id", ondelete="CASCADE"), primary_key=True),
)
sa.Index("ix_memberships_group", memberships.c.group_id)

roles = base.table(
    base.IDENTITY,
    "roles",
    base.ident("id", primary_key=True),
    base.text("name", 255, nullable=False),
    base.ident("domain_id", nullable=False, default=""),  # "": a role for every domain
    base.json("description"),
    base.json("options", nullable=False),
    base.json("extra", nullable=False),
    sa.UniqueConstraint("domain_id", "name"),
)

implied_roles = base.table(
    base.IDENTITY,
    "implied_roles",
    base.ident("prior_id", sa.ForeignKey("roles.id", ondelete="CASCADE"), primary_key=True),
    base.ident("implied_id", sa.ForeignKey("roles.id", ondelete="CASCADE"), primary_key=True),
)

assignments = base.table(
    base.IDENTITY,
    "assignments",
    sa.Column("actor_type", sa.String(8), primary_key=True),  # user group
    base.ident("actor_id", primary_key=True),
    sa.Column("target_type", sa.String(8), primary_key=True),  # project domain system
    base.ident("target_id", primary_key=True),
    base.ident("role_id", sa.ForeignKey("roles.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("inherited", sa.Boolean(), primary_key=True, default=False),
)
sa.Index("ix_assignments_target", assignments.c.target_type, assignments.c.target_id)

regions = base.table(
    base.IDENTITY,
    "regions",
    base.text("id", 255, primary_key=True),
    base.text("parent_id", 255),
    base.json("description"),
    base.json("extra", nullable=False),
)

services = base.table(
    base.IDENTITY,
    "services",
    base.ident("id", primary_key=True),
    base.text("type", 255, nullable=False),
    base.text("name", 255),
    base.json("description"),
    base.flag("enabled", default=True),
    base.json("extra", nullable=False),
)

endpoints = base.table(
    base.IDENTITY,
    "endpoints",
    base.ident("id", primary_key=True),
    base.ident("service_id", sa.ForeignKey("services.id"), nullable=False),
    base.text("region_id", 255),
    sa.Column("interface", sa.String(8), nullable=False),  # public internal admin
    base.json("url", nullable=False),
    base.flag("enabled", default=True),
    base.text("name", 255),
    base.json("description"),
    base.json("extra", nullable=False),
)
sa.Index("ix_endpoints_service", endpoints.c.service_id)

credentials = base.table(
    base.IDENTITY,
    "credentials",
    base.ident("id", primary_key=True),
    base.ident("lookup", nullable=False, unique=True),  # of an EC2 key: the SHA-256 of its access key; else the id
    base.ident("user_id", sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    base.ident("project_id"),
    base.text("type", 255, nullable=False),
    base.json("blob", nullable=False),  # encrypted with the credential keys
    base.json("extra", nullable=False),
)
sa.Index("ix_credentials_user", credentials.c.user_id, credentials.c.type)

application_credentials = base.table(
    base.IDENTITY,
    "application_credentials",
    base.ident("id", primary_key=True),
    base.ident("user_id", sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    base.ident("project_id", nullable=False),
    base.text("name", 255, nullable=False),
    base.text("secret_hash", nullable=False),
    base.json("description"),
    base.json("role_ids", nullable=False),
    base.json("access_rules"),  # NULL: everything; else [{"id", "service", "method", "path"}]
    base.flag("unrestricted"),
    base.time("expires_at"),
    sa.UniqueConstraint("user_id", "name"),
)

access_rules = base.table(
    base.IDENTITY,
    "access_rules",
    base.ident("id", primary_key=True),
    base.ident("user_id", sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    base.text("service", 64, nullable=False),
    base.text("method", 16, nullable=False),
    base.text("path", 255, nullable=False),
)
sa.Index("ix_access_rules_user", access_rules.c.user_id)

#: tokens made before ``seq`` that match every id that is given are dead
revocations = base.table(
    base.IDENTITY,
    "revocations",
    base.ident("id", primary_key=True),
    sa.Column("seq", sa.BigInteger(), nullable=False),
    base.ident("user_id"),
    base.ident("project_id"),
    base.ident("domain_id"),
    base.flag("system"),
    base.ident("delegate_id"),
    base.ident("audit_id"),
    base.ident("chain_id"),
    base.time("issued_before", nullable=False),
    base.time("kept_until", nullable=False),
)
sa.Index("ix_revocations_seq", revocations.c.seq)
sa.Index("ix_revocations_kept", revocations.c.kept_until)
