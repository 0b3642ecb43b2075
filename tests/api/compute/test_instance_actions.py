"""What was done to a server, as each version tells members and administrators."""

from __future__ import annotations

import urllib.parse
from typing import Any

import pytest

from tests.fixtures.servers_asked import refused

pytest_plugins = ["tests.fixtures.cloud"]


def actions(cloud, server_id: str, version: str, query: str = "", ctx: Any = "member"):
    return cloud.api.request("GET", f"/servers/{server_id}/os-instance-actions?{query}", version=version, ctx=ctx)


def one(cloud, server_id: str, request_id: str, version: str, ctx: Any = "member"):
    path = f"/servers/{server_id}/os-instance-actions/{request_id}"
    # the samples from before 2.51 are an administrator's: only they saw the steps then
    check = ctx is cloud.api.admin or version not in ("2.1", "2.21")
    return cloud.api.request("GET", path, version=version, ctx=ctx, check=check)


def did(response) -> list[str]:
    assert response.status_int == 200, response.text
    return [action["action"] for action in response.json["instanceActions"]]


@pytest.fixture
def lived(cloud) -> str:
    """A server that was made, stopped and started."""
    cloud.start()
    server_id = cloud.boot()
    cloud.until_status(server_id, "ACTIVE")
    for action, status in (("os-stop", "SHUTOFF"), ("os-start", "ACTIVE")):
        assert cloud.api.request("POST", f"/servers/{server_id}/action", {action: None}).status_int == 202
        cloud.until_status(server_id, status)
    return server_id


@pytest.fixture
def failed(cloud) -> tuple[str, str]:
    """A server no host could start, and the request that asked for it."""
    cloud.start()
    cloud.world.fail_next("start", at="before", times=9)
    server_id = cloud.boot()
    cloud.until_status(server_id, "ERROR")
    [action] = actions(cloud, server_id, "2.1").json["instanceActions"]
    return server_id, action["request_id"]


def test_actions_are_listed_newest_first_in_the_fields_of_each_version(cloud, lived):
    fields = {"action", "instance_uuid", "request_id", "user_id", "project_id", "start_time", "message"}
    for version, more in (("2.1", set()), ("2.21", set()), ("2.51", set()), ("2.58", {"updated_at"})):
        for ctx in (cloud.api.member, cloud.api.admin):
            response = actions(cloud, lived, version, ctx=ctx)
            assert did(response) == ["start", "stop", "create"]
            assert {frozenset(action) for action in response.json["instanceActions"]} == {frozenset(fields | more)}


def test_the_actions_of_a_deleted_server_are_shown_from_2_21_on_to_its_owner(cloud, lived):
    request_id = actions(cloud, lived, "2.1").json["instanceActions"][0]["request_id"]
    cloud.api.request("DELETE", f"/servers/{lived}")
    cloud.until(lambda: cloud.server(lived)["status"] == "GONE")
    refused(actions(cloud, lived, "2.20"), 404)
    refused(one(cloud, lived, request_id, "2.20"), 404)
    assert did(actions(cloud, lived, "2.21")) == ["delete", "start", "stop", "create"]
    assert one(cloud, lived, request_id, "2.21").status_int == 200
    refused(actions(cloud, lived, "2.21", ctx=cloud.api.other_project), 404)


def test_what_an_administrator_did_shows_a_deleted_server_to_nobody_else(cloud):
    cloud.start()
    theirs = cloud.api.request(
        "POST",
        "/servers",
        {"server": {"name": "s", "imageRef": cloud.images.add().id, "flavorRef": "1", "networks": "none"}},
        "2.37",
        ctx=cloud.api.other_project,
    ).json["server"]["id"]
    assert cloud.api.request("DELETE", f"/servers/{theirs}", ctx=cloud.api.admin).status_int == 204
    cloud.until(lambda: cloud.server(theirs, ctx=cloud.api.other_project)["status"] == "GONE")
    assert cloud.api.admin.project_id == cloud.api.member.project_id
    refused(actions(cloud, theirs, "2.21"), 404)
    assert "delete" in did(actions(cloud, theirs, "2.21", ctx=cloud.api.other_project))


@pytest.mark.parametrize(
    ("version", "members", "admins"),
    [
        ("2.1", None, {"traceback"}),
        ("2.21", None, {"traceback"}),
        ("2.51", set(), {"traceback"}),
        ("2.58", set(), {"traceback"}),
        ("2.62", {"hostId"}, {"hostId", "host", "traceback"}),
        ("2.66", {"hostId"}, {"hostId", "host", "traceback"}),
        ("2.84", {"hostId"}, {"hostId", "host", "traceback", "details"}),
    ],
)
def test_the_steps_of_an_action_are_told_as_each_version_does(cloud, failed, version, members, admins):
    server_id, request_id = failed
    always = {"event", "start_time", "finish_time", "result"}
    for ctx, more in ((cloud.api.member, members), (cloud.api.admin, admins)):
        action = one(cloud, server_id, request_id, version, ctx).json["instanceAction"]
        assert action["message"] == "Error"
        assert ("events" in action) == (more is not None)
        if more is not None:
            assert {frozenset(event) for event in action["events"]} == {frozenset(always | more)}
            assert "Error" in {event["result"] for event in action["events"]}


def test_only_administrators_read_why_a_step_failed_and_where(cloud, failed):
    server_id, request_id = failed
    told = one(cloud, server_id, request_id, "2.84").text
    assert "host1" not in told
    events = one(cloud, server_id, request_id, "2.84", cloud.api.admin).json["instanceAction"]["events"]
    assert {event["host"] for event in events if event["result"] != "Success"} >= {"host1"}
    assert all(event["details"] for event in events if event["result"] != "Success")


def test_actions_are_paged_from_2_58_on(cloud, lived):
    found, query = [], "limit=1"
    for _ in range(4):
        response = actions(cloud, lived, "2.58", query)
        found += did(response)
        if "links" not in response.json:
            break
        [link] = response.json["links"]
        assert link["rel"] == "next"
        query = urllib.parse.urlsplit(link["href"]).query
    assert found == ["start", "stop", "create"]
    assert did(actions(cloud, lived, "2.57", "limit=1")) == ["start", "stop", "create"]
    assert did(actions(cloud, lived, "2.58", "limit=0")) == []


@pytest.mark.parametrize("query", ["marker=req-none", "limit=x", "limit=-1", "changes-since=now", "colour=red"])
def test_a_page_there_is_not_is_refused(cloud, query):
    refused(actions(cloud, cloud.boot(), "2.58", query), 400)


def test_actions_are_found_by_when_they_changed(cloud, lived):
    listed = actions(cloud, lived, "2.66").json["instanceActions"]
    last = listed[0]["updated_at"]
    assert did(actions(cloud, lived, "2.58", f"changes-since={last}")) == ["start"]
    first = listed[-1]["updated_at"]
    assert did(actions(cloud, lived, "2.66", f"changes-before={first}")) == ["create"]
    refused(actions(cloud, lived, "2.65", f"changes-before={first}"), 400)
    refused(actions(cloud, lived, "2.66", f"changes-since={last}&changes-before={first}"), 400, "changes-since")


def test_a_request_that_did_nothing_to_the_server_is_404(cloud, lived):
    refused(one(cloud, lived, "bogus-action", "2.1"), 404, "bogus-action")
