"""The rows among themselves."""

from __future__ import annotations

from collections.abc import Iterator

from iaas.doctor.case import Case
from iaas.doctor.findings import Finding


def keys_hold(case: Case) -> Iterator[Finding]:
    """I17: what a row names is there."""
    remedy = "Foreign keys were off, or a backup was torn: restore a whole one."
    for row in case.rows.broken:
        yield Finding("I17", f"table {row.source}", f"{row.id} names nothing in {row.target}.", None, remedy)


def gone_own_nothing(case: Case) -> Iterator[Finding]:
    """I17: a server that is gone has no open console."""
    for row in case.rows.console_tokens:
        what = "It is gone and tokens of its consoles are there."
        yield Finding("I17", f"server {row.instance_id}", what, None, "They end by themselves within minutes.")
