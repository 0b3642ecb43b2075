"""What the kernel's own copy of the filters says: pure functions over the texts of ``iptables-save``, ``nft`` and
``ipset``.

Each port's rules carry its digest and their number (``rules.remark_of``, ``frames.ruleset``), loaded in one transaction
with them: a digest that is there says which text was loaded, the number that nothing of it was taken away since.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from iaas.network.drivers import digests
from iaas.network.drivers.flat import names

NOTHING = "nothing"  # is in force: where filters that were loaded are gone
_REMARK = re.compile(r"port (\S+) (\S+) (\d+)")
_COMMENT = re.compile(r'--comment "([^"]*)"')


@dataclass(frozen=True)
class InForce:
    """What the kernel filters by.

    :param rules: by IP version, the digest of each port
    :param senders: the digest of each tap whose senders are checked
    :param members: by :func:`iaas.network.drivers.digests.member_key`
    """

    rules: Mapping[int, Mapping[str, str]]
    senders: Mapping[str, str]
    members: Mapping[str, str]

    def rules_of(self, port_id: str) -> str:
        return " ".join(self.rules[version].get(port_id, NOTHING) for version in digests.VERSIONS)

    def senders_of(self, tap: str) -> str:
        """Return the digest of one tap; what no chain checks may send everything."""
        return self.senders.get(tap, digests.EVERYTHING)


def rules(saved: str) -> dict[str, str]:
    """Return the digest of each port's rules in what ``iptables-save`` says of the table ``filter``."""
    counts: Counter[str] = Counter()
    jumps: dict[str, list[str]] = defaultdict(list)
    ways: dict[tuple[str, str, int], dict[str, str]] = defaultdict(dict)  # remark → chain → where it leads
    for line in saved.splitlines():
        if not line.startswith("-A "):
            continue
        words = line.split()
        chain, target = words[1], words[words.index("-j") + 1] if "-j" in words else ""
        counts[chain] += 1
        jumps[chain].append(target)
        for port_id, digest, number in _remarks(_COMMENT.findall(line)):
            ways[port_id, digest, number][chain] = target
    if "iaas-forward" not in jumps["FORWARD"]:
        return {}
    found: dict[str, str] = {}
    for (port_id, digest, number), leads in ways.items():
        if set(leads) == {"iaas-forward", "iaas-ingress"}:
            there = 2 + sum(_size(target, counts, jumps) for target in leads.values())
            found[port_id] = _checked(digest, there, number)
    return found


def _size(chain: str, counts: Mapping[str, int], jumps: Mapping[str, list[str]]) -> int:
    """Return how many rules a port's chain has, with those of its groups; 0 if it is no port's."""
    if not chain.startswith(names.PORT_CHAINS):
        return 0
    return counts[chain] + sum(counts[target] for target in jumps[chain] if target.startswith(names.GROUP_CHAINS))


def senders(listed: str | None) -> dict[str, str]:
    """Return the digest of each tap's senders in what ``nft -j`` says of our table; None if it is not there."""
    counts: Counter[str] = Counter()
    remarks: dict[str, tuple[str, int]] = {}
    ways: dict[str, dict[str, str]] = {"sent": {}, "received": {}}
    for item in json.loads(listed)["nftables"] if listed else ():
        rule = item.get("rule")
        if rule is None:
            continue
        counts[rule["chain"]] += 1
        for _, digest, number in _remarks([rule.get("comment", "")]):
            remarks[rule["chain"]] = digest, number
        if rule["chain"] in ways:
            ways[rule["chain"]].update(_ways(rule["expr"]))
    found: dict[str, str] = {}
    for tap, chain in ways["sent"].items():
        word = chain.removeprefix("from_")
        digest, number = remarks.get(chain, (NOTHING, 0))
        complete = ways["received"].get(tap) == f"to_{word}"
        there = sum(counts[f"{part}_{word}"] for part in ("arp", "ip4", "target", "ip6", "from", "to"))
        found[tap] = _checked(digest, there, number) if complete else NOTHING
    return found


def _ways(expressions: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """Yield each tap a verdict map knows, with the chain its frames go to."""
    for expression in expressions:
        for tap, verdict in expression.get("vmap", {}).get("data", {}).get("set", ()):
            yield tap, verdict["goto"]["target"] if "goto" in verdict else ""


def members(saved: str) -> dict[str, str]:
    """Return the digest of the addresses of each remote group in what ``ipset save`` says."""
    found: dict[str, set[str]] = {}
    for line in saved.splitlines():
        verb, name, *rest = line.split()
        key = names.group_of_set(name)
        if key is None:
            continue
        addresses = found.setdefault(key, set())
        if verb == "add":
            addresses.add(str(ipaddress.ip_address(rest[0])))
    return {key: digests.members(addresses) for key, addresses in found.items()}


def _remarks(comments: Iterable[str]) -> Iterator[tuple[str, str, int]]:
    for comment in comments:
        match = _REMARK.fullmatch(comment)
        if match:
            yield match[1], match[2], int(match[3])


def _checked(digest: str, there: int, number: int) -> str:
    return digest if there == number else f"{digest} with {there} of {number} rules"
