"""Actions a server has had: https://docs.openstack.org/api-ref/compute/#servers-actions-servers-os-instance-actions"""

from __future__ import annotations

import hashlib
from typing import Any

from iaas.api.compute import paging
from iaas.api.compute.servers import changes_between, server_id
from iaas.common import errors
from iaas.common.rest import schemas, wire
from iaas.common.rest.operations import Call, Resource
from iaas.compute.api import actions
from iaas.db import jobs

resource = Resource()
PATH = "/servers/{server_id}/os-instance-actions"
LIST_2_58 = schemas.query("changes-since", "marker", limit=schemas.DIGITS)
LIST_2_66 = schemas.query("changes-since", "changes-before", "marker", limit=schemas.DIGITS)


@resource.operation(
    "GET",
    PATH,
    policy="compute:servers:actions",
    query={"2.1": schemas.query(open_=True), "2.58": LIST_2_58, "2.66": LIST_2_66},
)
def index(call: Call) -> Any:
    """List what was done to a server."""
    history = list(actions.of_server(call.clients, call.ctx, server_id(call), deleted=call.at_least("2.21")))
    body: dict[str, Any] = {}
    if call.at_least("2.58"):
        history, link = _paged(call, history)
        body = {"links": [link]} if link else {}
    return {"instanceActions": [_action(call, job) for job in history], **body}


def _paged(call: Call, history: list[Any]) -> tuple[list[Any], dict[str, str] | None]:
    since, before = changes_between(call)  # compared as they are shown: in microseconds
    if since is not None:
        history = [job for job in history if round(job.updated_at, 6) >= since]
    if before is not None:
        history = [job for job in history if round(job.updated_at, 6) <= before]
    marker = call.param("marker")
    if marker:
        places = [place for place, job in enumerate(history) if job.request_id == marker]
        if not places:
            raise errors.Invalid(reason=f"Marker {marker[:64]} could not be found.")
        history = history[places[0] + 1 :]
    limit = paging.limit(call)
    if len(history) <= limit or limit == 0:
        return history[:limit], None
    url = f"{call.base_url}/v2.1{PATH.format(server_id=server_id(call))}"
    return history[:limit], wire.next_link(url, call.query, history[limit - 1].request_id)


@resource.operation("GET", PATH + "/{request_id}", policy="compute:servers:actions")
def show(call: Call) -> Any:
    """Show one thing that was done to a server, with its steps."""
    request_id, deleted = call.path["request_id"], call.at_least("2.21")
    job = actions.of_request(call.clients, call.ctx, server_id(call), request_id, deleted=deleted)
    shown = _action(call, job)
    admin = call.clients.policy.allows(call.ctx, "compute:servers:actions:details")
    if admin or call.at_least("2.51"):
        shown["events"] = [_event(call, job, event, admin) for event in jobs.events_of(job)]
    return {"instanceAction": shown}


def _action(call: Call, job: Any) -> dict[str, Any]:
    shown = {
        "action": job.action,
        "instance_uuid": job.resource_id,
        "request_id": job.request_id,
        "user_id": job.user_id,
        "project_id": job.project_id,
        "start_time": wire.micros(job.created_at),
        "message": "Error" if job.state == jobs.FAILED else None,
    }
    if call.at_least("2.58"):
        shown["updated_at"] = wire.micros(job.updated_at)
    return shown


def _event(call: Call, job: Any, event: dict[str, Any], admin: bool) -> dict[str, Any]:
    failed = event["result"] != "Success"
    shown: dict[str, Any] = {
        "event": event["event"],
        "start_time": wire.micros(event["start"]),
        "finish_time": wire.micros(event["finish"]),
        "result": event["result"],
    }
    if admin or not call.at_least("2.51"):
        shown["traceback"] = event["details"] if failed else None
    if call.at_least("2.62"):
        shown["hostId"] = _host_id(job, event)
        if admin:
            shown["host"] = event["host"]
    if admin and call.at_least("2.84"):
        shown["details"] = event["details"] if failed else None
    return shown


def _host_id(job: Any, event: dict[str, Any]) -> str:
    if not event["host"]:
        return ""
    return hashlib.sha224(f"{job.project_id}{event['host']}".encode()).hexdigest()
