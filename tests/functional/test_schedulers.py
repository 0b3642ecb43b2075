"""Several schedulers at once: exactly what fits is placed, nothing is sold twice, quotas stay exact."""

from __future__ import annotations

import dataclasses

from iaas.common import context, runtime
from iaas.db import hosts, quotas
from iaas.jobs.service import WorkerService
from iaas.scheduler.manager import SchedulerManager

pytest_plugins = ["tests.fixtures.cloud"]
SLOTS, ASKED = 40, 60


def test_four_schedulers_place_exactly_what_fits(cloud):
    cloud.host = dataclasses.replace(cloud.host, memory_mb=SLOTS * 64, vcpus=64)
    for name in ("instances", "cores", "ram"):
        setattr(cloud.clients.settings.quota, name, -1)
    cloud.start("network", "compute")
    others = [
        WorkerService("scheduler", cloud.clients, host=f"s{n}", manager=SchedulerManager(cloud.clients))
        for n in range(4)
    ]
    for other in others:
        other.start()
    image = cloud.images.add().id
    body = {"name": "m", "imageRef": image, "flavorRef": "1", "networks": "none", "min_count": 20, "max_count": 20}
    makers = [
        runtime.spawn(cloud.api.request, "POST", "/servers", {"server": body}, "2.37") for _ in range(ASKED // 20)
    ]
    assert [maker.wait().status_int for maker in makers] == [202] * len(makers)

    def count(status):
        return len(cloud.api.request("GET", f"/servers?status={status}&limit=1000").json["servers"])

    cloud.until(lambda: count("ACTIVE") + count("ERROR") == ASKED, seconds=60)
    for other in others:
        other.stop()
    assert (count("ACTIVE"), count("ERROR")) == (SLOTS, ASKED - SLOTS)
    with cloud.clients.db.read(context.admin()) as tx:
        row = hosts.get(tx, "host1")
        used = {r.resource: r.used for r in quotas.of_project(tx, cloud.api.member.project_id)}
    assert (row.used_memory_mb, row.running) == (SLOTS * 64, SLOTS)
    assert used["instances"] == ASKED
    assert len(cloud.guests()) == SLOTS
