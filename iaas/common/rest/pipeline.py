"""Pipelines: which filters stand before an API's application, by paste.deploy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from paste import deploy

from iaas.common.rest.middleware import Bound

DEFAULT_FILE = Path(__file__).with_name("api-paste.ini")


def load(name: str, clients: Any, file: str = "") -> Bound:
    """Return the pipeline ``name`` of ``file`` (the packaged one if empty), serving for ``clients``."""
    path = Path(file).resolve() if file else DEFAULT_FILE
    return Bound(deploy.loadapp(f"config:{path}", name=name), clients)
