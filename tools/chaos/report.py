"""What the results of a run look like: a table to watch, JSON lines to keep, and the table of docs/reliability.md."""

from __future__ import annotations

import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from tools import arguments
from tools.chaos.cases import Result

EVERY = 20.0
BEGIN, END = "<!-- chaos: begin -->", "<!-- chaos: end -->"
#: what a line of results has
RESULT = {"group": str, "case": str, "database": str, "seed": int, "at": str, "facts": dict, "breaches": list}
SHOWN = (
    "kills", "messages thrown away", "messages stolen", "rings said twice", "connections cut",
    "connections killed", "connections silent",
    "answers lost", "deadlocks lost by us", "503 after", "served after", "done after", "ended after", "refused with",
)  # fmt: skip


class Screen:
    """One line a case, rewritten while it runs where a person looks on; elsewhere a line now and then."""

    def __init__(self) -> None:
        self._alive = sys.stdout.isatty()
        self._head = ""
        self._said = time.monotonic()

    def begin(self, head: str) -> None:
        self._head = head

    def say(self, text: str) -> None:
        if self._alive:
            print(f"\r\x1b[2K… {self._head}: {text}", end="", flush=True)
        elif time.monotonic() - self._said > EVERY:
            self._said = time.monotonic()
            print(f"… {self._head}: {text}", flush=True)

    def end(self, result: Result) -> None:
        mark = "✗" if result.breaches else "✓"
        facts = [f"{name} {result.facts[name]}" for name in SHOWN if name in result.facts]
        promises = result.facts.get("promises", 0)
        if self._alive:
            print("\r\x1b[2K", end="")
        words = ", ".join([f"{promises} promises", *facts])
        print(f"{mark} {self._head}: {words}; {result.seconds:.0f} s", flush=True)
        for breach in result.breaches[:20]:
            print(f"    {breach}", flush=True)


def results(text: str) -> list[dict[str, Any]]:
    """The results of earlier runs, from a file that ``--json`` wrote."""
    found = arguments.json_lines(Path(text), RESULT)
    try:
        table(found)
    except (TypeError, ValueError) as error:
        raise arguments.Refused(f"{text} has facts that cannot be added up: {error}") from None
    return found


def _rows(results: Sequence[dict[str, Any]]) -> Iterable[str]:
    grouped: dict[tuple[str, str, str], list[dict[str, Any]]] = defaultdict(list)
    for result in results:
        grouped[result["group"], result["case"], result["database"]].append(result)
    for (group, case, database), runs in sorted(grouped.items()):
        facts = [run["facts"] for run in runs]
        seeds = sorted({run["seed"] for run in runs})
        said = []
        for name in SHOWN:
            values = [fact[name] for fact in facts if name in fact]
            if values and name.endswith(" after"):
                said.append(f"{name} {max(values)} s")
            elif values:
                said.append(f"{name} {sum(values) if name != 'refused with' else values[0]}")
        promises = sum(fact.get("promises", 0) for fact in facts)
        sound = [fact["sound"] for fact in facts if "sound" in fact]
        after = f"{max(sound)} s" if sound else ""
        seed = f"{seeds[0]}-{seeds[-1]}" if len(seeds) > 1 else str(seeds[0])
        yield (f"| {group} | {case} | {database} | {len(runs)} | {seed} | {promises:,} | "
               f"{sum(len(run['breaches']) for run in runs)} | {after} | {'; '.join(said)} |")  # fmt: skip


def table(results: Sequence[dict[str, Any]]) -> str:
    """Return the table of results, Markdown: one row for each case and database, its runs added up."""
    head = [
        "| group | case | database | runs | seeds | promises | breaches | sound after | |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    dates = sorted({result["at"][:10] for result in results})
    when = dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}"
    kills = sum(result["facts"].get("kills", 0) for result in results)
    promises = sum(result["facts"].get("promises", 0) for result in results)
    breaches = sum(len(result["breaches"]) for result in results)
    summary = f"{when}: {len(results)} runs, {kills:,} kills, {promises:,} promises, {breaches} breaches."
    return "\n".join([summary, "", *head, *_rows(results)])


def document(text: str) -> Path:
    """A document that has a place for the table and can be written."""
    file = arguments.target(text)
    _around(file)
    return file


def _around(file: Path) -> tuple[str, str]:
    """Return what stands before and after the table of a document. :raises Refused: it has no place for one."""
    before, _, rest = arguments.text_of(file).partition(BEGIN)
    _, found, after = rest.partition(END)
    if not found:
        raise arguments.Refused(f"{file} has no place for the table: {BEGIN} … {END}")
    return before, after


def write(file: Path, results: Sequence[dict[str, Any]]) -> None:
    """Put the table between the markers of a document."""
    before, after = _around(file)
    file.write_text(f"{before}{BEGIN}\n{table(results)}\n{END}{after}")
