"""The rules resource: https://docs.openstack.org/api-ref/network/v2/#security-group-rules."""

from __future__ import annotations

from typing import Any

from iaas.api.network import words
from iaas.api.network.schemas import security_groups as schemas
from iaas.api.network.views import security_groups as views
from iaas.common.rest.operations import Call, Resource
from iaas.common.rest.schemas import to_int
from iaas.network.api import security_groups as core
from iaas.network.api.rules import NewRule

resource = Resource()
COLUMNS = words.Columns(
    text={"id": "id", "project_id": "project_id", "tenant_id": "project_id", "security_group_id": "group_id",
          "direction": "direction", "ethertype": "ethertype", "protocol": "protocol",
          "remote_ip_prefix": "remote_cidr", "remote_group_id": "remote_group_id", "description": "description"},
    numbers={"port_range_min": "port_min", "port_range_max": "port_max", "revision_number": "revision"},
)  # fmt: skip


def _number(wanted: dict[str, Any], name: str) -> int | None:
    return None if wanted.get(name) is None else to_int(wanted[name], -(2**31), name=name)


def _new(call: Call, wanted: dict[str, Any]) -> NewRule:
    if wanted.keys() & {"project_id", "tenant_id"}:
        words.project_of(call, wanted)  # the rule is its group's project's, but a lie is refused
    protocol = wanted.get("protocol")
    return NewRule(
        group_id=wanted["security_group_id"],
        direction=wanted["direction"],
        ethertype="IPv6" if (wanted.get("ethertype") or "IPv4").endswith("6") else "IPv4",
        protocol=None if protocol is None else str(protocol),
        port_min=_number(wanted, "port_range_min"),
        port_max=_number(wanted, "port_range_max"),
        remote_cidr=wanted.get("remote_ip_prefix") or None,
        remote_group_id=wanted.get("remote_group_id"),
        description=wanted.get("description", ""),
    )


@resource.operation("GET", "/security-group-rules", policy="network:security_group_rules:read")
def index(call: Call) -> dict[str, Any]:
    """List rules."""
    page = core.page_rules(call.clients, call.ctx, words.asked(call, COLUMNS))
    return words.listed(call, "security-group-rules", page, views.rule)


@resource.operation(
    "POST",
    "/security-group-rules",
    policy="network:security_group_rules:create",
    body=schemas.CREATE_RULE,
    status=201,
)
def create(call: Call) -> dict[str, Any]:
    """Create one rule or several."""
    items, bulk = words.items(call, "security_group_rule", "security_group_rules")
    rows = core.add_rules(call.clients, call.ctx, [_new(call, item) for item in items])
    return words.made([views.rule(row) for row in rows], bulk, "security_group_rule", "security_group_rules")


@resource.operation("GET", "/security-group-rules/{rule_id}", policy="network:security_group_rules:read")
def show(call: Call) -> dict[str, Any]:
    """Show a rule."""
    found = core.show_rule(call.clients, call.ctx, call.path["rule_id"])
    return {"security_group_rule": words.chosen(call, views.rule(found))}


@resource.operation(
    "DELETE", "/security-group-rules/{rule_id}", policy="network:security_group_rules:delete", status=204
)
def delete(call: Call) -> None:
    """Delete a rule."""
    core.delete_rule(call.clients, call.ctx, call.path["rule_id"])
