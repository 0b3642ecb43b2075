"""How the controller asks the image service: one pooled HTTP session, facts kept for some seconds.

The requests carry the token of the services' user, who sees every image; so what a project may see is decided for
each of its requests, from the facts or by asking the service in the project's place.
Source: https://docs.openstack.org/api-ref/image/v2/
"""

from __future__ import annotations

import datetime
import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import urlencode

import orjson
import requests
from cachetools import TTLCache
from requests.adapters import HTTPAdapter

from iaas.common import errors, runtime, units
from iaas.common.conf import Settings
from iaas.common.context import RequestContext
from iaas.common.rest.schemas import is_uuid

LOG = logging.getLogger(__name__)
TIMEOUT = (3.0, 20.0)  # seconds to connect, and between two answers
DATA_TIMEOUT = (3.0, 120.0)  # the last byte of an upload is answered once the image is safe on disk
CHUNK = units.MIB
MAX_CACHED = 2000
PAGE = 1000
VIEW_HEADER = "X-Image-View-Project"
_SENTENCE = "The image service cannot be reached at the moment; try again."
_FIXED = frozenset({
    "id", "name", "status", "visibility", "owner", "disk_format", "container_format", "size", "virtual_size",
    "checksum", "os_hash_algo", "os_hash_value", "min_disk", "min_ram", "protected", "os_hidden", "tags",
    "created_at", "updated_at", "self", "file", "schema",
})  # fmt: skip


class ImageNotFound(errors.IaasError):
    kind = errors.Kind.NOT_FOUND
    template = "Image {image_id} could not be found."


class ImageRefused(errors.IaasError):
    """The image service refused; ``reason`` is its sentence."""

    kind = errors.Kind.INVALID
    template = "{reason}"


class ImageDenied(errors.IaasError):
    kind = errors.Kind.FORBIDDEN
    template = "{reason}"


@dataclass(frozen=True)
class ImageFacts:
    """An image as the controller needs it.

    :ivar size: bytes of the data; None before there are any
    :ivar virtual_size: bytes of the disk the image becomes
    :ivar created_at: seconds since the epoch, as ``updated_at``
    """

    id: str
    name: str | None
    status: str
    visibility: str
    owner: str | None
    disk_format: str | None
    container_format: str | None
    size: int | None
    virtual_size: int | None
    checksum: str | None
    hash_algo: str | None
    hash_value: str | None
    min_disk_gb: int
    min_ram_mb: int
    protected: bool
    hidden: bool
    tags: tuple[str, ...]
    created_at: float
    updated_at: float
    properties: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> ImageFacts:
        """Return the facts in an image as the API shows it."""
        return cls(
            id=body["id"],
            name=body["name"],
            status=body["status"],
            visibility=body["visibility"],
            owner=body["owner"],
            disk_format=body["disk_format"],
            container_format=body["container_format"],
            size=body["size"],
            virtual_size=body["virtual_size"],
            checksum=body["checksum"],
            hash_algo=body["os_hash_algo"],
            hash_value=body["os_hash_value"],
            min_disk_gb=body["min_disk"],
            min_ram_mb=body["min_ram"],
            protected=body["protected"],
            hidden=body["os_hidden"],
            tags=tuple(body["tags"]),
            created_at=_seconds(body["created_at"]),
            updated_at=_seconds(body["updated_at"]),
            properties={name: value for name, value in body.items() if name not in _FIXED},
        )


def _seconds(text: str) -> float:
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


class TokenSource(Protocol):
    """Who gives us a token of the services' user: ``iaas.identity.client.IdentityClient``."""

    def token(self) -> str: ...


