#!/usr/bin/env python3
"""Write the next migration of a database from the difference between its migrations and its models.

    tools/new_migration.py controller "add floating ips"

Read what it wrote before you commit it: renames look like a removal and an addition.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from iaas.db import migrate


def main() -> int:
    if len(sys.argv) != 3 or sys.argv[1] not in migrate.DATABASES:
        print(__doc__, file=sys.stderr)
        return 2
    name, message = sys.argv[1:]
    files = list((migrate.FOLDER / name / "versions").glob("[0-9]*.py"))
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/now.sqlite"
        if files:
            migrate.sync(name, url)
        path = migrate.write(name, url, f"{len(files) + 1:04d}", message)
    path.write_text(_portable(path.read_text()))
    subprocess.run([sys.executable, "-m", "ruff", "format", "-q", str(path)], check=True)
    print(path)
    return 0


def _portable(text: str) -> str:
    """SQLite wrote it: say true and false so that PostgreSQL understands them, drop what is only noise, and let
    indexes go with their tables: MariaDB keeps those that foreign keys need until then."""
    for number, word in (("1", "true"), ("0", "false")):
        text = text.replace(
            f"sa.Boolean(), server_default=sa.text('{number}')", f"sa.Boolean(), server_default=sa.{word}()"
        )
    text = re.sub(r"^ *# ###.*\n", "", text, flags=re.MULTILINE)
    before, downgrade, steps = text.partition("def downgrade() -> None:\n")
    dropped = re.findall(r"^    op\.drop_table\(.*\)$", steps, flags=re.MULTILINE)
    if dropped and "op.create_table" in before:
        steps = "\n".join(dropped) + "\n"
    return before + downgrade + steps


if __name__ == "__main__":
    sys.exit(main())
