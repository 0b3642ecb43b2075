"""Agents: the network workers, each with whether it is alive."""

from __future__ import annotations

import pytest

from iaas.common import context, runtime
from iaas.db import hosts
from iaas.network.api.agents import BINARY
from tests.fixtures import contract
from tests.fixtures.network import Caller, NetworkCloud

BEAT = 10.0  # seconds between two heartbeats, as configured unless told otherwise
#: published as strings, against every real answer
DOUBTFUL = {"alive", "configurations"}


@pytest.fixture
def cloud() -> NetworkCloud:
    return NetworkCloud(compute__heartbeat_every=BEAT)


@pytest.fixture
def admin(cloud) -> Caller:
    return cloud.as_user("admin", admin=True)


def worker(cloud: NetworkCloud, host: str, *, binary: str = BINARY, silent_for: float = 0.0, **columns) -> str:
    """Record a worker that reported ``silent_for`` seconds ago; return its id."""
    service_id = runtime.uuid()

    def write(tx):
        hosts.start_service(tx, service_id, binary, host, "nova")
        hosts.update_service(tx, service_id, seen_at=runtime.time() - silent_for, **columns)

    cloud.clients.db.write(context.admin(), write)
    return service_id


def found(admin: Caller, query: str = "") -> list[str]:
    answer = admin.get(f"/v2.0/agents{query}")
    assert answer.status == 200, answer.body
    return [row["host"] for row in answer.body["agents"]]


def test_an_agent_is_shown_as_it_is_listed_and_as_the_contract_has_it(cloud, admin):
    agent_id = worker(cloud, "one")
    listed = admin.get("/v2.0/agents").body
    path = f"/v2.0/agents/{agent_id}"
    shown = admin.get(path).body
    (row,) = listed["agents"]
    assert shown["agent"] == row
    assert {name: row[name] for name in ("id", "host", "binary", "topic", "availability_zone", "description")} == {
        "id": agent_id, "host": "one", "binary": BINARY, "topic": "network", "availability_zone": "nova",
        "description": None,
    }  # fmt: skip
    assert (row["alive"], row["admin_state_up"]) == (True, True)
    plain = {name: value for name, value in row.items() if name not in DOUBTFUL}
    contract.validate_response("network", "GET", "/v2.0/agents", 200, {"agents": [plain]})
    contract.validate_response("network", "GET", path, 200, {"agent": plain})


def test_only_network_workers_are_agents(cloud, admin):
    other = worker(cloud, "one", binary="iaas-compute")
    worker(cloud, "two")
    worker(cloud, "one")
    assert found(admin) == ["one", "two"]
    for agent_id in (other, runtime.uuid(), "none"):
        answer = admin.get(f"/v2.0/agents/{agent_id}")
        assert (answer.status, answer.body["NeutronError"]["type"]) == (404, "AgentNotFound")


@pytest.mark.parametrize(
    ("silent_for", "columns", "alive"),
    [
        (5 * BEAT, {}, True),
        (7 * BEAT, {}, False),
        (0.0, {"forced_down": True}, False),
        (0.0, {"disabled": True, "disabled_reason": "repair"}, True),
    ],
)
def test_an_agent_is_alive_while_its_worker_reports_and_is_not_forced_down(cloud, admin, silent_for, columns, alive):
    agent = admin.get(f"/v2.0/agents/{worker(cloud, 'one', silent_for=silent_for, **columns)}").body["agent"]
    assert agent["alive"] is alive
    assert agent["admin_state_up"] is not columns.get("disabled", False)
    assert agent["description"] == columns.get("disabled_reason")


def test_agents_are_found_by_what_they_are(cloud, admin):
    first = worker(cloud, "one", disabled=True, disabled_reason="repair")
    worker(cloud, "two", silent_for=100 * BEAT)
    assert found(admin, f"?id={first}") == ["one"]
    assert found(admin, "?host=two") == ["two"]
    assert found(admin, "?host=one&host=two") == ["one", "two"]
    assert found(admin, "?host=one&alive=false") == []
    assert found(admin, "?alive=True") == ["one"]
    assert found(admin, "?admin_state_up=false") == ["one"]
    assert found(admin, "?description=repair") == ["one"]
    assert found(admin, f"?binary={BINARY}&topic=network&availability_zone=nova") == ["one", "two"]
    assert found(admin, "?agent_type=L3%20agent") == []


@pytest.mark.parametrize("query", ["alive=perhaps", "admin_state_up=", "nonsense=1"])
def test_a_question_about_agents_that_makes_no_sense_is_400(cloud, admin, query):
    worker(cloud, "one")
    assert admin.get(f"/v2.0/agents?{query}").status == 400


def test_an_answer_has_the_fields_that_are_asked_for(cloud, admin):
    agent_id = worker(cloud, "one")
    assert admin.get("/v2.0/agents?fields=host&fields=alive").body == {"agents": [{"host": "one", "alive": True}]}
    assert admin.get(f"/v2.0/agents/{agent_id}?fields=id&fields=host").body == {
        "agent": {"id": agent_id, "host": "one"}
    }


def test_only_an_administrator_sees_agents(cloud):
    demo, path = cloud.as_user("demo"), f"/v2.0/agents/{worker(cloud, 'one')}"
    assert [demo.get(path).status, demo.get("/v2.0/agents").status] == [403, 403]


def test_agents_are_sorted_and_come_in_pages(cloud, admin):
    ids = {host: worker(cloud, host) for host in ("one", "two", "three", "four")}
    assert found(admin, "?sort_key=host&sort_dir=desc") == ["two", "three", "one", "four"]
    first = admin.get("/v2.0/agents?sort_key=host&sort_dir=asc&limit=2").body
    assert [row["host"] for row in first["agents"]] == ["four", "one"]
    assert [link["rel"] for link in first["agents_links"]] == ["next"]
    assert f"marker={ids['one']}" in first["agents_links"][0]["href"]
    assert found(admin, f"?sort_key=host&sort_dir=asc&limit=9&marker={ids['one']}") == ["three", "two"]
    before = f"?sort_key=host&sort_dir=asc&limit=1&marker={ids['two']}&page_reverse=True"
    assert found(admin, before) == ["three"]
    for bad in ("?sort_key=colour", f"?marker={runtime.uuid()}", "?limit=-1", "?colour=red"):
        assert admin.get(f"/v2.0/agents{bad}").status == 400
