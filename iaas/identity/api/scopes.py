"""What the caller's own token could be scoped to, its catalog, and what was revoked.

Source: https://docs.openstack.org/api-ref/identity/v3/#authentication-and-token-management
"""

from __future__ import annotations

from typing import Any

from iaas.common import errors
from iaas.common.rest.operations import Call
from iaas.db.identity import assignments, domains, projects, revocations
from iaas.identity import issue, tokens
from iaas.identity.access import substituted
from iaas.identity.api import domains as domains_api
from iaas.identity.api import projects as projects_api
from iaas.identity.api.base import Resource, listing, moment_of, own_link
from iaas.identity.api.users import project_ids

resource = Resource()


def _own(call: Call) -> dict[str, Any]:
    return {"next": None, "self": own_link(call), "previous": None}


@resource.operation("GET", "/auth/projects", policy="identity:get_auth_projects", delegated=True)
def list_projects(call: Call) -> dict[str, Any]:
    """List the enabled projects the caller has a role on."""
    with call.clients.db.read(call.ctx) as tx:
        found = project_ids(tx, call.ctx.user_id or "")
        wanted = listing(call, text=("name", "domain_id"))
        rows = projects.page(tx, type(wanted)(wanted.limit, wanted.marker, {**wanted.equal, "enabled": True}), found)
    return {"projects": [projects_api.view(call, row) for row in rows[: wanted.limit]], "links": _own(call)}


@resource.operation("GET", "/auth/domains", policy="identity:get_auth_domains", delegated=True)
def list_domains(call: Call) -> dict[str, Any]:
    """List the enabled domains the caller has a role on."""
    with call.clients.db.read(call.ctx) as tx:
        held = assignments.held(tx, call.ctx.user_id or "")
        ids = sorted({row.target_id for row in held if row.target_type == "domain" and not row.inherited})
        rows = [row for domain_id in ids if (row := domains.find(tx, domain_id)) is not None and row.enabled]
    return {"domains": [domains_api.view(call, row) for row in rows], "links": _own(call)}


@resource.operation("GET", "/auth/system", policy="identity:get_auth_system", delegated=True)
def list_system(call: Call) -> dict[str, Any]:
    """Say whether the caller has a role on the system."""
    with call.clients.db.read(call.ctx) as tx:
        held = assignments.roles_on(tx, call.ctx.user_id or "", "system", assignments.SYSTEM)
    return {"system": [{"all": True}] if held else [], "links": {"self": own_link(call)}}


@resource.operation("GET", "/auth/catalog", policy="identity:get_auth_catalog", delegated=True)
def show_catalog(call: Call) -> dict[str, Any]:
    """Show the catalog of the caller's token."""
    valid = call.ctx.extra["token"]
    if valid.access.scope == tokens.UNSCOPED:
        raise errors.Forbidden(action="read the catalog of an unscoped token")
    entries = call.clients.directory.catalog(call.ctx, moment_of(call))
    return {"catalog": substituted(entries, call.ctx.project_id, valid.token.user_id), "links": _own(call)}


@resource.operation("GET", "/OS-REVOKE/events", policy="identity:list_revoke_events")
def list_events(call: Call) -> dict[str, Any]:
    """List revocation events, newest first."""
    since = call.param("since")
    try:
        start = 0.0 if since is None else issue.seconds(since)
    except ValueError:
        raise errors.Invalid(reason="since is a time like 2026-11-21T10:00:00Z.") from None
    with call.clients.db.read(call.ctx) as tx:
        rows = revocations.all_after(tx, start, call.clients.settings.api.max_page)
    return {"events": [_event(row) for row in rows], "links": _own(call)}


def _event(row: Any) -> dict[str, Any]:
    event: dict[str, Any] = {"issued_before": issue.stamp(round(row.issued_before * 1e6))}
    shown = {
        "user_id": row.user_id,
        "project_id": row.project_id,
        "domain_id": row.domain_id,
        "audit_id": row.audit_id,
        "audit_chain_id": row.chain_id,
    }
    return event | {name: value for name, value in shown.items() if value is not None}


@resource.operation("GET", "/limits/model", policy="identity:get_limit_model", delegated=True)
def show_limit_model(_call: Call) -> dict[str, Any]:
    """Say how limits of projects relate: not at all."""
    return {"model": {"name": "flat", "description": "Limits of a project do not depend on other projects."}}
