"""Services: whoever should report does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from iaas.doctor.case import Case
from iaas.doctor.findings import Finding

SCHEDULER = "iaas-scheduler"


def report(case: Case) -> Iterator[Finding]:
    """I18: a service reports that nobody stopped, disabled or forced down."""
    limit = case.truth.down_after or 0.0
    silent = [row for row in case.rows.services if row.silent_for > limit]
    dead = [row for row in silent if _should_report(row, case.now - limit)]
    for row in dead:
        subject, what = f"service {row.binary} on {row.host}", "It should report and does not; nobody stopped it."
        if row.draining:
            what = "It began and has never become ready."
        forget = f"`iaas-manage service remove {row.binary} {row.host}`"
        remedy = f"Look at its log and start it; if it is gone for good, forget it with {forget}."
        yield Finding("I18", subject, what, max(row.seen_at, row.started_at), remedy, None, row.host)
    works = {row.binary for row in case.rows.services if row not in silent}
    if works and case.rows.hosts and SCHEDULER not in works | {row.binary for row in dead}:
        what = "No scheduler reports: nothing new finds a host."
        yield Finding("I18", f"service {SCHEDULER}", what, None, f"Start {SCHEDULER}, on any machine.")


def _should_report(row: Any, long_ago: float) -> bool:
    """Whether nothing says that a silent service is meant to be so.

    One that was stopped in order says last that it drains; one that begins says so first.

    :param long_ago: who began later may still become ready
    """
    if row.disabled or row.forced_down:
        return False
    return not row.draining or row.seen_at < row.started_at <= long_ago
