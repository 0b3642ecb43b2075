"""Figures for people (a table, the goal beside each figure) and for programs (a JSON line each)."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

from bench.goals import GOALS, PEER, Figure, words
from rich.console import Console
from rich.table import Table

COLUMNS = ("what", "median", "unit", "p95", "n", "CPU-ms", "SQL", "others", "goal", "OpenStack", "its CPU-ms")


def table(figures: list[Figure], title: str) -> Table:
    """Return every figure with its promise, and what the same client saw of OpenStack."""
    made = Table(*COLUMNS, title=title, title_justify="left", box=None, header_style="bold", padding=(0, 1, 0, 0))
    for column in made.columns[1:]:
        column.justify = "right"
    made.columns[2].justify = made.columns[8].justify = "left"
    for figure in figures:
        median, cpu = PEER.get(figure.name, ("", ""))
        name = f"{figure.name} [dim]{figure.note}[/dim]" if figure.note else figure.name
        made.add_row(
            name, number(figure.median), figure.unit, number(figure.p95), str(figure.n), number(figure.cpu_ms),
            number(figure.sql), number(figure.others), goal(figure), median, cpu,
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


def show(figures: list[Figure], title: str) -> None:
    console = Console()
    if not console.is_terminal:
        console = Console(width=170)
    console.print(table(figures, title))
    missed = sorted(figure.name for figure in figures if not all(figure.judged().values()))
    console.print(f"goals missed: {', '.join(missed)}" if missed else "every goal that was measured is met")


def write(figures: list[Figure], file: Path, **about: object) -> None:
    """Append a JSON line for each figure, with what is said ``about`` the run."""
    with file.open("a") as output:
        for figure in figures:
            line = {**about, **dataclasses.asdict(figure), "goals": figure.judged()}
            output.write(json.dumps(line) + "\n")
