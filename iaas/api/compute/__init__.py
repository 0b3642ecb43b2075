"""The Compute v2.1 edge; :func:`resources` tells tools what it serves."""

from __future__ import annotations

from typing import Any


def resources() -> list[Any]:
    """Return every noun's operations."""
    from iaas.api.compute import app  # imports every noun: only who asks pays

    return app.resources()
