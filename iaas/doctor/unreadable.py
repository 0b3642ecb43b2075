"""Values nobody can read: the row that holds one is a finding, and the rest of the cloud is judged."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from iaas.db import codec
from iaas.db.models.controller import CONTROLLER
from iaas.doctor.findings import Finding

#: what reading a value that is not of its kind raises
ERRORS = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
NOUNS = {"instances": "server", "volumes": "volume", "ports": "port", "jobs": "job", "subnets": "subnet"}
REMEDY = "Correct the row, or restore it from a backup: what hangs on it was not judged, and may fail elsewhere too."
FAULT = "The program cannot read what it found: report it, with the rows it is about."
LONGEST = 60  # characters shown of a value


def number(value: Any) -> float:
    """:raises TypeError: it is a word, which a database without types keeps in a column of numbers."""
    if not isinstance(value, int | float):
        raise TypeError("not a number")
    return value


def network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    return ipaddress.ip_network(text, strict=False)


#: how the texts that have a form are read, by table and column; numbers are known by their column
FORMS: dict[tuple[str, str], Callable[[Any], Any]] = {
    ("instances", "network_info"): codec.load,
    ("jobs", "events"): codec.load,
    ("subnets", "cidr"): network,
    ("subnets", "gateway_ip"): ipaddress.ip_address,
    ("subnets", "dns_nameservers"): codec.load,
    ("subnets", "host_routes"): codec.load,
    ("fixed_ips", "address"): ipaddress.ip_address,
    ("ports", "allowed_pairs"): codec.load,
    ("security_group_rules", "remote_cidr"): network,
}


def _key(table: str, row: Any) -> tuple[str, str]:
    """Return what a row is about, and what it is known by."""
    if table == "fixed_ips":
        return f"address {row.address}", row.address
    if table == "allocations":
        return f"server {row.instance_id}", f"{row.instance_id} on {row.host_id}"
    subject = f"host {row.name}" if table == "hosts" else f"{NOUNS.get(table, f'row of {table}')} {row.id}"
    return subject, row.id


def of_row(invariant: str, table: str, row: Any, column: str) -> Finding:
    """Say that one value of a row cannot be read."""
    subject, key = _key(table, row)
    value = repr(getattr(row, column))
    shown = value if len(value) <= LONGEST else f"{value[:LONGEST]}…"
    what = f"{invariant} could not be judged of it: row {key} of table {table} holds {shown} as {column}."
    return Finding(invariant, subject, what, None, REMEDY)


def of_fault(invariant: str, subject: str, error: Exception) -> Finding:
    """Say that something could not be judged at all."""
    what = f"{invariant} could not be judged of it: {type(error).__name__}: {error}"
    return Finding(invariant, subject, what, None, FAULT)


def suspects(tables: Iterable[tuple[str, Iterable[Any]]]) -> Iterator[tuple[str, Any, str]]:
    """Yield the table, row and column of every value that is not of its kind."""
    for table, rows in tables:
        readers = _readers(table)
        for row in rows:
            for column, read in readers.items():
                if (value := getattr(row, column, None)) is not None and not _reads(read, value):
                    yield table, row, column


def _reads(read: Callable[[Any], Any], value: Any) -> bool:
    try:
        read(value)
    except ERRORS:
        return False
    return True


def _readers(table: str) -> dict[str, Callable[[Any], Any]]:
    columns = CONTROLLER.tables[table].columns
    found: dict[str, Callable[[Any], Any]] = {
        column.name: number for column in columns if column.type.python_type in (int, float)
    }
    return found | {name: read for (of, name), read in FORMS.items() if of == table}
