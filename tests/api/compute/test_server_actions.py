"""Servers: changing and deleting them, what is done to them in which state, and who may."""

from __future__ import annotations

from typing import Any

import pytest

from iaas.common import runtime
from iaas.db import instances
from iaas.jobs import submit
from tests.fixtures.compute import add_instance
from tests.fixtures.servers_asked import create, refused, write

pytest_plugins = ["tests.fixtures.cloud"]


# -- update ------------------------------------------------------------------------------------------------


def update(cloud, server_id: str, version="2.90", ctx: Any = "member", **server: Any):
    return cloud.api.request("PUT", f"/servers/{server_id}", {"server": server}, version, ctx=ctx)


def test_name_description_and_host_name_are_changed(cloud):
    server_id = cloud.boot()
    shown = update(cloud, server_id, name=" new ", description="d", hostname="h").json["server"]
    assert (shown["name"], shown["description"], shown["OS-EXT-SRV-ATTR:hostname"]) == ("new", "d", "h")
    assert update(cloud, server_id, description=None).json["server"]["description"] is None


def test_a_change_is_answered_with_every_field_from_2_75_on(cloud):
    server_id = cloud.boot()
    few, all_ = (update(cloud, server_id, version, name="new").json["server"] for version in ("2.74", "2.75"))
    assert {"name", "OS-DCF:diskConfig", "locked", "flavor", "tags"} <= few.keys()
    later = {"key_name", "config_drive", "OS-EXT-STS:vm_state", "OS-EXT-AZ:availability_zone", "OS-SRV-USG:launched_at",
             "os-extended-volumes:volumes_attached"}  # fmt: skip
    assert later <= all_.keys()
    assert not later & few.keys()


@pytest.mark.parametrize(
    "version", ["2.1", "2.9", "2.19", "2.26", "2.47", "2.63", "2.71", "2.73", "2.75", "2.90", "2.96"]
)
def test_the_answer_to_an_update_is_as_published(cloud, version):
    server_id = cloud.boot()
    for ctx in (cloud.api.member, cloud.api.admin):
        assert update(cloud, server_id, version, ctx, name="new").status_int == 200


@pytest.mark.parametrize(
    ("version", "change"),
    [
        ("2.96", {"name": ""}),
        ("2.96", {"name": "  "}),
        ("2.18", {"description": "d"}),
        ("2.89", {"hostname": "h"}),
        ("2.96", {"status": "ACTIVE"}),
        ("2.96", {"accessIPv6": "1.2.3.4"}),
    ],
)
def test_a_change_nobody_can_make_is_refused(cloud, version, change):
    server_id = cloud.boot("old")
    refused(update(cloud, server_id, version, **change), 400)
    assert cloud.server(server_id)["name"] == "old"


# -- delete ------------------------------------------------------------------------------------------------


def test_deleting_twice_is_one_deletion_and_then_404(cloud):
    server_id = cloud.boot()
    for _ in range(2):
        assert cloud.api.request("DELETE", f"/servers/{server_id}").status_int == 204
    cloud.start()
    cloud.until(lambda: cloud.server(server_id)["status"] == "GONE")
    refused(cloud.api.request("DELETE", f"/servers/{server_id}"), 404, server_id)


# -- whose it is, and whether it is locked -----------------------------------------------------------------

OPERATIONS = [
    ("GET", "", None),
    ("PUT", "", {"server": {"name": "mine"}}),
    ("DELETE", "", None),
    ("POST", "/action", {"os-start": None}),
    ("POST", "/action", {"os-stop": None}),
    ("POST", "/action", {"os-stop": {}}),
    ("POST", "/action", {"reboot": {"type": "HARD"}}),
    ("POST", "/action", {"os-getConsoleOutput": {}}),
    ("GET", "/metadata", None),
    ("POST", "/metadata", {"metadata": {"a": "b"}}),
    ("PUT", "/metadata", {"metadata": {"a": "b"}}),
    ("GET", "/metadata/k", None),
    ("PUT", "/metadata/k", {"meta": {"k": "b"}}),
    ("DELETE", "/metadata/k", None),
    ("GET", "/os-instance-actions", None),
    ("GET", "/os-instance-actions/{request}", None),
]


