"""The metadata relay of one network: carries a guest's request to the metadata API and vouches for its sender.

A guest says nothing about who it is that anybody believes. The relay listens where only one network's guests
can reach it, takes the address from the socket, and signs both; the metadata API looks the port up by
(network, address). Whatever a guest sends in headers of that kind stays behind (SECURITY T41, OSSA-2013-033).
"""

from __future__ import annotations

import hashlib
import hmac
import urllib.parse
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import requests

from iaas.common import errors, runtime

FORWARDED_FOR = "X-Forwarded-For"
NETWORK_ID = "X-Network-ID"
SIGNATURE = "X-Network-Signature"

METHODS = ("GET", "HEAD", "POST", "PUT")
MAX_PATH = 2048
MAX_BODY = 64 * 1024  # bytes a guest may send
MAX_ANSWER = 1024 * 1024  # bytes of one answer
MAX_CLIENTS = 32  # requests of one network at a time
TIMEOUT = 10.0  # seconds to connect, and between two reads
DEADLINE = 30.0  # seconds for the whole answer
TAKEN = (
    "Accept",
    "Content-Type",
    "User-Agent",
    "X-aws-ec2-metadata-token",
    "X-aws-ec2-metadata-token-ttl-seconds",
)
GIVEN = ("Content-Type", "ETag", "Last-Modified", "X-aws-ec2-metadata-token-ttl-seconds")

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
SessionFactory = Callable[[], Any]


class _Answer(Exception):
    """Ends a request with a plain text of our own."""

    def __init__(self, status: str, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


def signature(secret: str, network_id: str, address: str) -> str:
    """Return what proves that a relay saw ``address`` on a network: an HMAC-SHA256 in hexadecimal.

    :raises Invalid: the secret is empty, so everybody could sign.
    """
    if not secret:
        raise errors.Invalid(reason="The secret shared by the metadata relay and the metadata API is empty.")
    return hmac.new(secret.encode(), f"{network_id},{address}".encode(), hashlib.sha256).hexdigest()


def check(secret: str, network_id: str, address: str, given: str) -> bool:
    """Say whether ``given`` is the signature of a network and an address, in constant time.

    :raises Invalid: the secret is empty.
    """
    return hmac.compare_digest(signature(secret, network_id, address).encode(), given.encode())


def plain_session() -> requests.Session:
    """Return an HTTP session that heeds no proxy and no credentials of the host."""
    session = requests.Session()
    session.trust_env = False
    return session


def relay(
    network_id: str, metadata_url: str, shared_secret: str, session_factory: SessionFactory = plain_session
) -> Relay:
    """Return the WSGI application for one network's metadata listener.

    :raises Invalid: the secret is empty.
    """
    signature(shared_secret, network_id, "")
    return Relay(network_id, metadata_url.rstrip("/"), shared_secret, session_factory)


class Relay:
    """A WSGI application; see :func:`relay`."""

    def __init__(self, network_id: str, url: str, secret: str, session_factory: SessionFactory) -> None:
        self._network_id = network_id
        self._url = url
        self._secret = secret
        self._session_factory = session_factory
        self._idle: list[Any] = []
        self._room = runtime.semaphore(MAX_CLIENTS)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        try:
            status, headers, body = self._carry(environ)
        except _Answer as answer:
            status, body = answer.status, f"{answer.text}\n".encode()
            headers = [("Content-Type", "text/plain; charset=utf-8")]
        start_response(status, [*headers, ("Content-Length", str(len(body)))])
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]

    def _carry(self, environ: Environ) -> tuple[str, list[tuple[str, str]], bytes]:
        method = environ["REQUEST_METHOD"]
        if method not in METHODS:
            raise _Answer("405 Method Not Allowed", f"{method} is not served here.")
        url, data, headers = self._url + _target(environ), _body(environ), self._headers(environ)
        with self._session() as session:
            deadline = runtime.monotonic() + DEADLINE
            answer = session.request(
                method, url, data=data, headers=headers, timeout=TIMEOUT, allow_redirects=False, stream=True
            )
            with answer:
                if answer.status_code >= 500:
                    raise _Answer("502 Bad Gateway", "The metadata service failed.")
                body = _read(answer, deadline)
                given = [(name, answer.headers[name]) for name in GIVEN if name in answer.headers]
                return f"{answer.status_code} {answer.reason or 'Unknown'}", given, body

    def _headers(self, environ: Environ) -> dict[str, str]:
        address = environ["REMOTE_ADDR"]
        found = {name: environ[key] for name in TAKEN if (key := _key(name)) in environ}
        own = {
            FORWARDED_FOR: address,
            NETWORK_ID: self._network_id,
            SIGNATURE: signature(self._secret, self._network_id, address),
            "Accept-Encoding": "identity",
        }
        return {**found, **own}

    @contextmanager
    def _session(self) -> Iterator[Any]:
        """Lend a session that nobody else uses; one that failed is not used again."""
        if not self._room.acquire(blocking=False):
            raise _Answer("503 Service Unavailable", "Too many metadata requests at a time; try again.")
        try:
            session = self._idle.pop() if self._idle else self._session_factory()
            try:
                yield session
            except (requests.RequestException, OSError):
                session.close()
                raise _Answer("503 Service Unavailable", "The metadata service cannot be reached; try again.") from None
            self._idle.append(session)
        finally:
            self._room.release()


def _key(name: str) -> str:
    return "CONTENT_TYPE" if name == "Content-Type" else "HTTP_" + name.upper().replace("-", "_")


def _target(environ: Environ) -> str:
    """Return path and query as they were sent, if they can mean only one thing."""
    path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
    query = environ.get("QUERY_STRING", "")
    raw = path.encode("latin-1")
    odd = not raw.startswith(b"/") or any(part in (b".", b"..") for part in raw.split(b"/")) or min(raw) < 32
    if odd or len(raw) + len(query) > MAX_PATH:
        raise _Answer("404 Not Found", "There is no such metadata.")
    return urllib.parse.quote(raw) + (f"?{urllib.parse.quote(query, safe='=&%+,;:/@-._~')}" if query else "")


def _body(environ: Environ) -> bytes | None:
    text = environ.get("CONTENT_LENGTH") or ("0" if "HTTP_TRANSFER_ENCODING" not in environ else "")
    if not (text.isascii() and text.isdecimal()):
        raise _Answer("411 Length Required", "Say how long the body is.")
    size = int(text)
    if size > MAX_BODY:
        raise _Answer("413 Content Too Large", f"A body has at most {MAX_BODY} bytes.")
    return environ["wsgi.input"].read(size) if size else None


def _read(answer: Any, deadline: float) -> bytes:
    parts, size = [], 0
    for part in answer.iter_content(64 * 1024):
        parts.append(part)
        size += len(part)
        if size > MAX_ANSWER or runtime.monotonic() > deadline:
            raise _Answer("502 Bad Gateway", "The metadata service said too much or took too long.")
    return b"".join(parts)
