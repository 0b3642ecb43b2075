"""What to take back when something changes: the events of each change, in the transaction of the change."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from iaas.db.identity import groups, revocations
from iaas.db.tx import Tx
from iaas.identity.clients import IdentityClients


def events(clients: IdentityClients, tx: Tx, found: Iterable[Mapping[str, Any]]) -> None:
    """Revoke the tokens each event names; the state has changed in any case."""
    revocations.add(tx, clients.settings.identity.token_lifetime, [dict(event) for event in found])


def user(clients: IdentityClients, tx: Tx, user_id: str) -> None:
    """Revoke every token of a user."""
    events(clients, tx, [{"user_id": user_id}])


def grant(clients: IdentityClients, tx: Tx, key: Mapping[str, Any]) -> None:
    """Revoke the tokens an assignment that ends was good for.

    An inherited one was good for any project below its target, so all of its actor's tokens go.
    """
    actors = [key["actor_id"]] if key["actor_type"] == "user" else groups.members(tx, key["actor_id"])
    events(clients, tx, [on_target(actor, key) for actor in actors])


def on_target(user_id: str, key: Mapping[str, Any]) -> dict[str, Any]:
    """Return the event of a user's loss of an assignment."""
    if key["inherited"]:
        return {"user_id": user_id}
    where = {
        "project": {"project_id": key["target_id"]},
        "domain": {"domain_id": key["target_id"]},
        "system": {"system": True},
    }
    return {"user_id": user_id, **where[key["target_type"]]}
