"""A small number for each network of a host: its conntrack zone, its mark and its metadata port.

The numbers are kept in a file, because flows and listeners outlive this process.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
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
        ids = list(network_ids)
        kept = {network_id: self.taken[network_id] for network_id in ids if network_id in self.taken}
        # A number just taken back is used last: flows of the network before it may still be tracked.
        retired = set(self.taken.values()) - set(kept.values())
        used = set(kept.values())
        free = [n for n in range(1, len(ids) + len(retired) + len(used) + 2) if n not in used]
        free.sort(key=lambda n: (n in retired, n))
        for network_id in ids:
            if network_id not in kept:
                kept[network_id] = free.pop(0)
        if kept != self.taken:
            files.write(self._path, json.dumps(kept, indent=1, sort_keys=True))
            self.taken = kept
        return kept
