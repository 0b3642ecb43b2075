"""Services in the words of Compute."""

from __future__ import annotations

from typing import Any

from iaas.api.compute import legacy
from iaas.common.rest import wire
from iaas.common.rest.operations import Call
from iaas.compute.api.hosts import COMPUTE, INTERNAL, Service

#: clients look for the daemons by the names they always had
OURS, THEIRS = "iaas-", "nova-"


def shown_name(binary: str) -> str:
    """``iaas-compute`` is ``nova-compute`` to clients."""
    return THEIRS + binary.removeprefix(OURS)


def our_name(binary: str) -> str:
    """The daemon a client means; our own names are understood, too."""
    return OURS + binary.removeprefix(THEIRS).removeprefix(OURS)


def identifier(call: Call, id_: str) -> str | int:
    """The id of a service or hypervisor: a number until 2.52."""
    return id_ if call.at_least("2.53") else legacy.number(id_)


def status(disabled: bool) -> str:
    return "disabled" if disabled else "enabled"


def state(up: bool) -> str:
    return "up" if up else "down"


def full(call: Call, service: Service) -> dict[str, Any]:
    """A service as lists show it, and its change from 2.53 on."""
    row = service.row
    view = {
        "id": identifier(call, row.id),
        "binary": shown_name(row.binary),
        "host": row.host,
        "zone": row.zone if row.binary == COMPUTE else INTERNAL,
        "status": status(row.disabled),
        "state": state(service.up),
        "updated_at": wire.micros(row.seen_at),
        "disabled_reason": row.disabled_reason,
    }
    if call.at_least("2.11"):
        view["forced_down"] = bool(row.forced_down)
    return view


def named(service: Service, **more: Any) -> dict[str, Any]:
    """A service as its change showed it until 2.52."""
    return {"host": service.row.host, "binary": shown_name(service.row.binary), **more}
