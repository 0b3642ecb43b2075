"""Jobs: the durable row behind every accepted asynchronous request, and the tokens that make requests idempotent."""

from __future__ import annotations

import sqlalchemy as sa

from iaas.db.models import base

jobs = base.table(
    base.CONTROLLER,
    "jobs",
    base.uuid(),
    base.ident("kind", nullable=False),
    base.ident("action", nullable=False),  # the word os-instance-actions shows
    base.ident("resource_type", nullable=False),
    base.uuid("resource_id", nullable=False),
    base.ident("project_id"),
    base.ident("user_id"),
    base.ident("request_id", nullable=False),
    # where the work is: the topic its next step is served on, and the step
    sa.Column("topic", sa.String(128), nullable=False),
    base.ident("host"),
    base.ident("step", nullable=False),
    base.ident("state", nullable=False),  # pending running done failed superseded
    # "type:id" while live, NULL when ended: one live job per resource on every database alike
    sa.Column("live_key", sa.String(110), unique=True),
    base.ident("chain"),  # the kind of job that follows when this one ends
    # who works on it, until when; the fence grows with every claim
    base.ident("owner"),
    base.count("fence"),
    base.time("lease_until", nullable=False, default=0.0),
    base.count("attempt"),
    base.time("not_before", nullable=False, default=0.0),
    base.json("args"),
    base.json("events"),  # [{"event", "start", "finish", "result", "host", "details"}]
    base.json("error"),  # {"code", "message", "details"}, as the fault of the resource
    base.time("created_at", nullable=False),
    base.time("updated_at", nullable=False),
)
sa.Index("ix_jobs_sweep", jobs.c.topic, jobs.c.state, jobs.c.lease_until, jobs.c.not_before)
sa.Index("ix_jobs_resource", jobs.c.resource_id, jobs.c.created_at)
sa.Index("ix_jobs_live", jobs.c.state, jobs.c.project_id)  # to count them: those that ended are kept
sa.Index("ix_jobs_request", jobs.c.request_id)

client_tokens = base.table(
    base.CONTROLLER,
    "client_tokens",
    base.ident("project_id", primary_key=True),
    base.ident("token", primary_key=True),
    base.ident("request_hash", nullable=False),
    base.json("resource_ids", nullable=False),
    base.time("created_at", nullable=False),
)
