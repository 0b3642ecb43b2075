"""Identity's fault format: ``{"error": {"code": 404, "message": …, "title": "Not Found"}}``."""

from __future__ import annotations

from typing import Any

from iaas.common.errors import IaasError
from iaas.common.rest import faults


def keystone(status: int, message: str, error: IaasError | None) -> Any:
    """Return a fault as Identity shows it."""
    return {"error": {"code": status, "message": message, "title": faults.REASONS.get(status, "Unknown")}}
