"""How results are printed: tables for people, JSON for programs.

What tenants named reaches an administrator's terminal here, so control characters are shown as escapes and never
sent (a name cannot move the cursor or retitle the window).
"""

from __future__ import annotations

import datetime
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click
import orjson

Item = Mapping[str, Any]
STYLES = {
    **dict.fromkeys(("up", "ACTIVE", "chosen", "running", "done", "enabled", "current"), "green"),
    **dict.fromkeys(("down", "ERROR", "failed", "disabled", "not current"), "bold red"),
    **dict.fromkeys(("BUILD", "REBOOT", "HARD_REBOOT", "pending", "draining", "refused", "lost"), "yellow"),
}
PIPE_WIDTH = 1000  # columns of a table nobody looks at on a terminal: nothing is folded


class Output:
    """Prints one result.

    :ivar as_json: whether a program reads it
    """

    def __init__(self, *, as_json: bool = False) -> None:
        self.as_json = as_json

    def rows(self, items: Iterable[Item], columns: Mapping[str, str], *, none: str) -> None:
        """Print a list: all of it as JSON, its ``columns`` (key → heading) as a table.

        :param none: the sentence in place of an empty table
        """
        found = list(items)
        if self.as_json:
            _json(found)
        elif found:
            _print(_table(found, columns))
        else:
            click.echo(none)

    def one(self, item: Item, headings: Mapping[str, str] | None = None) -> None:
        """Print one thing: an object, or a line per field (those with a heading, if any are given)."""
        if self.as_json:
            _json(item)
            return
        shown = headings or {name: name.replace("_", " ") for name in item}
        _print(_grid([(heading, item[name]) for name, heading in shown.items()]))

    def table(self, title: str, items: Sequence[Item], columns: Mapping[str, str]) -> None:
        """Print a table that belongs to what :meth:`one` printed; JSON has it there already."""
        if not self.as_json and items:
            click.echo(f"\n{title}")
            _print(_table(items, columns))

    def note(self, sentence: str) -> None:
        """Print a sentence that belongs to what :meth:`one` printed; JSON has it there already."""
        if not self.as_json:
            click.echo(printable(sentence).replace("\n", " "))

    def said(self, sentence: str, **facts: Any) -> None:
        """Print what was done."""
        if self.as_json:
            _json(facts)
        else:
            click.echo(printable(sentence))

    def text(self, text: str, key: str) -> None:
        """Print a whole text as it is; as JSON, an object with it under ``key``."""
        if self.as_json:
            _json({key: text})
        else:
            click.echo(text, nl=False)


def time(seconds: float | None) -> str | None:
    """Return seconds since the epoch as everybody reads them, in UTC."""
    if seconds is None:
        return None
    when = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


def printable(text: str) -> str:
    """Return ``text`` with everything a terminal would act on escaped."""
    return "".join(char if char.isprintable() or char == "\n" else ascii(char)[1:-1] for char in text)


def _json(value: Any) -> None:
    click.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode())


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.1f}"
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={_cell(item)}" for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(_cell(item) for item in value)
    return printable(str(value)).replace("\n", " ")


def _table(items: Sequence[Item], columns: Mapping[str, str]) -> Any:
    from rich import box, table

    made = table.Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for name, heading in columns.items():
        numeric = all(isinstance(item[name], (int, float)) and not isinstance(item[name], bool) for item in items)
        made.add_column(heading, overflow="fold", justify="right" if numeric else "left")
    for item in items:
        made.add_row(*[_styled(item[name]) for name in columns])
    return made


def _grid(lines: Sequence[tuple[str, Any]]) -> Any:
    from rich import table, text

    made = table.Table.grid(padding=(0, 3, 0, 0))
    made.add_column(no_wrap=True)
    made.add_column(overflow="fold")
    for heading, value in lines:
        made.add_row(text.Text(heading, style="bold"), _styled(value))
    return made


def _styled(value: Any) -> Any:
    from rich.text import Text

    shown = _cell(value)
    return Text(shown, style=STYLES.get(shown, ""))


def _print(renderable: Any) -> None:
    from rich.console import Console

    stream = sys.stdout
    console = Console(file=stream, width=None if stream.isatty() else PIPE_WIDTH, highlight=False, markup=False)
    with console.capture() as capture:
        console.print(renderable)
    lines = [line.rstrip() for line in capture.get().splitlines()]
    click.echo("\n".join(lines))
