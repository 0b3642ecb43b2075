"""Guests: what hypervisors have against what the rows say."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from iaas.compute.driver import definition_of
from iaas.doctor.case import Case
from iaas.doctor.findings import Finding

#: the power a guest of a settled server has
POWER = {"active": ("RUNNING", "PAUSED"), "stopped": ("SHUTDOWN", "CRASHED")}
MISSING = "A hard reboot, or if it is stopped a start, makes it anew of its files; if they are gone too, delete it."
WHY = "`iaas-manage job list --resource {id}` says what was done to it; it may be rebooted hard or deleted."
WHY_VOLUME = "`iaas-manage job list --resource {id}` says what was done to it; else delete it and make it anew."
REMOVE = "Its deletion runs again on that host, if a finished one and a job of it there prove that it is ours."


def one_domain(case: Case) -> Iterator[Finding]:
    """I5: a settled server has its guest on its host, with its power."""
    there = dict(case.told("guests"))
    for row in case.rows.instances:
        wanted = POWER.get(row.vm_state)
        if wanted is None or row.host not in there or row.task_state or not case.settled(row.id, row.updated_at):
            continue
        power = there[row.host].get(row.id)
        if power not in wanted:
            what = f"It is {row.vm_state}, its guest on {row.host} is {power or 'not there'}."
            remedy = MISSING if power is None else "The host writes it down within a minute."
            yield Finding("I5", f"server {row.id}", what, row.updated_at, remedy)


def as_rows_say(case: Case) -> Iterator[Finding]:
    """I5: a guest runs with what the rows of its server and its ports say. What is off is defined anew at a start."""
    there = dict(case.told("definitions"))
    for row in case.rows.instances:
        found = there.get(row.host, {}).get(row.id)
        if row.vm_state != "active" or found is None or row.task_state or not case.server_settled(row):
            continue
        wanted = definition_of(row, (port.mac for port in case.ports_of[row.id])).words()
        wrong = [f"{name} {_said(found.get(name))} instead of {_said(wants)}" for name, wants in wanted.items()
                 if found.get(name) != wants]  # fmt: skip
        if wrong:
            what = f"Its guest on {row.host} has {', '.join(wrong)}."
            remedy = "A hard reboot defines it anew; its owner loses what was not written to a disk."
            yield Finding("I5", f"server {row.id}", what, row.updated_at, remedy, None, row.host)


def _said(value: Any) -> str:
    return (", ".join(value) or "none") if isinstance(value, list) else str(value)


def one_running(case: Case) -> Iterator[Finding]:
    """I6: no server runs twice."""
    where: dict[str, list[str]] = defaultdict(list)
    for name, guests in case.told("guests"):
        for guest, power in guests.items():
            if power in POWER["active"]:
                where[guest].append(name)
    for guest, names in where.items():
        if len(names) > 1:
            what = f"It runs on {' and '.join(sorted(names))}."
            row = case.instances.get(guest)
            keep = f" Its row says {row.host}." if row is not None else ""
            yield Finding("I6", f"server {guest}", what, None, f"Stop all but one at the hypervisor at once.{keep}")


def owned(case: Case) -> Iterator[Finding]:
    """I7: a guest on a host is a server's whose host it is."""
    for name, guests in case.told("guests"):
        yield from _owned(case, name, {guest: f"its guest ({power})" for guest, power in guests.items()})


def disks_owned(case: Case) -> Iterator[Finding]:
    """I7: files of a server are only on the server's host."""
    known = {name: set(guests) for name, guests in case.told("guests")}
    for name, disks in case.told("disks"):
        yield from _owned(case, name, {disk: "its files" for disk in disks if disk not in known.get(name, ())})


def _owned(case: Case, name: str, things: dict[str, str]) -> Iterator[Finding]:
    for thing, words in things.items():
        row = case.instances.get(thing)
        if not case.settled(thing, row.updated_at if row is not None else None):
            continue
        if row is None:
            what = f"Host {name} has {words}, no row does."
            yield Finding("I7", f"server {thing}", what, None, REMOVE, "remove_guest", name)
        elif row.host != name:
            what = f"Host {name} has {words}, its row says {row.host or 'no host'}."
            which = "Look which of them is the right one; nothing is removed where two hosts, or rows, do not agree."
            yield Finding("I7", f"server {thing}", what, row.updated_at, which, None, name)


def error_says_why(case: Case) -> Iterator[Finding]:
    """I12: what is in error says why."""
    for row in case.rows.instances:
        if row.vm_state == "error" and not row.fault:
            what = "It is in error and nothing says why."
            yield Finding("I12", f"server {row.id}", what, row.updated_at, WHY.format(id=row.id))
    for row in case.rows.volumes:
        if row.status == "error" and not row.fault:
            what = "It is in error and nothing says why."
            yield Finding("I12", f"volume {row.id}", what, row.updated_at, WHY_VOLUME.format(id=row.id))
