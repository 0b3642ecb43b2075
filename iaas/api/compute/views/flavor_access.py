"""The access to a private flavor in the words of Compute."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def access(flavor_id: str, projects: Sequence[str]) -> dict[str, Any]:
    """Who may use a flavor."""
    return {"flavor_access": [{"flavor_id": flavor_id, "tenant_id": project_id} for project_id in projects]}
