"""A sound cloud has no findings, neither while it works nor at rest."""

from __future__ import annotations

import dataclasses
import json

from iaas.common import context, rpc
from iaas.doctor import HostTruth, Truth, diagnose, examine, host_truth, merged
from iaas.doctor.invariants import ELSEWHERE
from iaas.network import rpcapi
from iaas.network.api import security_groups
from iaas.network.api.rules import NewRule

pytest_plugins = ["tests.fixtures.cloud"]


def truth(cloud):
    """What the workers say their host has, and what waits in the queues."""
    host = HostTruth(volumes={})
    for worker in cloud.workers.values():
        host = merged(host, host_truth(json.loads(json.dumps(worker.truth()))))
    return Truth(hosts={"host1": host}, ratios=cloud.settings.scheduler, down_after=600.0, limits_kept=True)


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


def test_filters_follow_the_rules_and_what_somebody_changed_on_the_host_is_told_and_loaded_again(cloud):
    cloud.start()
    server = cloud.boot("vm", networks="auto")
    cloud.until_status(server, "ACTIVE")

    def findings():
        return [(one.invariant, one.fix) for one in examine(cloud.clients.db, truth(cloud), quiet=True)]

    assert findings() == []
    project = cloud.server(server)["tenant_id"]
    ctx = dataclasses.replace(context.admin(), project_id=project)
    with cloud.clients.db.read(ctx) as tx:
        group = security_groups.db.default_of(tx, project)
    assert group is not None
    security_groups.add_rules(cloud.clients, ctx, [NewRule(group.id, "ingress", "IPv4", "tcp", 80, 80)])
    cloud.until(lambda: findings() == [])
    world = cloud.network.world
    (wire,) = world.plan.wires
    guard = dataclasses.replace(wire.guards[0], nets=())
    world.plan = dataclasses.replace(
        world.plan,
        wires=(dataclasses.replace(wire, addresses=(), guards=(guard,)),),
        groups={group.id: dataclasses.replace(world.plan.groups[group.id], ingress=())},
        members=dict.fromkeys(world.plan.members, frozenset()),
    )
    assert sorted(findings()) == [("I14", "load_anew"), ("I14", "load_anew"), ("I9", "load_anew")]
    client = rpc.Client(cloud.transport)
    rpcapi.refresh(client, "host1")
    cloud.until(lambda: findings() == [])
    client.close()


def test_what_waits_inside_the_process_is_told(cloud):
    cloud.start()
    assert examine(cloud.clients.db, truth(cloud), quiet=True) == []
    client = rpc.Client(cloud.transport)
    client.cast("volume", "run_job", context.admin(), job_id="j", resource_id="r")
    client.cast("compute.host1", "dance", context.admin())
    cloud.until(lambda: cloud.transport.depth(rpc.DEAD) == 1)
    found = [str(one) for one in examine(cloud.clients.db, truth(cloud), quiet=True)]
    assert found == ["I15 queue iaas.dead: 1 message is dead.", "I15 queue volume: 1 message waits."]
    client.close()
