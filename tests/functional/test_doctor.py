"""A sound cloud has no findings, neither while it works nor at rest."""

from __future__ import annotations

import dataclasses
import json

from iaas.doctor import HostTruth, Truth, diagnose, examine, host_truth, merged
from iaas.doctor.invariants import ELSEWHERE

pytest_plugins = ["tests.fixtures.cloud"]


def truth(cloud, queues=None):
    """What the workers say their host has, and what waits in the queues."""
    host = HostTruth(volumes={})
    for worker in cloud.workers.values():
        host = merged(host, host_truth(json.loads(json.dumps(worker.manager.truth()))))
    return Truth(hosts={"host1": host}, queues=queues or {}, ratios=cloud.settings.scheduler, limits_kept=True)


def action(cloud, server, word):
    answer = cloud.api.request("POST", f"/servers/{server}/action", {word: None}, "2.37")
    assert answer.status_int == 202, answer.text


def test_a_whole_life_is_clean_at_every_moment_and_at_rest(cloud):
    cloud.host = dataclasses.replace(cloud.host, memory_mb=2000)
    cloud.start()
    seen = []

    def look():
        seen.extend(examine(cloud.clients.db, truth(cloud), quiet=False))
        return True

    servers = [cloud.boot(f"vm{n}", networks="auto") for n in range(4)]
    servers.append(cloud.boot("alone"))
    too_large = cloud.boot("large", flavor="big", networks="auto")
    for server in servers:
        cloud.until(lambda server=server: look() and cloud.server(server)["status"] == "ACTIVE")
    cloud.until_status(too_large, "ERROR")
    action(cloud, servers[0], "os-stop")
    cloud.until(lambda: look() and cloud.server(servers[0])["status"] == "SHUTOFF")
    assert examine(cloud.clients.db, truth(cloud), quiet=True) == []
    for server in [*servers[1:], too_large]:
        assert cloud.api.request("DELETE", f"/servers/{server}").status_int == 204
    for server in [*servers[1:], too_large]:
        cloud.until(lambda server=server: look() and cloud.server(server)["status"] == "GONE")
    assert seen == []
    found = diagnose(cloud.clients.db, truth(cloud), quiet=True)
    assert found.findings == []
    not_asked = {row.invariant for row in found.unchecked}
    assert not_asked == {*ELSEWHERE, "I8", "I11"}, "only what needs the image service is left out"
