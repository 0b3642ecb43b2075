"""The members of security groups, as input for ``ipset restore``: pure functions.

A change of membership touches the set and no rule, so it costs one line for each address that came or went.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from iaas.network.drivers.flat import names
from iaas.network.drivers.plan import Plan

FAMILIES = {4: "inet", 6: "inet6"}
MAX_MEMBERS = 1 << 20


def wanted(plan: Plan) -> dict[str, tuple[int, frozenset[str]]]:
    """Return the sets a plan's rules name: name -> (IP version, addresses)."""
    return {names.address_set(group_id, version): (version, ips) for (group_id, version), ips in plan.members.items()}


def changes(
    there: Collection[str],
    known: Mapping[str, frozenset[str]],
    wants: Mapping[str, tuple[int, frozenset[str]]],
) -> list[str]:
    """Return the lines that make the wanted sets.

    :param there: names of the sets in the kernel
    :param known: what we loaded into them; a set we do not know is filled anew and swapped in at once
    """
    lines: list[str] = []
    for name, (version, members) in sorted(wants.items()):
        if name in there and name in known:
            lines += [f"add {name} {ip} -exist" for ip in sorted(members - known[name])]
            lines += [f"del {name} {ip} -exist" for ip in sorted(known[name] - members)]
            continue
        build = f"{name}-t" if name in there else name
        lines.append(f"create {build} hash:ip family {FAMILIES[version]} maxelem {MAX_MEMBERS} -exist")
        lines.append(f"flush {build}")
        lines += [f"add {build} {ip} -exist" for ip in sorted(members)]
        if build != name:
            lines += [f"swap {build} {name}", f"destroy {build}"]
    return lines
