"""The agents resource: https://docs.openstack.org/api-ref/network/v2/#agents. One per network worker."""

from __future__ import annotations

from typing import Any

from iaas.api.network import words
from iaas.common import errors
from iaas.common.rest.operations import Call, Resource
from iaas.network.api import agents as core
from iaas.network.api.listing import Page

resource = Resource()
KIND = "Network worker"
SILENT = 6  # heartbeats a worker may miss
_WORDS = (
    "id", "host", "binary", "agent_type", "availability_zone", "description", "topic", "created_at", "started_at",
    "heartbeat_timestamp",
)  # fmt: skip
_FLAGS = ("alive", "admin_state_up")
_COLUMNS = words.Columns({name: name for name in _WORDS}, flags={name: name for name in _FLAGS})


def _view(call: Call, row: Any) -> dict[str, Any]:
    every = call.clients.settings.compute.heartbeat_every
    return {
        "id": row.id,
        "agent_type": KIND,
        "binary": row.binary,
        "topic": "network",
        "host": row.host,
        "admin_state_up": not row.disabled,
        "alive": not row.forced_down and row.silent_for < SILENT * every,
        "availability_zone": row.zone,
        "created_at": words.moment(row.started_at),
        "started_at": words.moment(row.started_at),
        "heartbeat_timestamp": words.moment(row.seen_at),
        "description": row.disabled_reason,
        "configurations": {},
        "resources_synced": None,
    }


@resource.operation("GET", "/agents", policy="network:agents:read")
def index(call: Call) -> dict[str, Any]:
    """List the network workers."""
    asked = words.asked(call, _COLUMNS)
    rows = [_view(call, row) for row in core.all_agents(call.clients, call.ctx)]
    rows = [row for row in rows if all(row[name] in values for name, values in asked.equal.items())]
    for name, direction in reversed(asked.sort if "sort_key" in call.query else ()):
        rows.sort(key=lambda row: str(row[name] or ""), reverse=direction == "desc")
    if asked.reverse:
        rows.reverse()
    if asked.marker is not None:
        ids = [row["id"] for row in rows]
        if asked.marker not in ids:
            raise errors.Invalid(reason=f"Invalid input for operation: Marker {asked.marker[:64]} could not be found.")
        rows = rows[ids.index(asked.marker) + 1 :]
    page = rows[: asked.limit]
    if asked.reverse:
        page.reverse()
    return words.listed(call, "agents", Page(page, len(rows) > asked.limit), lambda row: row)


@resource.operation("GET", "/agents/{agent_id}", policy="network:agents:read")
def show(call: Call) -> dict[str, Any]:
    """Show a network worker."""
    found = core.get(call.clients, call.ctx, call.path["agent_id"])
    return {"agent": words.chosen(call, _view(call, found))}
