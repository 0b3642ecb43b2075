"""What the tools are told on their command lines: what cannot be is said in one sentence before anything is run.

Each function here is a ``type`` of argparse: it takes the word that was written and returns what is meant by it, or
raises ``ArgumentTypeError``.  :class:`Parser` then ends the tool with exit status 2.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NoReturn

Refused = argparse.ArgumentTypeError


class Parser(argparse.ArgumentParser):
    """A parser that shows the tool's docstring as its help, and of a mistake one sentence."""

    def __init__(self, doc: str | None) -> None:
        super().__init__(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}\n")


def no_such(what: str, name: str, names: Iterable[str]) -> str:
    """Say that there is no ``what`` of this name, and which there are."""
    return f"there is no {what} {name!r}; there are: {', '.join(names)}"


# -- numbers -----------------------------------------------------------------------------------------------


def at_least(least: int) -> Callable[[str], int]:
    """Return the type of whole numbers that are ``least`` or more."""

    def read(text: str) -> int:
        value = whole(text)
        if value < least:
            raise Refused(f"it must be {least} or more, not {value}")
        return value

    return read


def whole(text: str) -> int:
    """A whole number, whatever its sign."""
    try:
        return int(text)
    except ValueError:
        raise Refused(f"{text!r} is not a whole number") from None


count = at_least(1)


def counts(text: str) -> list[int]:
    """Whole numbers of 1 or more, separated by commas."""
    return [count(word) for word in text.split(",")]


def amount(text: str) -> float:
    """A number above 0, such as of minutes."""
    try:
        value = float(text)
    except ValueError:
        raise Refused(f"{text!r} is not a number") from None
    if not (value > 0 and math.isfinite(value)):
        raise Refused(f"it must be a number above 0, not {text}")
    return value


def pattern(text: str) -> re.Pattern[str]:
    """A regular expression that does not fit everything."""
    if not text:
        raise Refused("an empty one fits everything")
    try:
        return re.compile(text)
    except re.error as error:
        raise Refused(f"{text!r} is not a regular expression: {error}") from None


# -- files -------------------------------------------------------------------------------------------------


def text_of(file: Path) -> str:
    """Return what a file says. :raises Refused: it cannot be read."""
    try:
        return file.read_text()
    except OSError as error:
        raise Refused(f"{file} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise Refused(f"{file} cannot be read: it is not text") from None


def target(text: str) -> Path:
    """A file that can be written, whether or not it is there already; it is left as it was."""
    file = Path(text)
    there = file.exists()
    try:
        with file.open("a"):
            pass
        if not there:
            file.unlink()
    except OSError as error:
        raise Refused(f"{text} cannot be written: {error.strerror}") from None
    return file


def folder(text: str) -> Path:
    """A folder that is there and can be written to."""
    path = Path(text)
    if not path.is_dir():
        raise Refused(f"there is no folder {text}")
    if not os.access(path, os.W_OK | os.X_OK):
        raise Refused(f"nothing can be written into the folder {text}")
    return path


def new_folder(text: str) -> Path:
    """A folder that is there now, made if it was not."""
    path = Path(text)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Refused(f"the folder {text} cannot be made: {error.strerror}") from None
    return path


def json_lines(file: Path, needed: Mapping[str, type | tuple[type, ...]]) -> list[dict[str, Any]]:
    """Return the objects of a file of results, one a line.

    :param needed: what each has, and of which type
    :raises Refused: the file cannot be read, has no result, or a line that is none.
    """
    found = []
    for number, line in enumerate(text_of(file).splitlines(), 1):
        if not line.strip():
            continue
        try:
            result = json.loads(line)
        except ValueError:
            raise Refused(f"line {number} of {file} is not JSON") from None
        if not isinstance(result, dict):
            raise Refused(f"line {number} of {file} is not a result: it is not an object")
        wrong = [name for name, kind in needed.items() if not isinstance(result.get(name), kind)]
        if wrong:
            raise Refused(f"line {number} of {file} is not a result: it does not say {', '.join(wrong)}")
        found.append(result)
    if not found:
        raise Refused(f"{file} has no results")
    return found
