"""Counts which published operations are served, and refuses a claim that no test exercises.

A claim is an operation declared in code: the rows of each API package's `resources()`, the actions of the EC2 edge.
What is published comes from `tests/contract_data` and from the EC2 model.  What is exercised comes from the file a
test run wrote: `IAAS_EXERCISED=/tmp/x pytest …`, one JSON line `[service, method, path, action]` a call.

    tools/coverage_ledger.py                          the table; exit 1 when a claim is not exercised
    tools/coverage_ledger.py --markdown docs/api/operations.md
    tools/coverage_ledger.py --check                  exit 1 when that file is not current
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))  # run as a script, only tools/ is on the path

from tests.fixtures import contract  # noqa: E402

DOCUMENT = ROOT / "docs" / "api" / "operations.md"
EC2_MODEL = ROOT / "iaas" / "api" / "ec2" / "model.json"
EC2 = "ec2"
#: the packages that declare the operations of each service, by `resources()`; the EC2 edge by `actions()`
PACKAGES = {
    "compute": "iaas.api.compute.app",
    "identity": "iaas.identity.app",
    "image": "iaas.image.app",
    "network": "iaas.api.network.app",
    "block-storage": "iaas.api.volume.app",
    EC2: "iaas.api.ec2",
}
SOURCES = ("resources", "actions")

Key = tuple[str, str, tuple[str, ...], str | None]


class Claim(NamedTuple):
    """One operation that our code declares."""

    method: str
    path: str
    action: str | None
    policy: str = ""
    first: str = ""
    last: str = ""


class Line(NamedTuple):
    """One operation of the ledger: published, claimed, or both."""

    service: str
    method: str
    path: str
    action: str | None
    published: bool
    gone: bool
    claim: Claim | None
    versions: str
    exercised: bool

    def __str__(self) -> str:
        return f"{self.service} {self.method} {self.path}" + (f" ({self.action})" if self.action else "")


# -- what is claimed -------------------------------------------------------------------------------------


def implemented() -> dict[str, list[Claim]]:
    """The operations our packages declare, by service; a package that is not there yet declares none."""
    return {
        service: [_claim(row) for row in _rows(_declared(package)) if getattr(row, "served", True)]
        for service, package in PACKAGES.items()
    }


def _declared(package: str) -> Any:
    try:
        module = importlib.import_module(package)
    except ModuleNotFoundError as error:
        if error.name is not None and (package == error.name or package.startswith(error.name + ".")):
            return ()
        raise
    source = next((getattr(module, name) for name in SOURCES if callable(getattr(module, name, None))), None)
    return () if source is None else source()


def _rows(declared: Any) -> Iterator[Any]:
    """The operations in whatever nesting of resources they come."""
    if hasattr(declared, "policy"):
        yield declared
    elif hasattr(declared, "operations") and not callable(declared.operations):
        yield from _rows(declared.operations)
    else:
        for item in declared.values() if isinstance(declared, Mapping) else declared:
            yield from _rows(item)


def _claim(row: Any) -> Claim:
    if not hasattr(row, "method"):  # an EC2 action
        return Claim("POST", "/", row.name, row.policy)
    return Claim(row.method, row.path, row.action, row.policy, _edge(row.first), _edge(row.last))


def _edge(version: tuple[int, int]) -> str:
    return "" if version[0] in (0, 999) else f"{version[0]}.{version[1]}"


# -- the ledger ------------------------------------------------------------------------------------------


def key(service: str, method: str, path: str, action: str | None) -> Key:
    """What two spellings of one operation have in common: parameter names and prefixes do not matter."""
    if service == EC2:
        return service, "POST", (), action
    found = contract.find_operation(service, method, path, action)
    shape = contract.shape(service, found.path if found else path)
    return service, method.upper(), shape, action


def exercised(record: Path) -> set[Key]:
    """The operations a test run called.

    :raises ValueError: the record has a line that is not one of ours.
    """
    lines = {line for line in record.read_text(encoding="utf-8").splitlines() if line}
    return {key(service, method, path, action) for service, method, path, action in map(json.loads, lines)}


def ledger(claims: Mapping[str, Iterable[Claim]], called: set[Key]) -> list[Line]:
    """Every published operation, then ours that nobody published, service by service."""
    lines: list[Line] = []
    for service in (*contract.SERVICES, EC2):
        ours: dict[Key, list[Claim]] = {}
        for claim in claims.get(service, ()):
            ours.setdefault(key(service, *claim[:3]), []).append(claim)
        lines += _published(service, ours, called)
        published = {key(line.service, line.method, line.path, line.action) for line in lines}
        lines += [
            Line(service, *rows[0][:3], False, False, rows[0], _span(rows), known in called)
            for known, rows in sorted(ours.items(), key=lambda item: item[1][0][:2])
            if known not in published
        ]
    return lines


def _published(service: str, ours: Mapping[Key, list[Claim]], called: set[Key]) -> Iterator[Line]:
    if service == EC2:
        for action in json.loads(EC2_MODEL.read_text(encoding="utf-8"))["published"]:
            known = key(EC2, "POST", "/", action)
            rows = ours.get(known, [])
            yield Line(EC2, "POST", "/", action, True, False, rows[0] if rows else None, "", known in called)
        return
    for row in contract.operations(service):
        known = key(service, row.method, row.path, row.action)
        rows = ours.get(known, [])
        versions = _span(rows) if rows else _words(row.first or "", row.last or "")
        yield Line(
            service, row.method, row.path, row.action, True, row.gone, rows[0] if rows else None, versions,
            known in called,
        )  # fmt: skip


def _span(rows: list[Claim]) -> str:
    """The microversions that several rows of one operation cover together."""

    def number(text: str) -> list[int]:
        return [int(part) for part in text.split(".")]

    firsts, lasts = [row.first for row in rows], [row.last for row in rows]
    first = "" if "" in firsts else min(firsts, key=number)
    return _words(first, "" if "" in lasts else max(lasts, key=number))


def _words(first: str, last: str) -> str:
    if first and last:
        return f"{first} to {last}"
    return f"from {first}" if first else f"to {last}" if last else ""


def unexercised(lines: Iterable[Line]) -> list[Line]:
    """The claims that no test has called."""
    return [line for line in lines if line.claim and not line.exercised]


def totals(lines: Iterable[Line]) -> dict[str, dict[str, int]]:
    """Per service: operations published, withdrawn by their project (410), served by us, ours alone, exercised."""
    counts: dict[str, dict[str, int]] = {
        service: dict.fromkeys(("published", "withdrawn", "implemented", "unpublished", "exercised"), 0)
        for service in (*contract.SERVICES, EC2)
    }
    for line in lines:
        count = counts[line.service]
        count["published"] += line.published
        count["withdrawn"] += line.gone
        count["implemented"] += line.published and line.claim is not None
        count["unpublished"] += not line.published
        count["exercised"] += line.claim is not None and line.exercised
    return counts


# -- what is printed -------------------------------------------------------------------------------------

COLUMNS = ("service", "implemented", "published", "%", "withdrawn (410)", "ours alone", "exercised")


def cells(counts: Mapping[str, Mapping[str, int]], checked: bool) -> list[tuple[str, ...]]:
    """The rows of the table under `COLUMNS`."""
    return [
        (
            service,
            str(count["implemented"]),
            str(count["published"]),
            f"{100 * count['implemented'] / count['published']:.0f}",
            str(count["withdrawn"]),
            str(count["unpublished"]),
            str(count["exercised"]) if checked else "unknown",
        )
        for service, count in counts.items()
    ]


def show(rows: list[tuple[str, ...]]) -> None:
    """Print the table, with lines for a person at a terminal."""
    if sys.stdout.isatty():
        from rich import console, table  # only here: a pipe needs none of it

        drawn = table.Table(*COLUMNS)
        for row in rows:
            drawn.add_row(*row)
        console.Console().print(drawn)
        return
    widths = [max(len(row[at]) for row in [COLUMNS, *rows]) for at in range(len(COLUMNS))]
    for row in [COLUMNS, *rows]:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def markdown(lines: list[Line]) -> str:
    """The text of docs/api/operations.md; it does not depend on a test run."""
    parts = [
        "# Operations\n\nWritten by `tools/coverage_ledger.py --markdown`. Withdrawn operations answer 410 in the "
        "project that published them.\n",
        _table(COLUMNS[:-1], [row[:-1] for row in cells(totals(lines), checked=False)]),
    ]
    for service in (*contract.SERVICES, EC2):
        mine = [line for line in lines if line.service == service]
        parts.append(f"\n## {service}\n")
        parts.append(_service(service, [line for line in mine if line.published]))
        extra = [line for line in mine if not line.published]
        if extra:
            parts.append(f"\n### {service}: served, not in the published document\n")
            parts.append(_service(service, extra))
    return "\n".join(parts)


def _service(service: str, lines: list[Line]) -> str:
    if service == EC2:
        rows = [(line.action or "", _yes(line), line.claim.policy if line.claim else "") for line in lines]
        return _table(("action", "implemented", "policy"), rows)
    return _table(
        ("operation", "action", "implemented", "microversions", "policy"),
        [
            (
                f"`{line.method} {line.path}`",
                line.action or "",
                _yes(line),
                line.versions,
                line.claim.policy if line.claim else "",
            )
            for line in lines
        ],
    )


def _yes(line: Line) -> str:
    return "yes" if line.claim else "withdrawn" if line.gone else "no"


def _table(columns: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    body = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([f"| {' | '.join(columns)} |", "|" + " --- |" * len(columns), *body]) + "\n"


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Count which published operations are served and exercised.")
    parser.add_argument("--exercised", type=Path, metavar="FILE", help="the record of a test run (IAAS_EXERCISED)")
    parser.add_argument("--strict", action="store_true", help="refuse to run without such a record")
    parser.add_argument("--json", action="store_true", help="print the counts and the refused claims as JSON")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the list of operations there")
    parser.add_argument("--check", action="store_true", help=f"only say whether {DOCUMENT.name} is current")
    args = parser.parse_args(argv)
    claims = implemented()
    if args.check:
        return _check(markdown(ledger(claims, set())))
    named = os.environ.get("IAAS_EXERCISED")
    record = args.exercised or (Path(named) if named else None)
    if record is None and args.strict:
        print("no record of a test run: name one by --exercised or IAAS_EXERCISED", file=sys.stderr)
        return 1
    lines = ledger(claims, exercised(record) if record else set())
    if args.markdown:
        args.markdown.write_text(markdown(lines), encoding="utf-8")
        return 0
    return _report(lines, checked=record is not None, as_json=args.json)


def _check(text: str) -> int:
    if DOCUMENT.exists() and DOCUMENT.read_text(encoding="utf-8") == text:
        return 0
    print(f"{DOCUMENT.name} is not current: run tools/coverage_ledger.py --markdown {DOCUMENT}", file=sys.stderr)
    return 1


def _report(lines: list[Line], *, checked: bool, as_json: bool) -> int:
    refused = unexercised(lines) if checked else []
    if as_json:
        print(
            json.dumps({"services": totals(lines), "checked": checked, "refused": [str(x) for x in refused]}, indent=1)
        )
    else:
        show(cells(totals(lines), checked))
    if not checked:
        print("NOT CHECKED: no record of a test run, so no claim was held against one", file=sys.stderr)
    for line in refused:
        print(f"REFUSED: {line} is declared, and no test exercises it", file=sys.stderr)
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(main())
