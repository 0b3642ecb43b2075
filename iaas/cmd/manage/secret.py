"""Passwords: from a prompt, a file or the environment; never from the command line, where every user sees them."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from iaas.cmd.manage.base import is_utf8
from iaas.common import errors


@dataclass(frozen=True)
class Source:
    """Where a password comes from: one of the three."""

    file: Path | None
    variable: str | None
    prompt: bool

    def read(self, whose: str) -> str:
        """Return the password.

        :raises Invalid: there is none, or more than one line of it.
        """
        if self.file is not None:
            return _checked(_of_file(self.file), f"the file {self.file}")
        if self.variable is not None:
            return _checked(os.environ.get(self.variable, ""), f"the environment variable {self.variable}")
        return _checked(click.prompt(f"Password of {whose}", hide_input=True, confirmation_prompt=True), "the prompt")


def _of_file(file: Path) -> str:
    if str(file) == "-":
        return sys.stdin.read()
    try:
        return file.read_text()
    except UnicodeDecodeError:
        raise errors.Invalid(reason=f"The file {file} is not UTF-8 text.") from None


def _checked(text: str, where: str) -> str:
    password = text.removesuffix("\n").removesuffix("\r")
    if not password:
        raise errors.Invalid(reason=f"There is no password in {where}.")
    if "\n" in password:
        raise errors.Invalid(reason=f"There is more than one line in {where}; a password is one line.")
    if not is_utf8(password):
        raise errors.Invalid(reason=f"The password in {where} is not UTF-8 text.")
    return password


def password_options(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options a password is read by; it gets them as ``password``, a :class:`Source`."""

    def merged(*args: Any, **kwargs: Any) -> Any:
        file, variable = kwargs.pop("password_file"), kwargs.pop("password_env")
        prompt = kwargs.pop("password_prompt")
        named = [file is not None, variable is not None, prompt]
        if sum(named) > 1:
            raise click.UsageError("Give one of --password-file, --password-env and --password-prompt.")
        if not any(named) and not sys.stdin.isatty():
            raise click.UsageError(
                "Say where the password is: --password-file FILE (- is standard input), --password-env NAME "
                "or --password-prompt."
            )
        return fn(*args, **kwargs, password=Source(file, variable, prompt or not any(named)))

    merged.__doc__, merged.__name__ = fn.__doc__, fn.__name__
    merged.__click_params__ = getattr(fn, "__click_params__", [])  # type: ignore[attr-defined]
    for option in (
        click.option("--password-prompt", is_flag=True, help="Ask for the password (the default on a terminal)."),
        click.option("--password-env", metavar="NAME", help="Read the password from an environment variable."),
        click.option(
            "--password-file", metavar="FILE", type=click.Path(path_type=Path, allow_dash=True),
            help="Read the password from a file; - is standard input.",
        ),
    ):  # fmt: skip
        merged = option(merged)
    return merged
