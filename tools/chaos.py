#!/usr/bin/env python3
"""Kill daemons, brokers and databases, and hold the cloud to its promises: see tools/chaos/command.py, or --help."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parent.parent)  # tools.chaos is the package, not this file

from tools.chaos.command import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
