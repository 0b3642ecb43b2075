"""What the documents name exists: paths, modules, make targets, commands, options, links, units."""

from __future__ import annotations

import ast
import configparser
import re
import shlex
import textwrap
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import click
import pytest

from iaas.cmd import setup
from iaas.cmd.manage import main as manage
from iaas.common import conf, metrics
from iaas.common.conf import admin

ROOT = Path(__file__).resolve().parent.parent.parent
ALL = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
#: documents written by hand; the generated ones are held to their sources by `make check`
WRITTEN = [path for path in ALL if path.parent.name not in ("states", "api")]
ADRS = sorted((ROOT / "docs/adr").glob("[0-9]*.md"))
UNITS = sorted((ROOT / "etc/systemd").glob("*.service"))
SCRIPTS = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"])
TARGETS = set(re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE))
PATH = re.compile(r"(?<![\w/.-])(?:iaas|etc|docs|tests|tools)/[\w./*-]*[\w*/]")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
#: what a recipe has its reader write: a path on a line of its own, before the text
TO_WRITE = re.compile(r"^`([^`]+)`:\n\n```", re.MULTILINE)
#: made by what is run, not in the tree
MADE = ("docs/api/operations.md",)


def each(paths: list[Path]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("path", paths, ids=lambda path: str(path.relative_to(ROOT)))


def spans(text: str) -> Iterator[str]:
    """The pieces of inline code, which may go on in the next line."""
    for found in re.finditer(r"`([^`]+)`", FENCE.sub("", text)):
        yield re.sub(r"\s+", " ", found[1])


def commands(text: str) -> Iterator[list[str]]:
    """The words of every command: in inline code, and in the blocks that are no other language."""
    lines = list(spans(text))
    for language, block in FENCE.findall(text):
        if language in ("", "sh"):
            lines += re.split(r"\n|&&|;", block.replace("\\\n", " "))
    for line in lines:
        try:
            yield shlex.split(line, comments=True)
        except ValueError:
            continue  # prose, or output


@each(WRITTEN)
def test_every_path_named_exists(path):
    text = path.read_text()
    known = {*TO_WRITE.findall(text), *MADE}
    missing = []
    for span in spans(text):
        if re.search(r"[<>{}…]", span):
            continue  # a pattern
        for name in PATH.findall(span):
            found = list(ROOT.glob(name)) if "*" in name else [ROOT / name]
            if name not in known and not (found and found[0].exists()):
                missing.append(name)
    assert missing == []


@cache
def names_in(file: Path) -> frozenset[str]:
    """The names a module defines at its top, and ``Class.member``."""
    found: set[str] = set()
    for node in ast.parse(file.read_text()).body:
        if isinstance(node, ast.Assign):
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found.add(node.target.id)
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            found.add(node.name)
            if isinstance(node, ast.ClassDef):
                members = [one for one in node.body if isinstance(one, ast.FunctionDef)]
                found |= {f"{node.name}.{one.name}" for one in members}
    return frozenset(found)


def is_there(dotted: str) -> bool:
    """Whether ``iaas.package.module.name`` is in the tree."""
    parts = dotted.split(".")
    for length in range(len(parts), 0, -1):
        base = ROOT.joinpath(*parts[:length])
        file = base.with_suffix(".py") if base.with_suffix(".py").exists() else base / "__init__.py"
        if file.exists():
            return length == len(parts) or ".".join(parts[length:]) in names_in(file)
        if base.is_dir() and length == len(parts):
            return True
    return False


@each(WRITTEN)
def test_every_module_and_function_named_is_in_the_code(path):
    named = [span for span in spans(path.read_text()) if re.fullmatch(r"iaas(\.\w+)+", span)]
    files = (".conf", ".log", ".dead", ".target")
    assert [name for name in named if not name.endswith(files) and not is_there(name)] == []


@each(WRITTEN)
def test_every_make_target_named_exists(path):
    named = {
        word
        for words in commands(path.read_text())
        if words[:1] == ["make"]
        for word in words[1:]
        if re.fullmatch(r"[a-z-]+", word)
    }
    assert named <= TARGETS


def test_the_readme_knows_every_make_target():
    text = (ROOT / "README.md").read_text()
    assert {target for target in TARGETS if f"`make {target}`" not in text} == set()


@each(WRITTEN)
def test_every_console_script_named_is_installed(path):
    named = {name for words in commands(path.read_text()) for name in re.findall(r"\biaas-[a-z]+\b", " ".join(words))}
    assert named <= SCRIPTS


def command_of(words: list[str]) -> list[str]:
    """The noun and the verb behind the options of ``iaas-manage``."""
    rest = iter(words)
    for word in rest:
        if word in ("--config-file", "--set"):
            next(rest, None)
        elif not word.startswith("-"):
            return [word, *rest]
    return []


@each(WRITTEN)
def test_every_iaas_manage_command_named_exists(path):
    for words in commands(path.read_text()):
        run = words[:1] != ["ln"]
        at = next((i for i, word in enumerate(words) if run and word.endswith("iaas-manage")), None)
        wanted = command_of(words[at + 1 :]) if at is not None else []
        if not wanted:
            continue
        context = click.Context(manage.cli)
        found = manage.cli.get_command(context, wanted[0])
        assert found is not None, words
        if isinstance(found, click.Group) and len(wanted) > 1:
            assert wanted[1] in found.list_commands(context), words


@each(WRITTEN)
def test_every_option_named_exists(path):
    known = {f"{group}.{option.dest}" for group, options in conf.groups().items() for option in options}
    named = {f"{g}.{o}" for span in spans(path.read_text()) for g, o in re.findall(r"^\[(\w+)\] (\w+)", span)}
    assert named <= known


def test_the_configurations_of_the_guide_are_understood(tmp_path):
    blocks = [block for language, block in FENCE.findall((ROOT / "docs/install.md").read_text()) if language == "ini"]
    assert len(blocks) == 2
    for block in blocks:
        file = tmp_path / "iaas.conf"
        file.write_text(block)
        assert conf.load([file]).compute.agent_secret == "AGENT-SECRET"


@each(ALL)
def test_every_relative_link_leads_somewhere(path):
    text = FENCE.sub("", path.read_text())
    links = [link for link in re.findall(r"\]\(([^)\s]+)\)", text) if not link.startswith(("http", "mailto:", "#"))]
    assert [link for link in links if not (path.parent / link.partition("#")[0]).exists()] == []


@each(sorted((ROOT / "docs/recipes").glob("*.md")))
def test_the_examples_of_recipes_are_python(path):
    for language, block in FENCE.findall(path.read_text()):
        if language == "python":
            text = textwrap.dedent(block)
            ast.parse(text if not text.startswith("cfg.") else f"[{text}]")


def test_every_recipe_is_listed():
    folder = ROOT / "docs/recipes"
    listed = set(re.findall(r"\((add-[\w-]+\.md)\)", (folder / "README.md").read_text()))
    assert listed == {path.name for path in folder.glob("add-*.md")}


def test_the_decisions_are_numbered_and_listed():
    listed = re.findall(r"\((\d{4}-[\w-]+\.md)\)", (ROOT / "docs/adr/README.md").read_text())
    assert listed == [path.name for path in ADRS]
    assert [int(path.name[:4]) for path in ADRS] == list(range(1, len(ADRS) + 1))


@each(ADRS)
def test_a_decision_is_short_and_says_what_it_costs(path):
    lines = path.read_text().splitlines()
    assert len(lines) <= 40
    assert re.match(rf"# {int(path.name[:4])}\. \S", lines[0])
    assert [line for line in lines if line.startswith("## ")] == ["## Context", "## Decision", "## Consequences"]


def test_the_readme_knows_every_daemon_and_its_ports():
    rows = dict(re.findall(r"^\| `(iaas-[a-z]+)` \|(.*)\|$", (ROOT / "README.md").read_text(), re.MULTILINE))
    assert set(rows) == SCRIPTS
    named = {int(port) for row in rows.values() for port in re.findall(r"\b\d{4}\b", row.partition("|")[2])}
    assert named == set(setup.PORTS.values())


def test_the_readme_knows_every_admin_port():
    rows = dict(re.findall(r"^\| `(iaas-[a-z]+)` \|.*\| (\d{4}) \|$", (ROOT / "README.md").read_text(), re.MULTILINE))
    assert rows == {f"iaas-{name}": str(port) for name, port in admin.PORTS.items()}


def test_the_guide_has_every_metric_as_it_is():
    text = (ROOT / "docs/operations.md").read_text()
    rows = re.findall(r"^\| `(iaas_\w+)` \| (\w+) \| (.*?) \| (.*) \|$", text, re.MULTILINE)
    expected = [
        (one.name, one.kind, ", ".join(f"`{label}`" for label in one.labels), one.meaning) for one in metrics.ALL
    ]
    assert rows == expected


def test_every_daemon_has_a_unit():
    assert {path.stem for path in UNITS} == SCRIPTS - {"iaas-manage"}


@each(UNITS)
def test_a_unit_starts_its_daemon_again_and_needs_nobody(path):
    unit = configparser.RawConfigParser(strict=False)
    unit.optionxform = str  # type: ignore[assignment]
    unit.read(path)
    service = unit["Service"]
    assert service["ExecStart"].split()[0] == f"/opt/iaas/bin/{path.stem}"
    kept = {"Type": "notify", "Restart": "always", "RestartSec": "1", "WatchdogSec": "30", "TimeoutStopSec": "45"}
    assert {name: service.get(name) for name in kept} == kept
    assert unit["Unit"]["StartLimitIntervalSec"] == "0"
    assert not {"Requires", "BindsTo"} & set(unit["Unit"])
    users = (ROOT / "etc/systemd/sysusers.d/iaas.conf").read_text()
    assert "User" not in service or f"u {service['User']} " in users


@each([path for path in UNITS if path.stem != "iaas-all"])
def test_a_unit_of_one_daemon_is_confined(path):
    text = path.read_text()
    assert "NoNewPrivileges=yes\n" in text
    assert "ProtectSystem=strict\n" in text
    assert re.search(r"^CapabilityBoundingSet=(CAP_[A-Z_]+ ?){0,3}$", text, re.MULTILINE)
    assert "CAP_SYS_ADMIN" not in text
