"""What the host was made to have last, in a file: a restarted worker keeps by it what nobody gave up.

The kernel says which filters are loaded, but not what they were made of.
"""

from __future__ import annotations

import dataclasses
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from iaas.network.driver import Desired, Network, Port, Rule, Subnet
from iaas.network.drivers.flat import files

LOG = logging.getLogger(__name__)


class Last:
    """The last desired state of one host.

    :ivar desired: all that may be loaded: until a pass has ended, also what it takes away
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.desired = Desired()

    def load(self) -> None:
        """Read what an earlier process left."""
        self.desired = Desired()
        if self._path.exists():
            try:
                self.desired = decode(self._path.read_text(encoding="utf-8"))
            except (ValueError, TypeError, KeyError, AttributeError) as error:
                LOG.error("%s cannot be read; ports that have no row are closed: %s", self._path, error)

    def begin(self, desired: Desired) -> None:
        """Remember what a pass is about to load, besides what may be loaded still."""
        named = {port.id for port in desired.ports}
        rest = tuple(port for port in self.desired.ports if port.id not in named)
        if not rest:
            self.end(desired)
            return
        networks = {network.id: network for network in (*self.desired.networks, *desired.networks)}
        self.end(
            Desired(
                networks=tuple(networks.values()),
                ports=(*desired.ports, *rest),
                rules={**self.desired.rules, **desired.rules},
                groups={**self.desired.groups, **desired.groups},
            )
        )

    def end(self, desired: Desired) -> None:
        """Remember what a pass loaded: it has ended."""
        if desired != self.desired:
            files.write(self._path, encode(desired))
            self.desired = desired


def encode(desired: Desired) -> str:
    """Return a desired state as JSON."""
    groups = {group_id: sorted(members) for group_id, members in desired.groups.items()}
    return json.dumps(
        {
            "networks": [dataclasses.asdict(network) for network in desired.networks],
            "ports": [dataclasses.asdict(port) for port in desired.ports],
            "rules": {
                group_id: [dataclasses.asdict(rule) for rule in found] for group_id, found in desired.rules.items()
            },
            "groups": groups,
        },
        sort_keys=True,
    )


def decode(text: str) -> Desired:
    """Return the desired state that :func:`encode` made a text of.

    :raises ValueError, TypeError, KeyError, AttributeError: it is no such text.
    """
    said = json.loads(text)
    return Desired(
        networks=tuple(_network(words) for words in said["networks"]),
        ports=tuple(Port(**_tuples(words)) for words in said["ports"]),
        rules={group_id: tuple(Rule(**words) for words in found) for group_id, found in said["rules"].items()},
        groups={group_id: frozenset(members) for group_id, members in said["groups"].items()},
    )


def _network(words: Mapping[str, Any]) -> Network:
    return Network(**{**words, "subnets": tuple(Subnet(**_tuples(subnet)) for subnet in words["subnets"])})


def _tuples(words: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a flat record with its lists, of plain values or of pairs, as tuples."""
    return {name: tuple(map(_tuple, value)) if isinstance(value, list) else value for name, value in words.items()}


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
