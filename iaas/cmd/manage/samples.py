"""The texts of ``iaas.conf.sample`` and ``policy.yaml.sample``, made from the tables of options and of rules."""

from __future__ import annotations

import importlib
import json
import pkgutil
import textwrap
from typing import Any

from iaas.cmd.manage import options
from iaas.common import conf

WIDTH = 100
SERVICES = ("compute", "network", "volume", "image", "identity")


def configuration() -> str:
    """Return a configuration file that changes nothing: every option, its meaning, its range and its default."""
    titles = _titles()
    lines = ["# Every option of iaas, at its default. Uncomment what is to be otherwise; later files win."]
    group = ""
    for name, option in options.every().items():
        of, _, dest = name.partition(".")
        if of != group:
            group = of
            lines += ["", "", f"[{group}]", *_comment(titles[group])]
        limits = options.range_of(name)
        lines += ["", *_comment(option.help + (f" ({limits})" if limits else ""))]
        lines.append(f"#{dest} = {_text(option.default)}".rstrip())
    return "\n".join(lines) + "\n"


def _titles() -> dict[str, str]:
    found = {}
    for info in pkgutil.iter_modules(conf.__path__):
        module = importlib.import_module(f"{conf.__name__}.{info.name}")
        if hasattr(module, "OPTIONS"):
            _, _, title = (module.__doc__ or "").strip().partition(": ")
            found[module.GROUP] = (title[:1].upper() + title[1:]).replace("\n", " ")
    return found


def _comment(text: str) -> list[str]:
    return [f"# {line}" for line in textwrap.wrap(text, WIDTH, break_long_words=False, break_on_hyphens=False)]


def _text(value: Any) -> str:
    return ",".join(str(item) for item in value) if isinstance(value, (list, tuple)) else str(value)


def policy() -> str:
    """Return a policy file that changes nothing: every rule with its default."""
    lines = [
        "# Who may call what: every rule at its default. Uncomment what is to be otherwise, and name the file in",
        "# [api] policy_file. A rule that is left out keeps its default; a name that is not here is refused.",
    ]
    for title, table in rule_tables().items():
        lines += ["", "", f"# -- {title}", ""]
        lines += [f"#{json.dumps(name)}: {json.dumps(check)}" for name, check in table.items()]
    return "\n".join(lines) + "\n"


def rule_tables() -> dict[str, dict[str, str]]:
    """Return every policy rule by the service that asks for it."""
    from iaas.common import policy as rules

    tables = {"used by the others": dict(rules.BASE)}
    for service in SERVICES:
        tables[service] = dict(importlib.import_module(f"iaas.{service}.policies").RULES)
    return tables
