"""States: every server, volume, job and image is in one that its table knows."""

from __future__ import annotations

from collections.abc import Iterator

from iaas.compute.states import INSTANCE
from iaas.db import jobs as db
from iaas.doctor.case import Case
from iaas.doctor.findings import Finding
from iaas.image.states import IMAGE
from iaas.volume.states import VOLUME

JOBS = (*db.LIVE, db.DONE, db.FAILED, db.SUPERSEDED)
BY_HAND = "The API shows it as {word}; its owner can delete it"
SETTLE = (
    f"It becomes what its last job and its guest say, if they do. {BY_HAND.format(word='UNKNOWN')}. "
    "docs/states/instance.md has the states."
)
SETTLE_VOLUME = (
    f"It becomes available if it was made and its back-end has all of it. {BY_HAND.format(word='unknown')}. "
    "docs/states/volume.md has the states."
)
REVIVE = (
    "Its worker does its step again, if it holds its resource's place; else no row says how it ended: set it by hand."
)
IMAGE_BY_HAND = (
    "Set it to active if the store has its bytes and nobody deactivated it, else delete it. "
    "docs/states/image.md has the states."
)


def are_known(case: Case) -> Iterator[Finding]:
    """I2: a server, a volume and a job is in a state that its table knows."""
    for row in case.rows.instances:
        if not INSTANCE.state_of(row).known:
            what = f"It is {row.vm_state}/{row.task_state or 'no task'}, which is no state."
            yield Finding("I2", f"server {row.id}", what, row.updated_at, SETTLE, "settle_state")
    for row in case.rows.volumes:
        if not VOLUME.state_of(row).known:
            what = f"It is {row.status}, which is no state."
            yield Finding("I2", f"volume {row.id}", what, row.updated_at, SETTLE_VOLUME, "settle_volume_state")
    jobs = {job.id: job for job in (*case.rows.jobs, *case.rows.history)}
    for job in jobs.values():
        if job.state not in JOBS:
            what = f"{job.kind}.{job.step} of {job.resource_type} {job.resource_id} is {job.state}, which is no state."
            yield Finding("I2", f"job {job.id}", what, job.updated_at, REVIVE, "revive_job")


def of_images_are_known(case: Case) -> Iterator[Finding]:
    """I11: an image is in a state that its table knows."""
    for row in case.images.images:
        if not IMAGE.state_of(row).known:
            what = f"It is {row.status}, which is no state."
            yield Finding("I11", f"image {row.id}", what, row.updated_at, IMAGE_BY_HAND)
