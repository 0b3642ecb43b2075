"""Run ``tools/simulate.py`` as a person does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
SEEDS = 1000


def simulate(*words: str, json_file: Path | None = None, hash_seed: str = "random") -> str:
    """Run the tool and return what it printed; what it prints while it runs is shown, too."""
    told = [] if json_file is None else ["--json", str(json_file)]
    command = [sys.executable, "tools/simulate.py", *words, *told]
    env = {**os.environ, "PYTHONHASHSEED": hash_seed}
    lines = []
    with subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        for line in running.stdout:
            lines.append(line)
            print(line, end="", flush=True)
    return "".join(lines)
