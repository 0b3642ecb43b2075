"""The doorbell: a cast that tells a topic's worker to look at a job."""

from __future__ import annotations

import logging

from iaas.common import context, errors, rpc, runtime

LOG = logging.getLogger(__name__)
MAX_WAITING = 200


class Bell:
    """Rings without making the caller wait: a broker that is down costs a request nothing."""

    def __init__(self, client: rpc.Client) -> None:
        self._client = client
        self._waiting = runtime.semaphore(MAX_WAITING)

    def ring(self, topic: str, job_id: str, resource_id: str) -> None:
        if self._waiting.acquire(blocking=False):  # else: too many wait for the broker; the sweep is the net
            runtime.spawn(self._ring, topic, job_id, resource_id)

    def _ring(self, topic: str, job_id: str, resource_id: str) -> None:
        try:
            self._client.cast(topic, "run_job", context.admin(), job_id=job_id, resource_id=resource_id)
        except errors.IaasError as error:
            LOG.info("ring of job %s on %s failed, the sweep will find it: %s", job_id, topic, error)
        finally:
            self._waiting.release()
