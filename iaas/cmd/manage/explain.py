"""`iaas-manage explain`: why a server was placed where it is, or nowhere."""

from __future__ import annotations

from typing import Any

import click

from iaas.cmd.manage import find
from iaas.cmd.manage.base import Command, World, pass_world
from iaas.cmd.manage.output import time
from iaas.common import errors

COLUMNS = {"host": "Host", "verdict": "Verdict", "by": "By", "why": "Why"}


@click.command("explain", cls=Command, example="explain web-1\nexplain 8f0c4be2-5d0f-4c9e-bd0e-0a7f4a2f6c11 --json")
@click.argument("server")
@pass_world
def command(world: World, server: str) -> None:
    """Say why a server was placed where it is, or nowhere.

    SERVER is an id, or a name that only one server has. Shown is its latest placement, which goes with the server:
    the policy, and for each host whether it was chosen, fitted, was sold to somebody else meanwhile, or which filter
    refused it and why. Of many hosts the first are named and the others counted; in a cloud of more than 100 hosts
    those that were refused are counted only when nothing fitted.
    """
    from iaas.db import codec, hosts

    with world.db.read(world.ctx) as tx:
        row = hosts.placement_of(tx, server)
        found = None
        if row is None:
            found = find.server(tx, server)
            row = hosts.placement_of(tx, found.id)
    if row is None:
        assert found is not None  # noqa: S101  it was found, or Unknown was raised
        raise _unplaced(found)
    verdict = codec.load(row.verdict, {})
    facts = {
        "server": row.instance_id, "at": time(row.at), "policy": row.policy, "hosts": verdict["hosts"],
        "fits": verdict.get("fits", len(verdict["fitting"])), "chosen": verdict["chosen"],
        "fitting": verdict["fitting"], "lost": verdict["lost"], "refused": verdict["refused"],
    }  # fmt: skip
    world.out.one({**facts, "summary": _summary(facts)}, {
        "server": "server", "at": "placed at", "policy": "policy", "summary": "outcome",
    })  # fmt: skip
    world.out.table("Hosts", _lines(facts), COLUMNS)


def _unplaced(row: Any) -> errors.IaasError:
    state = "/".join(word for word in (row.vm_state, row.task_state) if word)
    return errors.Conflict(
        reason=f"Server {row.name!r} ({row.id}, {state}) has not been placed yet; is a scheduler up "
        f"(iaas-manage service list), and is its job going on (iaas-manage job list --resource {row.id})?"
    )


def _summary(facts: dict[str, Any]) -> str:
    said = [f"{refusal['count']} refused by {name}" for name, refusal in facts["refused"].items()]
    if facts["lost"]:
        said.append(f"{len(facts['lost'])} sold to others meanwhile")
    chosen = f"placed on {facts['chosen']}" if facts["chosen"] else "no host"
    if facts["fits"] is None:
        fitting = f"of {facts['hosts']} hosts only the best that fitted were looked at"
    else:
        fitting = f"{facts['fits']} of {facts['hosts']} hosts fitted"
    return f"{chosen}: {', '.join([fitting, *said])}"


def _lines(facts: dict[str, Any]) -> list[dict[str, Any]]:
    """Every host with its verdict: the chosen one first, then those that fitted, then by filter."""
    lost = set(facts["lost"])
    lines = []
    for host in facts["fitting"]:
        verdict = "chosen" if host == facts["chosen"] else "lost" if host in lost else "fitting"
        why = {"chosen": "", "lost": "sold to another request meanwhile", "fitting": "others weighed more"}[verdict]
        lines.append({"host": host, "verdict": verdict, "by": "", "why": why})
    lines.sort(key=lambda line: ("chosen", "fitting", "lost").index(line["verdict"]))
    unnamed = (facts["fits"] or 0) - len(facts["fitting"])
    if unnamed > 0:
        lines.append({"host": f"({unnamed} more)", "verdict": "fitting", "by": "", "why": ""})
    for name, refusal in facts["refused"].items():
        lines += [
            {"host": host, "verdict": "refused", "by": name, "why": why} for host, why in refusal["hosts"].items()
        ]
        unnamed = refusal["count"] - len(refusal["hosts"])
        if unnamed > 0:
            lines.append({"host": f"({unnamed} more)", "verdict": "refused", "by": name, "why": ""})
    return lines
