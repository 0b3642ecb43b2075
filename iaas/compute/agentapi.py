"""How to ask a compute host's agent: signed HTTP, because console text never travels on the message bus."""

from __future__ import annotations

import hashlib
import hmac
import logging

import requests

from iaas.common import errors, runtime

LOG = logging.getLogger(__name__)


class HostUnreachable(errors.IaasError):
    kind = errors.Kind.CONFLICT
    template = "The host of instance {instance_id} does not answer at the moment; try again later."


def sign(secret: str, method: str, path: str, at: int) -> str:
    """Return the signature of one request made at ``at`` (seconds)."""
    return hmac.new(secret.encode(), f"{method}\n{path}\n{at}".encode(), hashlib.sha256).hexdigest()


class AgentClient:
    """The API's side."""

    def __init__(self, secret: str) -> None:
        self._secret = secret
        self._session = requests.Session()
        self._session.trust_env = False

    def console_log(self, agent_url: str, instance_id: str) -> bytes:
        """Return the last 100 KiB of a guest's console log; empty if the host does not know the guest.

        :raises HostUnreachable: the host's agent does not answer.
        """
        path = f"/guests/{instance_id}/log"
        at = int(runtime.time())
        headers = {"X-Agent-Time": str(at), "X-Agent-Signature": sign(self._secret, "GET", path, at)}
        try:
            answer = self._session.get(agent_url + path, headers=headers, timeout=(3, 15))
        except requests.RequestException as error:
            LOG.warning("agent %s: %s", agent_url, error)
            raise HostUnreachable(instance_id=instance_id) from None
        if answer.status_code == 404:
            return b""
        if answer.status_code != 200:
            LOG.warning("agent %s answered %d", agent_url, answer.status_code)
            raise HostUnreachable(instance_id=instance_id)
        return answer.content
