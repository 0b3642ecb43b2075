#!/usr/bin/env python3
"""Keep rooms small: no file of the product over 500 lines, no function over 50.

EXCEPTIONS may only shrink: an entry that is not needed any more, or larger than it needs to be, fails too.
"""

from __future__ import annotations

import ast
import statistics
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MAX_FILE, MAX_FUNCTION = 500, 50
TREES = ("iaas", "tools")
#: path, or path::function → lines allowed, each with its reason
EXCEPTIONS: dict[str, int] = {}
#: tables and generated files: long, but flat
FLAT = ("iaas/db/migrations/",)


def sizes() -> dict[str, int]:
    """Return the lines of every file and function, by name."""
    found: dict[str, int] = {}
    for tree in TREES:
        for path in sorted((ROOT / tree).rglob("*.py")):
            name = str(path.relative_to(ROOT))
            if name.startswith(FLAT):
                continue
            text = path.read_text()
            found[name] = text.count("\n")
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                    found[f"{name}::{node.name}:{node.lineno}"] = (node.end_lineno or node.lineno) - node.lineno + 1
    return found


def main() -> int:
    problems, used = [], set()
    found = sizes()
    for name, lines in found.items():
        path, _, function = name.partition("::")
        key = f"{path}::{function.partition(':')[0]}" if function else path
        limit = EXCEPTIONS.get(key, MAX_FUNCTION if function else MAX_FILE)
        if key in EXCEPTIONS and lines > (MAX_FUNCTION if function else MAX_FILE):
            used.add(key)
            if lines < limit:
                problems.append(f"{key} has {lines} lines now; lower its exception from {limit}")
        if lines > limit:
            problems.append(f"{name} has {lines} lines, the limit is {limit}; split it by subject")
    problems += [f"{key} needs no exception any more; remove it" for key in EXCEPTIONS.keys() - used]
    for problem in problems:
        print(problem, file=sys.stderr)
    files = [lines for name, lines in found.items() if name.startswith("iaas/") and "::" not in name]
    print(f"{len(files)} files, {sum(files)} lines, median {statistics.median(files):.0f}, longest {max(files)}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
