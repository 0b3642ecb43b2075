"""Quotas: what is counted is what is held."""

from __future__ import annotations

from collections.abc import Iterator

from iaas.db.doctor import COUNTED
from iaas.doctor.case import Case
from iaas.doctor.findings import Finding


def used_is_held(case: Case) -> Iterator[Finding]:
    """I8: what a project (of key pairs: a user) is counted to use is what its rows hold."""
    held = {(row.project_id, row.resource): int(row.held) for row in case.rows.held}
    used = {(row.project_id, row.resource): row.used for row in case.rows.usages if row.resource in COUNTED}
    for owner, resource in sorted(held.keys() | used.keys()):
        counted, there = used.get((owner, resource), 0), held.get((owner, resource), 0)
        if counted != there:
            what = f"{resource}: {counted} used, {there} held."
            yield Finding("I8", f"project {owner}", what, None, "It is counted anew from the rows.", "recount_quota")


def within_limits(case: Case) -> Iterator[Finding]:
    """I8: nothing passes a limit that nobody lowered."""
    for row in case.rows.usages:
        if 0 <= row.hard_limit < row.used and row.resource in COUNTED:
            what = f"{row.resource}: {row.used} used of {row.hard_limit}."
            remedy = "Raise its limit, `iaas-manage quota set`, or have it delete some."
            yield Finding("I8", f"project {row.project_id}", what, None, remedy)
