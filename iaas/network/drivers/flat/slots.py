"""A small number for each network of a host: its conntrack zone, its mark and its metadata port.

The numbers are kept in a file, because flows and listeners outlive this process.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from iaas.network.drivers.flat import files


class Slots:
    """The numbers given out, lowest first."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.taken: dict[str, int] = {}

    def load(self) -> None:
        """Read what an earlier process gave out."""
        self.taken = json.loads(self._path.read_text()) if self._path.exists() else {}

    def keep(self, network_ids: Iterable[str]) -> dict[str, int]:
        """Give each of these networks a number, take back all others, and return the numbers."""
        kept = assign(self.taken, network_ids)
        if kept != self.taken:
            files.write(self._path, json.dumps(kept, indent=1, sort_keys=True))
            self.taken = kept
        return kept


def assign(taken: Mapping[str, int], network_ids: Iterable[str]) -> dict[str, int]:
    """Return a number for each network, the one it had if it had one."""
    ids = list(network_ids)
    kept = {network_id: taken[network_id] for network_id in ids if network_id in taken}
    used = set(kept.values())
    retired = set(taken.values()) - used
    # A number just taken back rests for one pass: flows of the network before it may still be tracked.
    numbers = (n for n in range(1, len(ids) + len(retired) + 1) if n not in used and n not in retired)
    return {**kept, **{network_id: next(numbers) for network_id in ids if network_id not in kept}}