class ImageClient:
    """The image service as the controller sees it."""

    def __init__(self, settings: Settings, identity: TokenSource) -> None:
        self._base = settings.image.url.rstrip("/").removesuffix("/v2") + "/v2"
        self._identity = identity
        self._http = _session()
        seconds = settings.image.cache_seconds
        self._keeps = seconds > 0
        #: by image: facts; by image and project: whether the project may see it
        self._facts: TTLCache[str, ImageFacts] = TTLCache(MAX_CACHED, max(seconds, 0.001), timer=runtime.monotonic)
        self._shown: TTLCache[tuple[str, str], bool] = TTLCache(
            MAX_CACHED, max(seconds, 0.001), timer=runtime.monotonic
        )

    def close(self) -> None:
        self._http.close()

    # -- what a project sees -----------------------------------------------------------------------------

    def get(self, ctx: RequestContext, image_id: str) -> ImageFacts:
        """Return an image the request may use, at most ``image.cache_seconds`` old.

        :raises ImageNotFound: no such image, or it is not visible to the project.
        :raises Unavailable: the image service cannot be asked.
        """
        if not is_uuid(image_id):
            raise ImageNotFound(image_id=image_id[:64])
        image_id = image_id.lower()
        facts = self._facts.get(image_id)
        if facts is None:
            facts = ImageFacts.of(self._json("GET", f"/images/{image_id}", image_id=image_id))
            # What may change soon is not worth remembering
            if self._keeps and facts.status == "active":
                self._facts[image_id] = facts
        if not self._is_visible(ctx, facts):
            raise ImageNotFound(image_id=image_id)
        return facts

    def _is_visible(self, ctx: RequestContext, facts: ImageFacts) -> bool:
        if ctx.is_admin or facts.visibility in ("public", "community"):
            return True
        if ctx.project_id is None:
            return False
        if facts.owner == ctx.project_id:
            return True
        return facts.visibility == "shared" and self._is_member(ctx.project_id, facts.id)

    def _is_member(self, project_id: str, image_id: str) -> bool:
        key = (image_id, project_id)
        shown = self._shown.get(key)
        if shown is None:
            response = self._send("GET", f"/images/{image_id}", view=project_id)
            if response.status_code not in (200, 404):
                raise _error(response, image_id)
            shown = response.status_code == 200
            if self._keeps:
                self._shown[key] = shown
        return shown

    def list(self, ctx: RequestContext, filters: Mapping[str, Any] | None = None) -> Iterator[ImageFacts]:
        """Yield the images a list shows to the request, newest first unless ``filters`` sort otherwise.

        :param filters: the query parameters of ``GET /v2/images``; a ``limit`` is that of a page
        :raises ImageRefused: the service does not understand a filter.
        :raises Unavailable: the image service cannot be asked.
        """
        query = {"limit": PAGE, **(filters or {})}
        path: str | None = f"/images?{urlencode(query, doseq=True)}"
        while path is not None:
            page = self._json("GET", path, view=_view(ctx))
            yield from map(ImageFacts.of, page["images"])
            path = page["next"].removeprefix("/v2") if "next" in page else None

    def delete(self, ctx: RequestContext, image_id: str) -> None:
        """Delete an image of the request's project.

        :raises ImageNotFound: no such image, or it is not visible to the project.
        :raises ImageDenied: it is protected, or another project's.
        """
        response = self._send("DELETE", f"/images/{_checked(image_id)}", view=_view(ctx))
        self._facts.pop(image_id.lower(), None)
        if response.status_code != 204:
            raise _error(response, image_id)

    # -- what the cloud does by itself -------------------------------------------------------------------

    def read(self, image_id: str) -> Iterator[bytes]:
        """Yield the data of an image, in large chunks; the caller compares its hash with the image's facts.

        It may be read in a native thread, so it has a session of its own: those of green threads have green locks.

        :raises ImageNotFound: there is no such image, or it has no data.
        :raises Unavailable: the image service cannot be asked, or the connection broke.
        """
        path = f"/images/{_checked(image_id)}/file"
        with _session() as http, self._send("GET", path, stream=True, timeout=DATA_TIMEOUT, http=http) as response:
            if response.status_code == 204:
                raise ImageNotFound(image_id=image_id)
            if response.status_code != 200:
                raise _error(response, image_id)
            left = int(response.headers["Content-Length"])
            try:
                for chunk in response.iter_content(CHUNK):
                    left -= len(chunk)
                    yield chunk
            except requests.RequestException as error:
                raise _unreachable("GET", path, error) from None
            if left:
                raise errors.Unavailable(reason=f"The data of image {image_id} ended {left} bytes early; try again.")

    def create(self, project_id: str, image_id: str | None = None, **attributes: Any) -> ImageFacts:
        """Record an image of a project, without data: for snapshots.

        :param attributes: in the words of the API; unknown ones become properties, which are texts
        :raises ImageRefused: the service does not take it.
        """
        wanted = {**attributes, "owner": project_id, **({"id": image_id} if image_id else {})}
        return ImageFacts.of(self._json("POST", "/images", body=wanted, image_id=image_id))

    def upload(self, image_id: str, chunks: Iterable[bytes]) -> None:
        """Give an image its data.

        :raises ImageRefused: the service does not take it; the reason is its sentence.
        :raises ImageNotFound: the image was deleted.
        """
        path = f"/images/{_checked(image_id)}/file"
        octets = "application/octet-stream"
        response = self._send("PUT", path, data=iter(chunks), timeout=DATA_TIMEOUT, content_type=octets)
        self._facts.pop(image_id.lower(), None)
        if response.status_code != 204:
            raise _error(response, image_id)

    # -- HTTP --------------------------------------------------------------------------------------------

    def _json(
        self, method: str, path: str, *, body: Any = None, view: str | None = None, image_id: str | None = None
    ) -> Any:
        data = None if body is None else orjson.dumps(body)
        response = self._send(method, path, data=data, view=view)
        if response.status_code not in (200, 201):
            raise _error(response, image_id or "")
        return orjson.loads(response.content)

    def _send(
        self,
        method: str,
        path: str,
        *,
        data: Any = None,
        view: str | None = None,
        stream: bool = False,
        timeout: tuple[float, float] = TIMEOUT,
        content_type: str = "application/json",
        http: requests.Session | None = None,
    ) -> requests.Response:
        headers = {"X-Auth-Token": self._identity.token(), "Accept": "*/*", "Accept-Encoding": "identity"}
        if view:
            headers[VIEW_HEADER] = view
        if data is not None:
            headers["Content-Type"] = content_type
        # A kept connection may have been closed meanwhile: what can be sent again is, once
        tries = 2 if method in ("GET", "DELETE") else 1
        for left in reversed(range(tries)):
            try:
                response = (http or self._http).request(
                    method, self._base + path, data=data, headers=headers, stream=stream, timeout=timeout,
                    allow_redirects=False,
                )  # fmt: skip
                break
            except requests.Timeout as error:
                raise _unreachable(method, path, error) from None
            except requests.RequestException as error:
                if not left:
                    raise _unreachable(method, path, error) from None
        return response  # type: ignore[possibly-undefined]


