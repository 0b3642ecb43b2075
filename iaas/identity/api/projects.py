"""Projects and their tags.  Source: https://docs.openstack.org/api-ref/identity/v3/#projects"""

from __future__ import annotations

from typing import Any

from iaas.common import errors
from iaas.common.rest.operations import Call
from iaas.db import codec
from iaas.db.identity import clock, credentials, domains, projects
from iaas.db.tx import DuplicateKey, Tx
from iaas.identity import ids, revoke
from iaas.identity.api import acting
from iaas.identity.api.base import Resource, check, flag, link, listed, listing
from iaas.identity.api.schemas import scopes
from iaas.identity.shapes import PROJECT

resource = Resource()


def view(call: Call, row: Any) -> dict[str, Any]:
    """A project as the API shows it."""
    return {**PROJECT.view(row), "links": {"self": link(call, "projects", row.id)}}


@resource.operation("GET", "/projects", policy="identity:list_projects")
def index(call: Call) -> dict[str, Any]:
    """List projects."""
    wanted = listing(call, text=("name", "domain_id", "parent_id"), flags=("enabled",))
    with call.clients.db.read(call.ctx) as tx:
        if flag(call, "is_domain"):
            return listed(call, "projects", acting.page(tx, wanted), wanted.limit, acting.view)
        rows = projects.page(tx, _under_domain(tx, wanted))
    return listed(call, "projects", rows, wanted.limit, view)


def _under_domain(tx: Tx, wanted: Any) -> Any:
    """A project at the top is shown with its domain as its parent, so that is what it is found by."""
    parent_id = wanted.equal.get("parent_id")
    if parent_id is not None and domains.find(tx, parent_id) is not None:
        equal = {**wanted.equal, "parent_id": None, "domain_id": parent_id}
        return type(wanted)(wanted.limit, wanted.marker, equal, wanted.like)
    return wanted


@resource.operation("GET", "/projects/{project_id}", policy="identity:get_project", delegated=True)
def show(call: Call) -> dict[str, Any]:
    """Show a project, with its parents or children if asked for."""
    project_id = call.path["project_id"]
    check(call, project_id=project_id)
    with call.clients.db.read(call.ctx) as tx:
        domain = acting.find(tx, project_id)
        if domain is not None:
            return {"project": acting.view(call, domain)}
        row = projects.get(tx, project_id)
        shown = view(call, row)
        if "parents_as_list" in call.query:
            shown["parents"] = [{"project": view(call, parent)} for parent in projects.ancestors(tx, row)]
        if "subtree_as_list" in call.query:
            shown["subtree"] = [{"project": view(call, child)} for child in projects.subtree(tx, project_id)]
        if "parents_as_ids" in call.query:
            shown["parents"] = _parents_as_ids(tx, row)
        if "subtree_as_ids" in call.query:
            shown["subtree"] = _subtree_as_ids(tx, project_id)
    return {"project": shown}


def _parents_as_ids(tx: Tx, row: Any) -> Any:
    above: Any = {row.domain_id: None}
    for parent in reversed(projects.ancestors(tx, row)):
        above = {parent.id: above}
    return above


def _subtree_as_ids(tx: Tx, project_id: str) -> Any:
    nodes: dict[str, dict[str, Any]] = {project_id: {}}
    for child in projects.subtree(tx, project_id):
        nodes[child.id] = {}
        nodes[child.parent_id][child.id] = nodes[child.id]
    return _or_none(nodes[project_id])


def _or_none(tree: dict[str, Any]) -> Any:
    return {name: _or_none(below) for name, below in tree.items()} or None


@resource.operation("POST", "/projects", policy="identity:create_project", body=scopes.CREATE_PROJECT, status=201)
def create(call: Call) -> dict[str, Any]:
    """Create a project, under another one or at the top of a domain."""
    if call.body["project"].get("is_domain"):
        return acting.create(call)
    values = {"options": "{}", "tags": "[]", **PROJECT.values(call.body["project"]), "id": ids.new()}
    values.pop("is_domain", None)

    def write(tx: Tx) -> Any:
        _place(call, tx, values)
        projects.add(tx, **values)
        return projects.get(tx, values["id"])

    return {"project": view(call, _named(call, write))}


def _place(call: Call, tx: Tx, values: dict[str, Any]) -> None:
    """Find the project's domain and parent, and see that they fit."""
    parent_id = values.get("parent_id")
    if parent_id is not None and domains.find(tx, parent_id) is not None:
        if values.get("domain_id") not in (None, parent_id):
            raise errors.Invalid(reason="The parent is another domain than the project's.")
        values["domain_id"], parent_id = parent_id, None
    values["parent_id"] = parent_id
    if parent_id is None:
        values["domain_id"] = values.get("domain_id") or call.ctx.domain_id or call.ctx.project_domain_id or "default"
        domains.get(tx, values["domain_id"])
        return
    parent = projects.get(tx, parent_id)
    if values.get("domain_id") not in (None, parent.domain_id):
        raise errors.Invalid(reason="The parent is in another domain than the project.")
    if len(projects.ancestors(tx, parent)) + 2 > projects.MAX_DEPTH:
        raise errors.Forbidden(action=f"nest projects deeper than {projects.MAX_DEPTH}")
    if not parent.enabled:
        raise errors.Forbidden(action="create a project under a disabled one")
    values["domain_id"] = parent.domain_id


