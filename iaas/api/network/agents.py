"""The agents resource: https://docs.openstack.org/api-ref/network/v2/#agents. One per network worker."""

from __future__ import annotations

from typing import Any

from iaas.api.network import words
from iaas.common import errors
from iaas.common.rest.operations import Call, Resource
from iaas.network.api import agents as core

resource = Resource()
KIND = "Network worker"
SILENT = 6  # heartbeats a worker may miss
_FILTERS = (
    "id", "host", "binary", "agent_type", "alive", "admin_state_up", "availability_zone", "description", "topic",
)  # fmt: skip


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
    rows = [_view(call, row) for row in core.all_agents(call.clients, call.ctx)]
    for name, values in call.query.items():
        if name == "fields":
            continue
        if name not in _FILTERS:
            raise errors.Invalid(reason=f"[{name[:64]!r}] is invalid attribute for filtering")
        flag = name in ("alive", "admin_state_up")
        wanted = [words.flag(value) if flag else value for value in values]
        rows = [row for row in rows if row[name] in wanted]
    return {"agents": [words.chosen(call, row) for row in rows]}


@resource.operation("GET", "/agents/{agent_id}", policy="network:agents:read")
def show(call: Call) -> dict[str, Any]:
    """Show a network worker."""
    found = core.get(call.clients, call.ctx, call.path["agent_id"])
    return {"agent": words.chosen(call, _view(call, found))}
