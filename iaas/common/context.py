"""Who asks, for which project, in which request: handed to every verb, query and message."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from iaas.common import runtime


@dataclass(frozen=True)
class RequestContext:
    """The caller as the identity service described it.

    Nothing here comes from the body of a request.  ``roles`` are names in lower case; ``is_admin`` is what
    the policy rule ``admin_required`` said of them.
    """

    request_id: str
    user_id: str | None = None
    project_id: str | None = None
    domain_id: str | None = None
    roles: tuple[str, ...] = ()
    is_admin: bool = False
    system_scope: str | None = None
    user_name: str | None = None
    project_name: str | None = None
    user_domain_id: str | None = None
    project_domain_id: str | None = None
    global_request_id: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)

    def to_dict(self) -> dict[str, Any]:
        """The fields a message may carry: no secrets, no catalog."""
        fields = dataclasses.asdict(dataclasses.replace(self, extra={}))
        fields.pop("extra")
        return {name: value for name, value in fields.items() if value}

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> RequestContext:
        """The context a message carried; unknown fields are ignored."""
        known = {f.name for f in dataclasses.fields(cls)}
        values = {name: value for name, value in fields.items() if name in known}
        values["roles"] = tuple(values.get("roles", ()))
        values.setdefault("request_id", new_request_id())
        return cls(**values)

    def policy_credentials(self) -> dict[str, Any]:
        """The caller in the words oslo.policy rules use."""
        return {
            "user_id": self.user_id,
            "project_id": self.project_id,
            "domain_id": self.domain_id,
            "user_domain_id": self.user_domain_id,
            "project_domain_id": self.project_domain_id,
            "roles": list(self.roles),
            "system_scope": self.system_scope,
            "is_admin": self.is_admin,
            **self.extra.get("policy", {}),
        }


def new_request_id() -> str:
    return "req-" + runtime.uuid()


def admin(request_id: str | None = None) -> RequestContext:
    """The context of work the cloud does by itself."""
    return RequestContext(request_id=request_id or new_request_id(), roles=("admin",), is_admin=True)