@resource.operation("PATCH", "/projects/{project_id}", policy="identity:update_project", body=scopes.UPDATE_PROJECT)
def update(call: Call) -> dict[str, Any]:
    """Change a project; disabling it ends its tokens."""
    project_id = call.path["project_id"]
    if _is_domain(call, project_id):
        return acting.update(call, project_id)

    def write(tx: Tx) -> Any:
        row = projects.get(tx, project_id)
        values = PROJECT.values(call.body["project"], row)
        if values.get("enabled") is False and any(child.enabled for child in projects.children(tx, [project_id])):
            raise errors.Forbidden(action="disable a project that has enabled projects below it")
        projects.update(tx, project_id, values)
        if values.get("enabled") is False:
            revoke.events(call.clients, tx, [{"project_id": project_id}])
        else:
            clock.advance(tx)
        return projects.get(tx, project_id)

    return {"project": view(call, _named(call, write))}


@resource.operation("DELETE", "/projects/{project_id}", policy="identity:delete_project", status=204)
def delete(call: Call) -> None:
    """Delete a project that has none below it."""
    project_id = call.path["project_id"]
    if _is_domain(call, project_id):
        return acting.delete(call, project_id)

    def write(tx: Tx) -> None:
        projects.get(tx, project_id)
        if projects.children(tx, [project_id]):
            raise errors.Forbidden(action="delete a project that has projects below it")
        ended = [{"delegate_id": credential_id} for credential_id in credentials.of_project(tx, project_id)]
        revoke.events(call.clients, tx, [{"project_id": project_id}, *ended])
        projects.delete(tx, project_id)

    return call.clients.db.write(call.ctx, write)


def _is_domain(call: Call, project_id: str) -> bool:
    with call.clients.db.read(call.ctx) as tx:
        return acting.find(tx, project_id) is not None


def _named(call: Call, write: Any) -> Any:
    try:
        return call.clients.db.write(call.ctx, write)
    except DuplicateKey:
        raise errors.Conflict(reason="A project of that name exists in the domain.") from None


# -- tags --------------------------------------------------------------------------------------------------


def _tags(call: Call, tx: Tx) -> list[str]:
    return codec.load(projects.get(tx, call.path["project_id"]).tags, [])


def _write_tags(call: Call, change: Any) -> list[str]:
    def write(tx: Tx) -> list[str]:
        clock.advance(tx)  # changes of the same project wait for each other here
        tags = change(_tags(call, tx))
        projects.update(tx, call.path["project_id"], {"tags": codec.dump(tags)})
        return tags

    return call.clients.db.write(call.ctx, write)


@resource.operation("GET", "/projects/{project_id}/tags", policy="identity:list_project_tags")
def list_tags(call: Call) -> dict[str, Any]:
    """List a project's tags."""
    check(call, project_id=call.path["project_id"])
    with call.clients.db.read(call.ctx) as tx:
        return {"tags": _tags(call, tx), "links": _tag_links(call)}


def _tag_links(call: Call) -> dict[str, Any]:
    return {"next": None, "previous": None, "self": link(call, "projects", call.path["project_id"], "tags")}


@resource.operation("PUT", "/projects/{project_id}/tags", policy="identity:update_project_tags", body=scopes.SET_TAGS)
def set_tags(call: Call) -> dict[str, Any]:
    """Replace a project's tags."""
    tags = _write_tags(call, lambda _old: call.body["tags"])
    return {"tags": tags, "links": _tag_links(call)}


@resource.operation("DELETE", "/projects/{project_id}/tags", policy="identity:update_project_tags", status=204)
def delete_tags(call: Call) -> None:
    """Remove all of a project's tags."""
    _write_tags(call, lambda _old: [])


@resource.operation("GET", "/projects/{project_id}/tags/{tag}", policy="identity:list_project_tags", status=204)
def check_tag(call: Call) -> None:
    """Check that a project has a tag."""
    check(call, project_id=call.path["project_id"])
    with call.clients.db.read(call.ctx) as tx:
        if call.path["tag"] not in _tags(call, tx):
            raise errors.NotFound(what="Tag", id=call.path["tag"])


@resource.operation("PUT", "/projects/{project_id}/tags/{tag}", policy="identity:update_project_tags", status=201)
def add_tag(call: Call) -> None:
    """Add a tag to a project."""
    tag = call.path["tag"]
    if not 1 <= len(tag) <= 255 or "," in tag:
        raise errors.Invalid(reason="A tag has 1 to 255 characters and no comma.")

    def change(old: list[str]) -> list[str]:
        if len(old) >= 80 and tag not in old:
            raise errors.Invalid(reason="A project has at most 80 tags.")
        return old if tag in old else [*old, tag]

    _write_tags(call, change)


@resource.operation("DELETE", "/projects/{project_id}/tags/{tag}", policy="identity:update_project_tags", status=204)
def delete_tag(call: Call) -> None:
    """Remove a tag from a project."""

    def change(old: list[str]) -> list[str]:
        if call.path["tag"] not in old:
            raise errors.NotFound(what="Tag", id=call.path["tag"])
        return [tag for tag in old if tag != call.path["tag"]]

    _write_tags(call, change)
