"""The rows among themselves."""

from __future__ import annotations

from collections.abc import Iterator

from iaas.doctor.case import Case
from iaas.doctor.findings import Finding

#: tables whose rows say only that two things belong together
LINKS = ("port_groups", "fixed_ips", "flavor_access", "allocations")
LINK = (
    "Delete the row from {} by hand: it ties nothing to what is gone. Other findings may say that what is gone is in "
    "use; then restore that first."
)
THING = (
    "Restore what it names from a backup, or delete the thing by its API; foreign keys were off, or a backup was torn."
)


def keys_hold(case: Case) -> Iterator[Finding]:
    """I17: what a row names is there."""
    for row in case.rows.broken:
        table = row.source.partition(".")[0]
        remedy = LINK.format(table) if table in LINKS else THING
        yield Finding("I17", f"table {row.source}", f"{row.id} names nothing in {row.target}.", None, remedy)


def gone_own_nothing(case: Case) -> Iterator[Finding]:
    """I17: a server that is gone has no open console."""
    for row in case.rows.console_tokens:
        what = "It is gone and tokens of its consoles are there."
        yield Finding("I17", f"server {row.instance_id}", what, None, "They end by themselves within minutes.")
