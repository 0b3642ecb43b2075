"""What a network worker does by itself: compare everything, slowly; rings and casts are only faster."""

from __future__ import annotations

from collections.abc import Callable

from iaas.common.periodic import Periodic


def table(compare: Callable[[], None], every: float) -> list[Periodic]:
    """Return the worker's periodic tasks."""
    return [Periodic("compare networks", every, compare, at_start=False)]