def _session() -> requests.Session:
    """Return a session without a proxy of the environment: it is between two services of one cloud."""
    session = requests.Session()
    session.trust_env = False
    adapter = HTTPAdapter(pool_connections=2, pool_maxsize=64, max_retries=0)
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    return session


def _view(ctx: RequestContext) -> str | None:
    """Whose eyes a request is answered for; None is an administrator's."""
    if ctx.is_admin:
        return None
    return ctx.project_id or "no-project"


def _checked(image_id: str) -> str:
    if not is_uuid(image_id):
        raise ImageNotFound(image_id=image_id[:64])
    return image_id.lower()


def _unreachable(method: str, path: str, error: Exception) -> errors.Unavailable:
    LOG.warning("the image service did not answer %s %s: %s", method, path.partition("?")[0], type(error).__name__)
    return errors.Unavailable(reason=_SENTENCE)


def _error(response: requests.Response, image_id: str) -> errors.IaasError:
    """The service's refusal as an error of ours."""
    status = response.status_code
    if status == 404:
        return ImageNotFound(image_id=image_id)
    if status == 401 or status >= 500:
        LOG.warning("the image service answered %s", status)
        return errors.Unavailable(reason=_SENTENCE)
    try:
        reason = str(orjson.loads(response.content)["message"])
    except (ValueError, KeyError, TypeError):
        reason = f"The image service answered {status}."
    match status:
        case 403:
            return ImageDenied(reason=reason)
        case 409:
            return errors.Conflict(reason=reason)
        case 413:
            return errors.TooLarge(reason=reason)
    return ImageRefused(reason=reason)
