"""Configuration: oslo.config options in one module per group, read once into plain values.

``load`` reads the files and overrides, refuses what it does not know and names the nearest option it does,
and returns :class:`Settings`: attribute access to frozen values, ``settings.database.url``, cheap on hot paths.
"""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from oslo_config import cfg

from iaas.common import errors


class ConfigError(errors.IaasError):
    """The configuration cannot be used; the daemon does not start."""

    kind = errors.Kind.INVALID
    template = "{reason}"


def groups() -> dict[str, list[cfg.Opt]]:
    """Return every option of the product by group: each module of this package has GROUP and OPTIONS."""
    found: dict[str, list[cfg.Opt]] = {}
    for info in pkgutil.iter_modules(__path__):
        module = importlib.import_module(f"{__name__}.{info.name}")
        if hasattr(module, "OPTIONS"):
            found[module.GROUP] = list(module.OPTIONS)
    return found


class Settings(SimpleNamespace):
    """All options, ``settings.<group>.<option>``; nothing in here changes while a process runs."""

    def replace(self, changes: Mapping[str, Any]) -> Settings:
        """Return a copy with ``{"group.option": value}`` changed: for tests and for `iaas-all`."""
        copy = Settings(**{name: SimpleNamespace(**vars(group)) for name, group in vars(self).items()})
        for name, value in changes.items():
            group, option = name.split(".", 1)
            if not hasattr(getattr(copy, group), option):
                raise ConfigError(reason=f"There is no option {name}.")
            setattr(getattr(copy, group), option, value)
        return copy


def load(files: Sequence[Path] = (), overrides: Iterable[str] = ()) -> Settings:
    """Read ``files`` in order, then ``overrides`` written ``group.option=value``.

    :raises ConfigError: an unknown section or option (the nearest known is named), or a value out of range.
    """
    known = groups()
    for path in files:
        _refuse_unknown(path, known)
    conf = cfg.ConfigOpts()
    for group, options in known.items():
        conf.register_opts(options, group=group)
    try:
        conf(args=[], project="iaas", default_config_files=[str(path) for path in files])
        for override in overrides:
            _override(conf, known, override)
        return Settings(
            **{
                group: SimpleNamespace(**{opt.dest: getattr(conf[group], opt.dest) for opt in options})
                for group, options in known.items()
            }
        )
    except (cfg.Error, ValueError) as error:
        raise ConfigError(reason=f"Bad configuration: {error}") from None


def _override(conf: cfg.ConfigOpts, known: Mapping[str, list[cfg.Opt]], text: str) -> None:
    name, equals, value = text.partition("=")
    group, dot, option = name.strip().partition(".")
    if not equals or not dot:
        raise ConfigError(reason=f"Write an override as group.option=value, not {text!r}.")
    _check(group, option.replace("-", "_"), known, "--set")
    found = next(opt for opt in known[group] if opt.dest == option.replace("-", "_"))
    try:
        conf.set_override(found.dest, found.type(value.strip()), group=group)
    except ValueError as error:
        raise ConfigError(reason=f"{name.strip()}: {error}") from None


def _refuse_unknown(path: Path, known: Mapping[str, list[cfg.Opt]]) -> None:
    sections: dict[str, dict[str, list[str]]] = {}
    try:
        cfg.ConfigParser(str(path), sections).parse()
    except FileNotFoundError:
        raise ConfigError(reason=f"The configuration file {path} does not exist.") from None
    except cfg.ParseError as error:
        raise ConfigError(reason=f"{path}: {error}") from None
    for section, options in sections.items():
        for option in options:
            _check(section, option, known, str(path))  # with a dash it would be read by nobody
        if section not in known:
            _check(section, "", known, str(path))


def _check(group: str, option: str, known: Mapping[str, list[cfg.Opt]], where: str) -> None:
    if group not in known:
        raise ConfigError(reason=f"{where}: unknown section [{group}]{_nearest(group, known)}")
    names = [opt.dest for opt in known[group]]
    if option and option not in names:
        everywhere = [f"{g}.{o.dest}" for g, opts in known.items() for o in opts]
        hint = _nearest(option, names) or _nearest(f"{group}.{option}", everywhere)
        raise ConfigError(reason=f"{where}: unknown option {option!r} in section [{group}]{hint}")


def _nearest(word: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else "."
