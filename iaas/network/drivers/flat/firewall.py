"""Loads a host's filters: each family in one transaction, and only when they are not what they should be.

The kernel's own copy says what is loaded: a chain named after the text, and as many rules of ours as the text
has. So nothing is loaded twice, a restarted worker knows where it stands, and rules that somebody flushed come
back with the next pass.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from iaas.common import shell
from iaas.network.driver import NetworkError
from iaas.network.drivers.flat import flows, frames, loaded, names, rules, sets
from iaas.network.drivers.flat.host import Host
from iaas.network.drivers.plan import Plan

LOG = logging.getLogger(__name__)
TRIES = 8
COMMANDS = {4: "iptables", 6: "ip6tables"}
_LINE = re.compile(r"(?:line:? |stdin:)(\d+)")


class Refused(Exception):
    """The kernel did not take a text; nothing of it is loaded."""

    def __init__(self, line: str, reason: str) -> None:
        super().__init__(reason)
        self.line = line
        self.reason = reason


@dataclass
class Saved:
    """What one table holds of ours."""

    chains: set[str] = field(default_factory=set)
    rules: int = 0
    jumps: set[tuple[str, str]] = field(default_factory=set)


class Firewall:
    """The filters of one host."""

    def __init__(self, host: Host, folder: Path) -> None:
        self._host = host
        self._folder = folder
        self._members: dict[str, frozenset[str]] = {}
        self._flows = flows.Flows()

    def apply(self, plan: Plan, site: rules.Site, *, anew: bool = False) -> Plan:
        """Load what a plan asks for and return the plan as it could be loaded.

        A port whose rules the kernel refuses, against all our checks, is closed and the rest is loaded.

        :param anew: load everything, even what looks loaded
        :raises NetworkError: the filters cannot be loaded at all; those before are in force.
        """
        if anew:
            self._members = {}
        stale = self._fill_sets(plan)
        for _ in range(TRIES):
            try:
                self._load(plan, site, anew)
                break
            except Refused as refused:
                bad = dict.fromkeys(culprits(refused.line, plan), refused.reason)
                if not bad:
                    raise NetworkError(reason=f"The packet filter cannot be loaded: {refused.reason}") from None
                LOG.error("ports %s stay closed: %s (%s)", sorted(bad), refused.reason, refused.line.strip())
                plan = plan.without(bad)
        else:
            raise NetworkError(reason="The packet filter refuses the rules of too many ports.")
        for name in stale:
            self._host.run(["ipset", "destroy", name])
        self._forget(self._flows.ended(plan, site.slots))
        return plan

    def in_force(self) -> loaded.InForce:
        """Read back from the kernel what it filters by: one program for each part of it, whatever the number of ports.

        :raises NetworkError: it is too much to be read.
        """
        saved = {version: self._host.look([f"{command}-save", "-t", "filter"]) for version, command in COMMANDS.items()}
        listed = self._host.look(["nft", "-j", "list", "table", "bridge", frames.TABLE])
        return loaded.InForce(
            rules={version: loaded.rules(text or "") for version, text in saved.items()},
            senders=loaded.senders(listed),
            members=loaded.members(self._host.look(["ipset", "save"]) or ""),
        )

    def clear(self) -> None:
        """Remove every filter of ours."""
        self._host.run(["nft", "-f", "-"], stdin=f"table bridge {frames.TABLE}\ndelete table bridge {frames.TABLE}\n")
        for command in COMMANDS.values():
            lines: list[str] = []
            for name, saved in self._saved(command).items():
                drop = [f":{chain} - [0:0]" for chain in saved.chains]
                drop += [f"-D {chain} -j {target}" for chain, target in saved.jumps]
                lines += [f"*{name}", *drop, *(f"-X {chain}" for chain in saved.chains), "COMMIT"]
            if lines:
                self._restore(command, lines)
        for name in self._sets():
            self._host.run(["ipset", "destroy", name])
        self._members = {}

    # -- sets

    def _sets(self) -> list[str]:
        found = self._host.run(["ipset", "list", "-n"]).out.decode().split()
        return [name for name in found if name.startswith(names.PREFIX)]

    def _fill_sets(self, plan: Plan) -> list[str]:
        there = self._sets()
        wants = sets.wanted(plan)
        lines = sets.changes(there, self._members, wants)
        if lines:
            try:
                self._host.run(["ipset", "restore"], stdin="\n".join(lines) + "\n")
            except shell.CommandFailed as error:
                self._members = {}
                raise NetworkError(reason=f"The members of groups cannot be loaded: {error.message}") from None
        known = self._members
        self._forget(flows.Ended(ip) for name, (_, ips) in wants.items() for ip in known.get(name, frozenset()) - ips)
        self._members = {name: ips for name, (_, ips) in wants.items()}
        return [name for name in there if name not in wants]

    def _forget(self, ended: Iterable[flows.Ended]) -> None:
        lines = flows.deletions(ended)
        if lines:
            text = "\n".join(lines) + "\n"
            self._host.run(["conntrack", "--load-file", "/dev/stdin"], stdin=text)

    # -- rules

    def _load(self, plan: Plan, site: rules.Site, anew: bool) -> None:
        self._load_frames(plan, anew)
        for version in (6, 4):
            self._load_rules(version, rules.tables(version, plan, site), anew)

    def _load_frames(self, plan: Plan, anew: bool) -> None:
        there = self._host.run(["nft", "list", "chains", "bridge"], check=False).out.decode()
        if frames.mark(plan) in there and not anew:
            return
        text = frames.ruleset(plan)
        result = self._host.run(["nft", "-f", "-"], stdin=text, check=False)
        if result.code != 0:
            words = result.err.decode(errors="replace")
            raise Refused(_frame_chain(text, words), words.strip().partition("\n")[0])

    def _load_rules(self, version: int, tables: Mapping[str, rules.Table], anew: bool) -> None:
        command = COMMANDS[version]
        mark = names.mark_chain("\n".join(rule for table in tables.values() for rule in table.rules))
        tables["filter"].chains.append(mark)
        saved = self._saved(command)
        if not anew and all(_same(table, saved.get(name, Saved())) for name, table in tables.items()):
            return
        self._restore(
            command,
            [line for name, t in tables.items() for line in _lines(name, t, saved.get(name, Saved()))],
        )

    def _restore(self, command: str, lines: list[str]) -> None:
        text = "\n".join(lines) + "\n"
        result = self._host.run([f"{command}-restore", "--noflush", "-w", "5"], stdin=text, check=False)
        if result.code != 0:
            words = result.err.decode(errors="replace").strip()
            found = _LINE.search(words)
            number = int(found[1]) if found else 0
            raise Refused(lines[number - 1] if 0 < number <= len(lines) else "", words.partition("\n")[0])

    def _saved(self, command: str) -> dict[str, Saved]:
        found: dict[str, Saved] = {}
        table = Saved()
        path = self._folder / f"{command}.saved"  # a file, since a full host's rules are longer than any output may be
        self._host.run([f"{command}-save", "--file", path])
        for line in path.read_text(errors="replace").splitlines():
            if line.startswith("*"):
                table = found.setdefault(line[1:], Saved())
            elif line.startswith(f":{names.PREFIX}-"):
                table.chains.add(line[1:].split()[0])
            elif line.startswith(f"-A {names.PREFIX}-"):
                table.rules += 1
            elif f" -j {names.PREFIX}-" in line:
                words = line.split()
                table.jumps.add((words[1], words[-1]))
        return {name: saved for name, saved in found.items() if saved.chains}


def _same(table: rules.Table, saved: Saved) -> bool:
    jumps = set(table.entries.items())
    return saved.chains == set(table.chains) and saved.rules == len(table.rules) and saved.jumps == jumps


def _lines(name: str, table: rules.Table, saved: Saved) -> list[str]:
    stale = sorted(saved.chains - set(table.chains))
    lines = [f"*{name}", *(f":{chain} - [0:0]" for chain in (*table.chains, *stale))]
    lines += table.rules
    lines += [f"-I {chain} 1 -j {ours}" for chain, ours in table.entries.items() if (chain, ours) not in saved.jumps]
    return [*lines, *(f"-X {chain}" for chain in stale), "COMMIT"]


def _frame_chain(text: str, words: str) -> str:
    """Return the head of the chain in which ``nft`` found an error."""
    found = _LINE.search(words)
    lines = text.splitlines()[: int(found[1])] if found else []
    heads = [line for line in lines if line.startswith(" chain ") and "_" in line and names.PREFIX not in line]
    return heads[-1] if heads else ""


def culprits(line: str, plan: Plan) -> set[str]:
    """Return the ports that a refused line serves: the one it names, or all that have the group it names."""
    words = set(re.split(r"[\s_]", line))
    direct, by_group = set(), set()
    for wire in plan.wires:
        tap = wire.port.tap
        if words & {tap, names.port_chain(tap, "i"), names.port_chain(tap, "o")}:
            direct.add(wire.port.id)
        if words & {names.group_chain(g, side) for g in wire.port.group_ids for side in "io"}:
            by_group.add(wire.port.id)
    return direct or by_group