@pytest.mark.parametrize(("method", "path", "body"), OPERATIONS)
def test_another_projects_server_is_not_there(cloud, method, path, body):
    server_id = cloud.boot(metadata={"k": "v"})
    [action] = cloud.api.request("GET", f"/servers/{server_id}/os-instance-actions").json["instanceActions"]
    path = path.format(request=action["request_id"])
    before = cloud.server(server_id)
    stranger = cloud.api.request(method, f"/servers/{server_id}{path}", body, ctx=cloud.api.other_project)
    nobodys = cloud.api.request(method, f"/servers/{runtime.uuid()}{path}", body)
    no_id = cloud.api.request(method, f"/servers/no-such{path}", body)
    assert [stranger.status_int, nobodys.status_int, no_id.status_int] == [404, 404, 404]
    assert cloud.server(server_id) == before


LOCKED = [
    row
    for row in OPERATIONS
    if row[0] != "GET" and "os-getConsoleOutput" not in (row[2] or {}) and "server" not in (row[2] or {})
]


@pytest.mark.parametrize(("method", "path", "body"), LOCKED)
def test_a_locked_server_is_a_conflict_but_for_administrators(cloud, method, path, body):
    server_id = cloud.boot(metadata={"k": "v"})
    write(cloud, server_id, locked=True)
    refused(cloud.api.request(method, f"/servers/{server_id}{path}", body), 409, "locked")


def test_an_administrator_deletes_a_locked_server(cloud):
    server_id = cloud.boot()
    write(cloud, server_id, locked=True)
    assert cloud.api.request("DELETE", f"/servers/{server_id}", ctx=cloud.api.admin).status_int == 204


def test_a_reader_may_look_and_not_touch(cloud):
    server_id = cloud.boot(metadata={"k": "v"})
    for method, path, body in OPERATIONS[1:]:
        if method != "GET":
            response = cloud.api.request(method, f"/servers/{server_id}{path}", body, ctx=cloud.api.reader)
            assert response.status_int == 403, (method, path)
    assert cloud.server(server_id, ctx=cloud.api.reader)["id"] == server_id
    refused(create(cloud, ctx=cloud.api.reader), 403)


# -- what is done to a server, and in which state ----------------------------------------------------------

STATES = {
    "BUILD": ("building", "spawning"),
    "ACTIVE": ("active", None),
    "SHUTOFF": ("stopped", None),
    "ERROR": ("error", None),
    "starting": ("stopped", "powering-on"),
    "stopping": ("active", "powering-off"),
    "REBOOT": ("active", "rebooting"),
    "HARD_REBOOT": ("active", "rebooting_hard"),
    "deleting": ("active", "deleting"),
}
ALLOWED = {
    "os-start": {"SHUTOFF"},
    "os-stop": {"ACTIVE", "ERROR"},
    "SOFT": {"ACTIVE"},
    "HARD": {"ACTIVE", "SHUTOFF", "ERROR", "REBOOT"},
}


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("what", ALLOWED)
def test_an_action_is_accepted_in_the_states_it_is_meant_for_and_a_conflict_in_others(api, what, state):
    vm_state, task_state = STATES[state]
    server_id = add_instance(api.clients, "host1", vm_state=vm_state, task_state=task_state, image_id="i")
    body = {what: None} if what.startswith("os-") else {"reboot": {"type": what}}
    response = api.request("POST", f"/servers/{server_id}/action", body)
    if state in ALLOWED[what]:
        assert response.status_int == 202, response.text
        assert response.body == b""
    else:
        assert response.status_int == 409, response.text
        assert response.json["conflictingRequest"]["code"] == 409
        assert server_id in response.json["conflictingRequest"]["message"]


def test_a_server_without_a_host_cannot_be_started(api):
    server_id = add_instance(api.clients, None, vm_state="error")
    refused(api.request("POST", f"/servers/{server_id}/action", {"reboot": {"type": "HARD"}}), 409, "no host")


