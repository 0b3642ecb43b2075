"""How the other services ask the identity service: pooled HTTP with time limits, logged in as the services' user.

Source: https://docs.openstack.org/api-ref/identity/v3/#authentication-and-token-management
"""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import logging
from collections.abc import Mapping
from typing import Any

import orjson
import urllib3
from cachetools import TTLCache

from iaas.common import errors, runtime
from iaas.common.conf import Settings
from iaas.identity import rules

LOG = logging.getLogger(__name__)
CONNECT_TIMEOUT = 3.0
READ_TIMEOUT = 20.0
#: seconds of life left at which our own token is replaced
RENEW_BEFORE = 120.0
#: seconds an unknown token is remembered as such, at most
REFUSED_SECONDS = 2.0
MAX_CACHED = 10_000
MAX_REFUSED = 2_000
MAX_TOKEN = 8192
_SENTENCE = "The identity service cannot be reached at the moment; try again."


class IdentityClient:
    """The identity service as another service of this cloud sees it."""

    def __init__(self, settings: Settings, http: urllib3.PoolManager | None = None) -> None:
        identity = settings.identity
        self._url = identity.url.rstrip("/").removesuffix("/v3") + "/v3"
        self._login = (identity.username, identity.password, identity.project)
        self._http = http or _pool()
        self._is_pool = http is None
        self._lock = runtime.lock()
        self._memory = runtime.lock()  # the caches are not made for several native threads
        self._token: tuple[str, float] | None = None
        self._seconds = identity.cache_seconds
        ttl = max(self._seconds, 0.001)
        self._known: TTLCache[bytes, Mapping[str, Any]] = TTLCache(MAX_CACHED, ttl, timer=runtime.monotonic)
        self._refused: TTLCache[bytes, bool] = TTLCache(MAX_REFUSED, min(ttl, REFUSED_SECONDS), timer=runtime.monotonic)

    def identify(self, token: str) -> Mapping[str, Any] | None:
        """Return :meth:`validate` of a token, at most ``identity.cache_seconds`` old.

        :raises Unavailable: the identity service cannot be asked.
        """
        if not self._seconds:
            return self.validate(token)
        key = hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
        with self._memory:
            known, refused = self._known.get(key), key in self._refused
        if known is not None:
            return known if runtime.time() < moment(known["expires_at"]) else None
        if refused:
            return None
        known = self.validate(token)
        with self._memory:
            if known is None:
                self._refused[key] = True
            else:
                self._known[key] = known
        return known

    def validate(self, token: str) -> Mapping[str, Any] | None:
        """Return what a token says (the value of ``token`` in the answer), or None if it is not in force.

        :raises Unavailable: the identity service cannot be asked.
        """
        if len(token) > MAX_TOKEN or not token.isascii() or not token.isprintable():
            return None
        status, body = self._asked(
            "GET", "/auth/tokens?nocatalog", headers={"X-Subject-Token": token, rules.HEADER: "1"}
        )
        if status == 404:
            return None
        return self._token_in(status, body)

    def ec2_token(self, credentials: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return what a token for the signer of an EC2 request says.

        :param credentials: the document of ``iaas.identity.sigv4.from_wsgi``
        :raises Unauthenticated: the signature, its time or its key is wrong.
        :raises Unavailable: the identity service cannot be asked.
        """
        status, body = self._asked("POST", "/ec2tokens?nocatalog", {"credentials": credentials})
        if status in (400, 401, 403):
            raise errors.Unauthenticated()
        return self._token_in(status, body)

    def catalog(self) -> list[dict[str, Any]]:
        """Return the catalog as the services' user sees it.

        :raises Unavailable: the identity service cannot be asked.
        """
        status, body = self._asked("GET", "/auth/catalog")
        if status != 200:
            raise _unusable(status)
        return body["catalog"]

    def token(self) -> str:
        """Return a token of the services' user that lives for another while.

        :raises Unavailable: the identity service cannot be asked, or refuses us.
        """
        if (kept := self._kept()) is not None:
            return kept
        if runtime.in_native():  # no green lock there; to log in twice does no harm
            return self._renewed()
        with self._lock:
            return self._kept() or self._renewed()

    def _kept(self) -> str | None:
        token = self._token
        return None if token is None or token[1] - runtime.time() < RENEW_BEFORE else token[0]

    def _renewed(self) -> str:
        token = self._token = self._log_in()
        return token[0]

    # -- HTTP --------------------------------------------------------------------------------------------

    def _asked(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, Any]:
        """Send a request with our token; a 401 means that it was revoked, so log in again, once."""
        for attempt in (1, 2):
            own = self.token()
            response = self._send(method, path, body, {**(headers or {}), "X-Auth-Token": own})
            if response.status != 401 or attempt == 2 or self._is_own(own):
                break
        return response.status, _parsed(response)  # type: ignore[possibly-undefined]

    def _is_own(self, token: str) -> bool:
        """Drop our token if it is no longer in force; return whether it still is."""
        response = self._send("GET", "/auth/tokens?nocatalog", None, {"X-Auth-Token": token, "X-Subject-Token": token})
        if response.status == 200:
            return True
        with self._lock:
            if self._token is not None and self._token[0] == token:
                self._token = None
        return False

    def _log_in(self) -> tuple[str, float]:
        name, password, project = self._login
        domain = {"id": "default"}
        user = {"name": name, "domain": domain, "password": password}
        auth = {
            "identity": {"methods": ["password"], "password": {"user": user}},
            "scope": {"project": {"name": project, "domain": domain}},
        }
        response = self._send("POST", "/auth/tokens?nocatalog", {"auth": auth}, {})
        if response.status != 201:
            LOG.error("the identity service refuses the services' user %s: %s", name, response.status)
            raise _unusable(response.status)
        expires = moment(_parsed(response)["token"]["expires_at"])
        return response.headers["X-Subject-Token"], expires

    def _send(self, method: str, path: str, body: Any, headers: Mapping[str, str]) -> urllib3.BaseHTTPResponse:
        sent = {**headers, "Accept": "application/json"}
        raw = None
        if body is not None:
            raw = orjson.dumps(body)
            sent["Content-Type"] = "application/json"
        try:
            with self._connections() as http:
                response = http.request(method, self._url + path, body=raw, headers=sent, redirect=False)
        except urllib3.exceptions.HTTPError as error:
            LOG.warning("the identity service did not answer %s %s: %s", method, path, type(error).__name__)
            raise errors.Unavailable(reason=_SENTENCE) from None
        if response.status >= 500:
            raise _unusable(response.status)
        return response

    def _connections(self) -> contextlib.AbstractContextManager[urllib3.PoolManager]:
        """The pool, or in a native thread one for this request only: those of green threads have green locks."""
        return _pool() if self._is_pool and runtime.in_native() else contextlib.nullcontext(self._http)

    @staticmethod
    def _token_in(status: int, body: Any) -> Mapping[str, Any]:
        if status not in (200, 201) or not isinstance(body, dict) or "token" not in body:
            raise _unusable(status)
        return body["token"]


def _pool() -> urllib3.PoolManager:
    # a kept connection may have been closed by the other side: once more, then it is an error
    retries = urllib3.Retry(total=1, redirect=0, status=0, other=0, allowed_methods=None, backoff_factor=0)
    timeout = urllib3.Timeout(connect=CONNECT_TIMEOUT, read=READ_TIMEOUT)
    return urllib3.PoolManager(num_pools=4, maxsize=64, retries=retries, timeout=timeout)


def _unusable(status: int) -> errors.Unavailable:
    LOG.warning("the identity service answered %s", status)
    return errors.Unavailable(reason=_SENTENCE)


def _parsed(response: urllib3.BaseHTTPResponse) -> Any:
    try:
        return orjson.loads(response.data) if response.data else None
    except ValueError:
        raise _unusable(response.status) from None


def moment(text: str) -> float:
    """Return seconds since the epoch of a time as Identity writes it."""
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
