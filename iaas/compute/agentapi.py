"""How to ask a compute host's agent: signed HTTP, because console text never travels on the message bus."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import re
import socket
import urllib.parse
from collections.abc import Mapping
from typing import Any

import requests

from iaas.common import errors, runtime

LOG = logging.getLogger(__name__)
CONSOLES = ("vnc", "serial")
PROTOCOL = "iaas-console"  # what the connection is upgraded to: the bytes of the console
CONNECT_SECONDS = 3.0
ANSWER_SECONDS = 15.0
MAX_HEAD = 4096
#: for a worker to say all that its host has: a host of 1,000 guests does within two, twice a call of libvirt for each
TRUTH_SECONDS = 20.0
MAX_TRUTH = 64 << 20  # bytes: of 1,000 guests with their ports and filters they are under one million
WINDOW = 30.0  # seconds a clock may be off; a request is heard once within it
_STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ")


class HostUnreachable(errors.IaasError):
    kind = errors.Kind.CONFLICT
    template = "The host of instance {instance_id} does not answer at the moment; try again later."


class NoConsole(errors.IaasError):
    kind = errors.Kind.CONFLICT
    template = "Instance {instance_id} has no {kind} console at the moment."


def sign(secret: str, method: str, path: str, at: int, nonce: str) -> str:
    """Return the signature of one request made at ``at`` (seconds); ``nonce`` makes it a request of its own."""
    return hmac.new(secret.encode(), f"{method}\n{path}\n{at}\n{nonce}".encode(), hashlib.sha256).hexdigest()


class NotSigned(errors.IaasError):
    kind = errors.Kind.UNAUTHENTICATED
    template = "The request is not signed."


class WronglySigned(errors.IaasError):
    kind = errors.Kind.FORBIDDEN
    template = "{reason}"


class TruthUntold(errors.IaasError):
    kind = errors.Kind.UNAVAILABLE
    template = "{binary} at {url} does not say what its host has: {reason}"


class Verifier:
    """The side that is asked: believes a request of now that is signed with the secret, and each one once."""

    def __init__(self, secret: str) -> None:
        self._secret = secret
        self._heard: dict[str, float] = {}  # signature → when it is too old to be believed anyway
        self._hearing = runtime.lock()

    def check(self, method: str, path: str, headers: Mapping[str, str]) -> None:
        """Believe a request, or not.

        :param headers: by name in lower case
        :raises NotSigned: it does not say who it is from.
        :raises WronglySigned: it is not signed with the secret, not of now, or was heard before.
        """
        at, nonce = headers.get("x-agent-time", ""), headers.get("x-agent-nonce", "")
        given = headers.get("x-agent-signature", "")
        now = runtime.time()
        if not (at or given):
            raise NotSigned()
        if not (at.isascii() and at.isdecimal() and len(at) < 12 and abs(now - int(at)) <= WINDOW):
            raise WronglySigned(reason="The request is not of this time; compare the clocks of the two hosts.")
        good = sign(self._secret, method, path, int(at), nonce)
        if not self._secret or not hmac.compare_digest(good.encode(), given.encode("latin-1", "replace")):
            raise WronglySigned(reason="The request is not signed with this host's secret.")
        with self._hearing:
            self._heard = {signature: until for signature, until in self._heard.items() if until > now}
            if good in self._heard:
                raise WronglySigned(reason="The request was heard before.")
            self._heard[good] = int(at) + WINDOW + 1.0


class AgentClient:
    """The side of the API and of the console proxy, and of who compares hosts with the database."""

    def __init__(self, secret: str) -> None:
        self._secret = secret
        self._session = requests.Session()
        self._session.trust_env = False

    def console_log(self, agent_url: str, instance_id: str) -> bytes:
        """Return the last 100 KiB of a guest's console log; empty if the host does not know the guest.

        :raises HostUnreachable: the host's agent does not answer.
        """
        path = f"/guests/{instance_id}/log"
        try:
            answer = self._session.get(
                agent_url + path, headers=self._signed("GET", path), timeout=(CONNECT_SECONDS, ANSWER_SECONDS)
            )
        except requests.RequestException as error:
            LOG.warning("agent %s: %s", agent_url, error)
            raise HostUnreachable(instance_id=instance_id) from None
        if answer.status_code == 404:
            return b""
        if answer.status_code != 200:
            LOG.warning("agent %s answered %d", agent_url, answer.status_code)
            raise HostUnreachable(instance_id=instance_id)
        return answer.content

    def console(self, agent_url: str, instance_id: str, kind: str) -> socket.socket:
        """Return a connection to a guest's ``vnc`` or ``serial`` console: from its first byte on, the guest's own.

        :raises NoConsole: the guest is not running on this host, or its console does not listen.
        :raises HostUnreachable: the host's agent does not answer.
        """
        url = urllib.parse.urlsplit(agent_url)
        path = f"/guests/{instance_id}/{kind}"
        headers = {"Host": url.netloc, "Connection": "Upgrade", "Upgrade": PROTOCOL, **self._signed("GET", path)}
        lines = [f"GET {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
        try:
            sock = socket.create_connection((url.hostname or "", url.port or 0), timeout=CONNECT_SECONDS)
        except OSError as error:
            LOG.warning("agent %s: %s", agent_url, error)
            raise HostUnreachable(instance_id=instance_id) from None
        try:
            sock.settimeout(ANSWER_SECONDS)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
            status = _status(sock)
        except OSError as error:
            sock.close()
            LOG.warning("agent %s: %s", agent_url, error)
            raise HostUnreachable(instance_id=instance_id) from None
        if status == 101:
            return sock
        sock.close()
        LOG.warning("agent %s answered %d for the %s console of %s", agent_url, status, kind, instance_id)
        if status in (404, 503):
            raise NoConsole(instance_id=instance_id, kind=kind)
        raise HostUnreachable(instance_id=instance_id)

    def truth(self, admin_url: str, binary: str) -> dict[str, Any]:
        """Return what a worker says its host really has, asked at the admin port of its daemon.

        It is back within :data:`TRUTH_SECONDS` and the time of a connection, whatever the worker does.

        :param admin_url: of the worker's row in ``services``
        :raises TruthUntold: it does not answer in time, or refuses.
        """
        path = f"/truth/{binary}"
        try:
            status, told = self._told(admin_url, path, runtime.monotonic() + TRUTH_SECONDS)
        except (requests.Timeout, TimeoutError):
            reason = f"no answer within {TRUTH_SECONDS:g} s"
            raise TruthUntold(binary=binary, url=admin_url, reason=reason) from None
        except (requests.RequestException, ValueError) as error:
            raise TruthUntold(binary=binary, url=admin_url, reason=type(error).__name__) from None
        if status != 200 or not isinstance(told, dict):
            reason = told.get("error", "") if isinstance(told, dict) else ""
            raise TruthUntold(binary=binary, url=admin_url, reason=f"{status} {reason}")
        return told

    def _told(self, admin_url: str, path: str, until: float) -> tuple[int, Any]:
        """Return the status and the words of an answer.

        :raises TimeoutError: it is not whole at ``until``.
        :raises ValueError: it is longer than an answer is, or no JSON.
        """
        waits, headers = (CONNECT_SECONDS, TRUTH_SECONDS), self._signed("GET", path)
        whole = bytearray()
        with self._session.get(
            admin_url + path, headers=headers, timeout=waits, allow_redirects=False, stream=True
        ) as answer:
            for part in answer.iter_content(1 << 16):
                whole += part
                if len(whole) > MAX_TRUTH:
                    raise ValueError("longer than any truth")
                if runtime.monotonic() > until:
                    raise TimeoutError
            return answer.status_code, json.loads(whole)

    def _signed(self, method: str, path: str) -> dict[str, str]:
        at, nonce = int(runtime.time()), runtime.secret_bytes(16).hex()
        signature = sign(self._secret, method, path, at, nonce)
        return {"X-Agent-Time": str(at), "X-Agent-Nonce": nonce, "X-Agent-Signature": signature}


def _status(sock: socket.socket) -> int:
    """Return the status of an answer, having read its head and not a byte more: what follows is the console's.

    :raises OSError: it is not an answer.
    """
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        part = sock.recv(1)
        if not part or len(head) > MAX_HEAD:
            raise OSError("the answer has no end")
        head += part
    found = _STATUS.match(head)
    if found is None:
        raise OSError("this is not an answer of an agent")
    return int(found[1])
