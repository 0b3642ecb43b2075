"""Faults as the image service answers them.

The published service answers prose or HTML and clients take what they get: openstacksdk and the command line
show ``message`` of a JSON object, so that is what they get here.
"""

from __future__ import annotations

from typing import Any

from iaas.common.errors import IaasError
from iaas.common.rest import faults


def image(status: int, message: str, _error: IaasError | None) -> Any:
    """``{"code": 404, "title": "Not Found", "message": …}``."""
    return {"code": status, "title": faults.REASONS.get(status, "Error"), "message": message}
