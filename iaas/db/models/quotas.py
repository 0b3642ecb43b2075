"""Quotas: limits and what is used, changed only by conditional UPDATEs in the transaction they belong to."""

from __future__ import annotations

import sqlalchemy as sa

from iaas.db.models import base

quota_usages = base.table(
    base.CONTROLLER,
    "quota_usages",
    base.ident("project_id", primary_key=True),
    base.ident("resource", primary_key=True),
    base.count("used"),
    base.count("hard_limit"),
    base.count("stamp"),  # of the last change: tells, within a transaction, which rows it changed
    base.flag("limit_is_own"),  # set by an administrator for this project; else the configured default
    sa.CheckConstraint("used >= 0", name="used"),
)
