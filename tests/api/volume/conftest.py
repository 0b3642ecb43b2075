"""The Block Storage API in one process: real core, SQLite, a memory transport, and a client that checks answers.

response = api.request("POST", "/volumes", {"volume": {"size": 1}}, "3.2", ctx=api.admin)
"""

from __future__ import annotations

import json
from typing import Any

import pytest
import webob

from iaas.api.volume import app as volume_app
from iaas.common import context as contexts
from iaas.common import runtime
from iaas.common.rest.middleware import Bound, Guard
from iaas.db import hosts
from tests.fixtures import compute, contract
from tests.fixtures.compute import clients

__all__ = ["clients"]


class VolumeApi:
    """A client of the application under test; every answer is held against the published contract."""

    def __init__(self, made: Any) -> None:
        self.clients = made
        self.wsgi = Bound(Guard(volume_app.app_factory({}), "volume"), made)
        self.member = compute.context(compute.USER, compute.PROJECT, "member", "reader")
        self.reader = compute.context(compute.READER_USER, compute.PROJECT, "reader")
        self.admin = compute.context(compute.ADMIN_USER, compute.PROJECT, "admin", "member", "reader")
        self.other_project = compute.context(compute.OTHER_USER, compute.OTHER_PROJECT, "member", "reader")

    def request(
        self, method: str, path: str, body: Any = None, version: str | None = None, *, ctx: Any = "member",
        root: bool = False,
    ) -> webob.Response:  # fmt: skip
        """Send one request and return the answer; ``root`` for a path that is not behind ``/v3``."""
        request = webob.Request.blank(path if root else "/v3" + path, method=method)
        if body is not None:
            request.content_type = "application/json"
            request.body = body if isinstance(body, bytes) else json.dumps(body).encode()
        if version is not None:
            request.headers["OpenStack-API-Version"] = f"volume {version}"
        who = self.member if ctx == "member" else ctx
        if who is not None:
            request.environ["iaas.context"] = who
        response = request.get_response(self.wsgi)
        operation = request.environ.get("iaas.operation")
        if operation is not None and not root:
            contract.record_exercised("block-storage", operation.method, operation.path)
            body = json.loads(response.body) if response.body else None
            contract.validate_response(
                "block-storage", method, operation.path, response.status_int, body, microversion=version
            )
        return response

    def make(self, size: int = 1, ctx: Any = "member", **words: Any) -> dict[str, Any]:
        """Create a volume and return it."""
        response = self.request("POST", "/volumes", {"volume": {"size": size, **words}}, ctx=ctx)
        assert response.status_int == 202, response.text
        return response.json["volume"]

    def show(self, volume_id: str, ctx: Any = "member") -> dict[str, Any]:
        return self.request("GET", f"/volumes/{volume_id}", ctx=ctx).json["volume"]

    def quota(self) -> dict[str, Any]:
        """Return the project's use of each resource."""
        found = self.request("GET", f"/os-quota-sets/{compute.PROJECT}?usage=true").json["quota_set"]
        return {name: found[name]["in_use"] for name in ("volumes", "gigabytes")}

    def service(self, binary: str = "iaas-volume", host: str = "store1", zone: str = "nova") -> None:
        """Let a service report, as a worker does."""
        self.clients.db.write(contexts.admin(), hosts.start_service, runtime.uuid(), binary, host, zone)


@pytest.fixture
def api(clients: Any) -> VolumeApi:
    return VolumeApi(clients)