@pytest.mark.parametrize(
    "body",
    [
        {"dance": None},
        {},
        {"os-start": None, "os-stop": None},
        [],
        "os-start",
        {"os-start": {"force": True}},
        {"reboot": None},
        {"reboot": {}},
        {"reboot": {"type": "warm"}},
        {"reboot": {"type": "SOFT", "more": 1}},
        {"os-getConsoleOutput": None},
        {"os-getConsoleOutput": {"lines": 3}},
    ],
)
def test_an_action_that_is_none_is_refused(api, body):
    server_id = add_instance(api.clients, "host1")
    refused(api.request("POST", f"/servers/{server_id}/action", body), 400)


@pytest.mark.parametrize("word", ["soft", "Soft", "HARD", "Hard"])
def test_kinds_of_reboot_are_written_in_any_case(api, word):
    server_id = add_instance(api.clients, "host1")
    assert api.request("POST", f"/servers/{server_id}/action", {"reboot": {"type": word}}).status_int == 202


# -- the console log ---------------------------------------------------------------------------------------


def console(cloud, server_id: str, **wanted: Any):
    return cloud.api.request("POST", f"/servers/{server_id}/action", {"os-getConsoleOutput": wanted})


def test_the_last_lines_of_the_console_are_shown(cloud):
    cloud.start()
    server_id = cloud.boot()
    cloud.until_status(server_id, "ACTIVE")
    whole = console(cloud, server_id).json["output"]
    assert len(whole.splitlines()) > 1
    last = whole.splitlines()[-1]
    for length, lines in ((1, [last]), ("1", [last]), (0, []), (10_000, whole.splitlines())):
        assert console(cloud, server_id, length=length).json["output"].splitlines() == lines, length
    for length in (None, -1, "-1"):
        assert console(cloud, server_id, length=length).json["output"] == whole, length


@pytest.mark.parametrize("length", [-2, "-5", "x", "", 1.5, True, "99999999999"])
def test_a_length_of_the_console_that_is_none_is_refused(api, length):
    server_id = add_instance(api.clients, "host1")
    body = {"os-getConsoleOutput": {"length": length}}
    refused(api.request("POST", f"/servers/{server_id}/action", body), 400, "length")


def test_the_console_of_a_server_without_a_host_is_a_conflict(api):
    server_id = add_instance(api.clients, None)
    refused(api.request("POST", f"/servers/{server_id}/action", {"os-getConsoleOutput": {}}), 409)


# -- backpressure ------------------------------------------------------------------------------------------


def crowded(cloud):
    """Let the cloud take no more work than it has."""
    few = cloud.clients.settings.replace({"jobs.max_pending": 1})
    cloud.clients.backlog = submit.Backlog(cloud.clients.db, few)


@pytest.mark.parametrize("action", [{"os-stop": None}, {"os-start": None}, {"reboot": {"type": "HARD"}}])
def test_an_action_is_503_with_retry_after_while_too_much_is_under_way(cloud, action):
    server_id = add_instance(cloud.clients, "host1")
    cloud.boot()  # nobody works: it stays under way
    crowded(cloud)
    answer = cloud.api.request("POST", f"/servers/{server_id}/action", action, "2.90")
    assert (answer.status_int, answer.headers["Retry-After"]) == (503, "5")
    assert answer.json["serviceUnavailable"]["code"] == 503
    with cloud.clients.db.read(cloud.api.member) as tx:
        assert instances.get(tx, server_id).task_state is None


def test_a_boot_is_503_and_a_deletion_is_accepted_while_too_much_is_under_way(cloud):
    server_id = cloud.boot()
    crowded(cloud)
    body = {"server": {"name": "b", "imageRef": cloud.images.add().id, "flavorRef": "1", "networks": "none"}}
    answer = cloud.api.request("POST", "/servers", body, "2.37")
    assert (answer.status_int, answer.headers["Retry-After"]) == (503, "5")
    assert cloud.api.request("DELETE", f"/servers/{server_id}").status_int == 204
