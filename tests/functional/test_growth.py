"""What grows with the cloud, and what must not: statements of a list, a boot and a deletion beside many servers."""

from __future__ import annotations

import pytest
from bench import fill

pytest_plugins = ["tests.fixtures.cloud"]
FLAVOR = (
    "1",
    {"original_name": "tiny", "vcpus": 1, "ram": 64, "disk": 1, "ephemeral": 0, "swap": 0, "extra_specs": {}},
)


@pytest.fixture
def grown(cloud):
    """A cloud, and a function that brings it to so many servers of the member's project, on hosts that take no more."""
    there = [0]
    names = fill.add_hosts(cloud.clients.db, 5, disabled=True)
    project = cloud.api.member.project_id

    def grow(count):
        fill.add_servers(cloud.clients.db, count - there[0], project, "u", cloud.images.add().id, FLAVOR, names)
        there[0] = count

    return cloud, grow


@pytest.mark.parametrize("path", ["/servers", "/servers/detail", "/servers/detail?all_tenants=1", "/servers?name=x"])
def test_a_list_takes_as_many_statements_of_a_thousand_servers_as_of_ten(grown, path):
    cloud, grow = grown
    sent = {}
    for count in (10, 1000):
        grow(count)
        answers = []
        sent[count] = cloud.api.statements(
            lambda answers=answers: answers.append(cloud.api.request("GET", path, ctx=cloud.api.admin, check=False))
        )
        assert len(answers[0].json["servers"]) == (0 if "name" in path else count)
    assert sent[10] == sent[1000]


def test_a_boot_and_a_deletion_take_as_many_statements_beside_a_thousand_servers(grown):
    cloud, grow = grown
    image = cloud.images.add().id
    body = {"server": {"name": "x", "imageRef": image, "flavorRef": "1", "networks": "none"}}
    sent = {}
    for count in (10, 1000):
        grow(count)
        cloud.clients.backlog._counted_at = float("-inf")  # else it depends on the clock whether it is counted again
        made = []
        posted = cloud.api.statements(
            lambda made=made: made.append(cloud.api.request("POST", "/servers", body, "2.37").json["server"]["id"])
        )
        deleted = cloud.api.statements(lambda made=made: cloud.api.request("DELETE", f"/servers/{made[0]}"))
        sent[count] = (posted, deleted)
    assert sent[10] == sent[1000]
