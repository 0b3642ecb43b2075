"""What is known of each option: its meaning, its range, and the file or argument that sets it."""

from __future__ import annotations

import difflib
import functools
from typing import Any

from oslo_config import cfg, types

from iaas.cmd.manage.base import World
from iaas.common import conf, errors

DEFAULT = "default"
HIDDEN = "(secret)"


@functools.cache
def every() -> dict[str, Any]:
    """Return every option by its full name, ``group.option``, in the order of the sample."""
    return {f"{group}.{option.dest}": option for group, found in sorted(conf.groups().items()) for option in found}


def find(name: str) -> str:
    """Return the full name of the option that is meant.

    :raises Invalid: no such option, or several; the sentence names them.
    """
    name, known = name.replace("-", "_"), list(every())
    if name in known:
        return name
    same = [full for full in known if full.partition(".")[2] == name]
    if len(same) == 1:
        return same[0]
    if same:
        raise errors.Invalid(reason=f"More than one group has an option {name}: {', '.join(same)}; name one in full.")
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5) or [
        full for word in difflib.get_close_matches(name, [full.partition(".")[2] for full in known], n=1)
        for full in known if full.endswith(f".{word}")
    ]  # fmt: skip
    hint = f"did you mean {near[0]}?" if near else "to see all: iaas-manage config list"
    raise errors.Invalid(reason=f"There is no option {name!r}; {hint}")


def check_group(name: str) -> None:
    """:raises Invalid: no option is in such a group."""
    groups = list(dict.fromkeys(full.partition(".")[0] for full in every()))
    if name not in groups:
        raise errors.Invalid(reason=f"There is no group {name!r}; there are {', '.join(groups)}.")


def described(world: World, name: str) -> dict[str, Any]:
    """Return an option as it is shown: the value of a secret is not."""
    option = every()[name]
    group, _, dest = name.partition(".")
    value = getattr(getattr(world.settings, group), dest)
    secret = bool(option.secret)
    return {
        "option": name,
        "help": option.help,
        "type": _kind(option),
        "range": _range(option),
        "default": option.default if not secret or not option.default else HIDDEN,
        "value": HIDDEN if secret and value else value,
        "source": _source(world, group, dest),
        "secret": secret,
    }


def _source(world: World, group: str, dest: str) -> str:
    """Return what sets an option: ``--set``, a file, or nothing."""
    for override in world.overrides:
        if override.partition("=")[0].strip().replace("-", "_") == f"{group}.{dest}":
            return "--set"
    for path, sections in reversed(_parsed(world)):
        if dest in sections.get(group, {}):
            return path
    return DEFAULT


def _parsed(world: World) -> list[tuple[str, dict[str, dict[str, list[str]]]]]:
    """Return what each configuration file sets; ``world.settings`` has refused what cannot be read."""
    found = []
    for path in world.files:
        sections: dict[str, dict[str, list[str]]] = {}
        cfg.ConfigParser(str(path), sections).parse()
        found.append((str(path), sections))
    return found


def _kind(option: Any) -> str:
    names = {
        types.Integer: "whole number", types.Float: "number", types.Boolean: "true or false", types.Port: "port",
        types.List: "list, separated by commas", types.HostAddress: "host name or address", types.String: "text",
    }  # fmt: skip
    return names.get(type(option.type), type(option.type).__name__.lower())


def _range(option: Any) -> str | None:
    choices = getattr(option.type, "choices", None)
    if choices:
        return "one of " + ", ".join(str(choice) for choice in choices)
    low, high = getattr(option.type, "min", None), getattr(option.type, "max", None)
    if low is not None and high is not None:
        return f"{low} to {high}"
    if low is not None:
        return f"at least {low}"
    return f"at most {high}" if high is not None else None


def range_of(name: str) -> str | None:
    """Return the values an option may have, in words, or None."""
    return _range(every()[name])
