"""All role assignments.  Source: https://docs.openstack.org/api-ref/identity/v3/#list-role-assignments"""

from __future__ import annotations

from typing import Any

from iaas.common import errors
from iaas.common.rest.operations import Call
from iaas.db.identity import names
from iaas.identity import assigned
from iaas.identity.api.base import Resource, flag, link, own_link
from iaas.identity.assigned import Assigned, Wanted

resource = Resource()


@resource.operation("GET", "/role_assignments", policy="identity:list_own_role_assignments")
def index(call: Call) -> dict[str, Any]:
    """List role assignments, one's own or with the right to it anybody's."""
    wanted = _wanted(call)
    if wanted.user_id != call.ctx.user_id or wanted.group_id is not None:
        call.clients.policy.check(call.ctx, "identity:list_role_assignments")
    limit = call.clients.settings.api.max_page
    with call.clients.db.read(call.ctx) as tx:
        found = assigned.find(tx, wanted, limit)
        more, found = len(found) > limit, found[:limit]
        named = names.of_assignments(tx, found) if flag(call, "include_names") else None
    query = call.environ.get("QUERY_STRING", "")
    own = own_link(call) + (f"?{query}" if query else "")
    body: dict[str, Any] = {
        "role_assignments": [_view(call, line, named) for line in found],
        "links": {"next": None, "self": own, "previous": None},
    }
    if more:
        body["truncated"] = True
    return body


def _wanted(call: Call) -> Wanted:
    wanted = Wanted(
        user_id=call.param("user.id"),
        group_id=call.param("group.id"),
        role_id=call.param("role.id"),
        project_id=call.param("scope.project.id"),
        domain_id=call.param("scope.domain.id"),
        system="scope.system" in call.query,
        inherited="scope.OS-INHERIT:inherited_to" in call.query,
        effective=flag(call, "effective"),
        subtree=flag(call, "include_subtree"),
    )
    if wanted.user_id is not None and wanted.group_id is not None:
        raise errors.Invalid(reason="Ask for a user or a group, not for both.")
    if sum((wanted.project_id is not None, wanted.domain_id is not None, wanted.system)) > 1:
        raise errors.Invalid(reason="Ask for one scope: a project, a domain or the system.")
    if wanted.effective and wanted.group_id is not None:
        raise errors.Invalid(reason="In effect users have roles; ask for a user, not for a group.")
    if wanted.subtree and wanted.project_id is None:
        raise errors.Invalid(reason="include_subtree needs scope.project.id.")
    return wanted


def _view(call: Call, line: Assigned, named: Any) -> dict[str, Any]:
    scope: dict[str, Any]
    if line.target_type == "system":
        scope = {"system": {"all": True}}
    else:
        scope = {line.target_type: _ref(named, line.target_type, line.target_id)}
    if line.inherited:
        scope["OS-INHERIT:inherited_to"] = "projects"
    return {
        "role": _ref(named, "role", line.role_id),
        line.actor_type: _ref(named, line.actor_type, line.actor_id),
        "scope": scope,
        "links": _links(call, line),
    }


def _ref(named: Any, kind: str, key: str) -> dict[str, Any]:
    if named is None:
        return {"id": key}
    name, domain = named.get((kind, key), ("", None))
    ref: dict[str, Any] = {"id": key, "name": name}
    if domain is not None:
        ref["domain"] = {"id": domain, "name": named.get(("domain", domain), ("", None))[0]}
    return ref


def _links(call: Call, line: Assigned) -> dict[str, str]:
    kind, key = line.via_target or (line.target_type, line.target_id)
    target = ("system",) if kind == "system" else (f"{kind}s", key)
    actor = ("groups", line.via_group) if line.via_group else (f"{line.actor_type}s", line.actor_id)
    role_id = line.prior_id or line.role_id
    parts = (*target, *actor, "roles", role_id)
    if line.inherited:
        parts = ("OS-INHERIT", *parts, "inherited_to_projects")
    links = {"assignment": link(call, *parts)}
    if line.via_group:
        links["membership"] = link(call, "groups", line.via_group, "users", line.actor_id)
    if line.prior_id:
        links["prior_role"] = link(call, "roles", line.prior_id)
    return links
