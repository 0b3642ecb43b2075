"""What repairs are done with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from iaas.db.tx import Database
from iaas.doctor.findings import Truth
from iaas.jobs import submit


@dataclass
class Hands:
    """What repairs are done with.

    :param images: the image service's database, if there is one here
    :param bell: rings workers; what it cannot reach, their sweep finds
    :param heard: whether anybody hears the bell from here
    :param quota: the ``quota`` settings
    :param refresh: has the network worker of a host load its filters and leases again; None where it cannot be told
    :param truth: what the hosts said; a repair that could take away what runs asks them, and who was silent is no proof
    """

    db: Database
    bell: submit.Ringer
    quota: Any
    images: Database | None = None
    refresh: Callable[[str], None] | None = None
    heard: bool = True
    truth: Truth = field(default_factory=Truth)
