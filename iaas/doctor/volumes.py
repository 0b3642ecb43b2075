"""Volumes: what back-ends have against what the rows say."""

from __future__ import annotations

from collections.abc import Iterator

from iaas.doctor.case import Case
from iaas.doctor.findings import Finding

READY = ("available", "in-use")


def there(case: Case) -> Iterator[Finding]:
    """I10: a volume that is ready is on its back-end, in its size."""
    told = dict(case.told("volumes"))
    for row in case.rows.volumes:
        if row.status not in READY or row.host not in told or not case.settled(row.id, row.updated_at):
            continue
        size = told[row.host].get(row.id)
        if size != row.size_gb:
            what = f"It has {row.size_gb} GiB, on {row.host} {f'it has {size}' if size is not None else 'it is not'}."
            yield Finding("I10", f"volume {row.id}", what, row.updated_at, "Its bytes are lost or cut: restore them.")


def owned(case: Case) -> Iterator[Finding]:
    """I7: a volume on a back-end is one whose row names that back-end."""
    remedy = "Its deletion runs again on that host, if a finished one and a job of it there prove that it is ours."
    for name, volumes in case.told("volumes"):
        for volume in volumes:
            row = case.volumes.get(volume)
            if not case.settled(volume, row.updated_at if row is not None else None):
                continue
            if row is None:
                what = f"Host {name} has it, no row does."
                yield Finding("I7", f"volume {volume}", what, None, remedy, "remove_volume", name)
            elif row.host != name:
                what = f"Host {name} has it, its row says {row.host or 'no host'}."
                which = "Look which of them is the right one; nothing is removed where host and row do not agree."
                yield Finding("I7", f"volume {volume}", what, row.updated_at, which, None, name)
