"""Figures for people (a table, the goal beside each figure) and for programs (a JSON line each)."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.goals import GOALS, PEER, Figure, words
from rich.console import Console
from rich.table import Table

from tools import arguments

COLUMNS = ("what", "median", "unit", "p95", "n", "CPU-ms", "SQL", "others", "goal", "OpenStack", "its CPU-ms")


def _empty(title: str, columns: Sequence[str]) -> Table:
    made = Table(
        *columns, title=title or None, title_justify="left", box=None, header_style="bold", padding=(0, 1, 0, 0)
    )
    for column in made.columns[1:]:
        column.justify = "right"
    return made


def table(figures: list[Figure], title: str, *, peer: bool) -> Table:
    """Return every figure with its promise and, with ``peer``, what the same client saw of OpenStack."""
    made = _empty(title, COLUMNS if peer else COLUMNS[:-2])
    made.columns[2].justify = made.columns[8].justify = "left"
    for figure in figures:
        median, cpu = PEER.get(figure.name, ("", ""))
        name = f"{figure.name} [dim]{figure.note}[/dim]" if figure.note else figure.name
        made.add_row(
            name, number(figure.median), figure.unit, number(figure.p95), str(figure.n), number(figure.cpu_ms),
            number(figure.sql), number(figure.others), goal(figure), *((median, cpu) if peer else ()),
        )  # fmt: skip
    return made


def goal(figure: Figure) -> str:
    """Return the promises about a figure, green where they hold."""
    judged = figure.judged()
    return "\n".join(
        f"[{'green' if judged[what] else 'red'}]{'✓' if judged[what] else '✗'} {words(what, limit, figure.unit)}[/]"
        for what, limit in GOALS.get(figure.name, {}).items()
    )


def number(value: float | None) -> str:
    """Return a number with three digits that say something."""
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _console() -> Console:
    console = Console()
    return console if console.is_terminal else Console(width=170)


def show(figures: list[Figure], title: str, *, peer: bool = True) -> None:
    console = _console()
    console.print(table(figures, title, peer=peer))
    missed = sorted(figure.name for figure in figures if not all(figure.judged().values()))
    console.print(f"goals missed: {', '.join(missed)}" if missed else "every goal that was measured is met")


def write(figures: list[Figure], file: Path, **about: object) -> None:
    """Append a JSON line for each figure, with what is said ``about`` the run."""
    with file.open("a") as output:
        for figure in figures:
            line = {**about, **dataclasses.asdict(figure), "goals": figure.judged()}
            output.write(json.dumps(line) + "\n")


def read(file: Path) -> dict[str, dict[str, Any]]:
    """Return the figures of a file that :func:`write` made, by name; of one measured again the latest.

    :raises Refused: the file cannot be read, or is none of those.
    """
    lines = arguments.json_lines(file, {"name": str, "median": (int, float)})
    for line in lines:
        for what in ("cpu_ms", "sql"):
            if not isinstance(line.get(what), (int, float, type(None))):
                raise arguments.Refused(f"{file} says {line[what]!r} for {what} of {line['name']}, which is no number")
    return {line["name"]: line for line in lines}


def compare(first: dict[str, dict[str, Any]], second: dict[str, dict[str, Any]], names: Sequence[str]) -> None:
    """Print two runs side by side: the medians, the CPU, and how many times the first the second is."""
    a, b = names
    made = _empty("", ("what", "unit", a, b, "ratio", f"{a} CPU-ms", f"{b} CPU-ms", "ratio", f"{a} SQL", f"{b} SQL"))
    made.columns[1].justify = "left"
    for name in [*first, *(name for name in second if name not in first)]:
        one, other = first.get(name, {}), second.get(name, {})
        made.add_row(
            name, one.get("unit") or other.get("unit"), *_pair(one, other, "median"), *_pair(one, other, "cpu_ms"),
            number(one.get("sql")), number(other.get("sql")),
        )  # fmt: skip
    _console().print(made)


def _pair(one: dict[str, Any], other: dict[str, Any], what: str) -> tuple[str, str, str]:
    before, after = one.get(what), other.get(what)
    ratio = f"{after / before:.3g}" if before and after is not None else ""
    return number(before), number(after), ratio
