"""A client of the cloud: plain HTTP over one kept connection to each service."""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

MICROVERSION = "2.37"
SERVICES = {"identity": "/v3", "image": "/v2", "compute": "", "network": "/v2.0"}


class Refused(Exception):
    """An answer that is not the one a benchmark may go on with."""


class Client:
    """One client of one user; ``twin`` gives another of the same user with connections of its own."""

    def __init__(self, account: dict[str, str]) -> None:
        self.account = account
        self.token = ""
        self.catalog: dict[str, str] = {"identity": account["OS_AUTH_URL"].rstrip("/").removesuffix("/v3") + "/v3"}
        self._kept: dict[str, http.client.HTTPConnection] = {}

    def twin(self) -> Client:
        other = Client(self.account)
        other.token, other.catalog = self.token, self.catalog
        return other

    def login(self) -> Client:
        """Log in by password, keep the token, and learn where the services are.

        :raises Refused: the catalog has no endpoint of one of ``SERVICES`` of the wanted interface and region.
        """
        answer, body = self.call("identity", "POST", "/auth/tokens", self.by_password(), ok=(201,))
        self.token = answer.headers["X-Subject-Token"]
        for service in body["token"]["catalog"]:
            urls = [endpoint["url"] for endpoint in service["endpoints"] if self._is_wanted(endpoint)]
            if urls and service["type"] in SERVICES and service["type"] != "identity":
                suffix = SERVICES[service["type"]]
                self.catalog[service["type"]] = urls[0].rstrip("/").removesuffix(suffix) + suffix
        if missing := SERVICES.keys() - self.catalog.keys():
            raise Refused(f"the catalog has no {self.interface} endpoint of: {', '.join(sorted(missing))}")
        return self

    @property
    def interface(self) -> str:
        return self.account.get("OS_INTERFACE", "public").removesuffix("URL")

    def _is_wanted(self, endpoint: dict[str, Any]) -> bool:
        region = self.account.get("OS_REGION_NAME")
        return endpoint["interface"] == self.interface and region in (None, "", endpoint.get("region"))

    def by_password(self) -> dict[str, Any]:
        user = {
            "name": self.account["OS_USERNAME"],
            "password": self.account["OS_PASSWORD"],
            "domain": self._domain("USER"),
        }
        identity = {"methods": ["password"], "password": {"user": user}}
        return {"auth": {"identity": identity, "scope": self._scope()}}

    def by_token(self) -> dict[str, Any]:
        return {"auth": {"identity": {"methods": ["token"], "token": {"id": self.token}}, "scope": self._scope()}}

    def _scope(self) -> dict[str, Any]:
        return {"project": {"name": self.account["OS_PROJECT_NAME"], "domain": self._domain("PROJECT")}}

    def _domain(self, whose: str) -> dict[str, str]:
        by_id = self.account.get(f"OS_{whose}_DOMAIN_ID")
        return {"id": by_id} if by_id else {"name": self.account.get(f"OS_{whose}_DOMAIN_NAME", "Default")}

    # -- HTTP --------------------------------------------------------------------------------------------

    def call(
        self, service: str, method: str, path: str, body: Any = None, *, ok: Iterable[int] = (200, 201, 202, 204)
    ) -> tuple[http.client.HTTPResponse, Any]:
        """Send one request and return the answer and its JSON.

        :raises Refused: the status is not one of ``ok``.
        """
        connection, prefix = self.connection(service)
        raw = json.dumps(body) if body is not None else None
        connection.request(method, prefix + path, raw, self.headers(body is not None))
        answer = connection.getresponse()
        content = answer.read()
        if answer.status not in ok:
            raise Refused(f"{method} {path}: {answer.status} {content[:300]!r}")
        is_json = content and answer.headers.get("Content-Type", "").startswith("application/json")
        return answer, json.loads(content) if is_json else None

    def get(self, service: str, path: str) -> Any:
        return self.call(service, "GET", path)[1]

    def connection(self, service: str) -> tuple[http.client.HTTPConnection, str]:
        """Return the kept connection to a service and the path it is under."""
        where = urlsplit(self.catalog[service])
        if service not in self._kept and where.scheme == "https":
            trusted = ssl.create_default_context(cafile=self.account.get("OS_CACERT"))
            self._kept[service] = http.client.HTTPSConnection(
                where.hostname or "", where.port, timeout=120, context=trusted
            )
        elif service not in self._kept:
            self._kept[service] = http.client.HTTPConnection(where.hostname or "", where.port, timeout=120)
        return self._kept[service], where.path

    def headers(self, with_body: bool) -> dict[str, str]:
        headers = {"Accept": "application/json", "OpenStack-API-Version": f"compute {MICROVERSION}"}
        if self.token:
            headers["X-Auth-Token"] = self.token
        if with_body:
            headers["Content-Type"] = "application/json"
        return headers

    # -- images ------------------------------------------------------------------------------------------

    def new_image(self, name: str) -> str:
        wanted = {"name": name, "disk_format": "raw", "container_format": "bare"}
        return self.call("image", "POST", "/images", wanted)[1]["id"]

    def upload(self, image_id: str, block: bytes, times: int) -> None:
        """Upload ``block``, ``times`` over."""
        connection, prefix = self.connection("image")
        connection.putrequest("PUT", f"{prefix}/images/{image_id}/file")
        for name, value in self.headers(False).items():
            connection.putheader(name, value)
        connection.putheader("Content-Type", "application/octet-stream")
        connection.putheader("Content-Length", str(len(block) * times))
        connection.endheaders()
        for _ in range(times):
            connection.send(block)
        answer = connection.getresponse()
        if answer.status != 204:
            raise Refused(f"upload: {answer.status} {answer.read()[:300]!r}")
        answer.read()

    def download(self, image_id: str, buffer: bytearray) -> int:
        """Download an image into ``buffer``, over and over, and return how many bytes came."""
        connection, prefix = self.connection("image")
        connection.request("GET", f"{prefix}/images/{image_id}/file", headers=self.headers(False))
        answer = connection.getresponse()
        if answer.status != 200:
            raise Refused(f"download: {answer.status} {answer.read()[:300]!r}")
        total = 0
        while size := answer.readinto(buffer):
            total += size
        return total
