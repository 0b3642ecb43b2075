"""Console URLs by the API: which types, in which states, and what of the token is kept."""

from __future__ import annotations

import urllib.parse

import pytest

from iaas.common import context, log, runtime
from iaas.db import consoles
from tests.fixtures.compute import PROJECT, add_host, add_instance

VNC = {"remote_console": {"protocol": "vnc", "type": "novnc"}}
SERIAL = {"remote_console": {"protocol": "serial", "type": "serial"}}


@pytest.fixture
def server(api):
    add_host(api.clients, "a", agent_url="http://192.0.2.1:8779")
    return add_instance(api.clients, "a")


def ask(api, server, body=VNC, version="2.6", **kwargs):
    return api.request("POST", f"/servers/{server}/remote-consoles", body, version, **kwargs)


def token_of(url):
    parsed = urllib.parse.urlsplit(url)
    [token] = urllib.parse.parse_qs(parsed.query)["token"]
    return token


def new_token(api, server, body=VNC):
    return token_of(ask(api, server, body).json["remote_console"]["url"])


def use(api, token, at=None):
    return api.clients.db.write(context.admin(), consoles.use, token, runtime.time() if at is None else at)


@pytest.mark.parametrize("body", [VNC, SERIAL])
def test_a_console_url_is_the_proxys_with_a_token_of_256_bits(api, server, body):
    response = ask(api, server, body)
    assert response.status_int == 200
    shown = response.json["remote_console"]
    assert {name: shown[name] for name in ("protocol", "type")} == body["remote_console"]
    assert shown["url"].startswith("ws://127.0.0.1:6080/?token=")
    assert len(token_of(shown["url"])) == 43


def test_a_novnc_page_is_told_where_the_websocket_is(api, server):
    api.clients.settings.console.novnc_url = "https://web.example/vnc.html"
    api.clients.settings.console.url = "wss://console.example"
    page = urllib.parse.urlsplit(ask(api, server).json["remote_console"]["url"])
    words = dict(urllib.parse.parse_qsl(page.query))
    assert (page.scheme, page.netloc, page.path) == ("https", "web.example", "/vnc.html")
    assert (words["host"], words["port"], words["encrypt"]) == ("console.example", "443", "1")
    assert words["path"].startswith("?token=")
    assert ask(api, server, SERIAL).json["remote_console"]["url"].startswith("wss://console.example/?token=")


def test_before_2_6_consoles_are_actions(api, server):
    path = f"/servers/{server}/action"
    for name, type_ in (("os-getVNCConsole", "novnc"), ("os-getSerialConsole", "serial")):
        shown = api.request("POST", path, {name: {"type": type_}}, "2.5").json["console"]
        assert shown["type"] == type_
        assert use(api, token_of(shown["url"])).instance_id == server
        assert api.request("POST", path, {name: {"type": type_}}, "2.6").status_int == 404
    assert ask(api, server, version="2.5").status_int == 404


@pytest.mark.parametrize(
    ("protocol", "type_", "version"),
    [
        ("spice", "spice-html5", "2.6"), ("rdp", "rdp-html5", "2.6"), ("mks", "webmks", "2.8"),
        ("vnc", "xvpvnc", "2.6"), ("vnc", "serial", "2.6"), ("serial", "novnc", "2.96"),
    ],
)  # fmt: skip
def test_a_type_no_guest_has_is_refused_by_its_name(api, server, protocol, type_, version):
    response = ask(api, server, {"remote_console": {"protocol": protocol, "type": type_}}, version)
    assert response.status_int == 400
    assert f"Unavailable console type {type_}" in response.text


@pytest.mark.parametrize(
    ("action", "type_"),
    [("os-getSPICEConsole", "spice-html5"), ("os-getRDPConsole", "rdp-html5"), ("os-getVNCConsole", "xvpvnc")],
)
def test_so_are_the_actions_of_old(api, server, action, type_):
    response = api.request("POST", f"/servers/{server}/action", {action: {"type": type_}}, "2.1")
    assert response.status_int == 400
    assert "Unavailable console type" in response.text


def test_words_that_are_no_type_at_all_are_refused(api, server):
    assert ask(api, server, {"remote_console": {"protocol": "mks", "type": "webmks"}}, "2.7").status_int == 400
    assert ask(api, server, {"remote_console": {"protocol": "vnc"}}).status_int == 400
    assert ask(api, server, {"remote_console": {**VNC["remote_console"], "host": "evil"}}).status_int == 400


@pytest.mark.parametrize(
    "columns",
    [
        {"vm_state": "stopped"}, {"vm_state": "error"}, {"task_state": "powering-off"}, {"task_state": "deleting"},
        {"vm_state": "building", "task_state": "spawning"}, {"host": None},
    ],
)  # fmt: skip
def test_a_server_that_does_not_run_has_no_console(api, columns):
    add_host(api.clients, "a")
    server = add_instance(api.clients, **{"host": "a", **columns})
    response = ask(api, server)
    assert response.status_int == 409
    assert server in response.text


def test_consoles_are_for_members_of_the_servers_project(api, server):
    assert ask(api, server, ctx=api.other_project).status_int == 404
    assert ask(api, server, ctx=api.reader).status_int == 403
    assert ask(api, runtime.uuid()).status_int == 404
    assert ask(api, "no-id").status_int == 404


# -- tokens ------------------------------------------------------------------------------------------------------


def test_only_the_hash_of_a_token_is_stored(api, server):
    token = new_token(api, server)
    row = use(api, token)
    assert row.id == consoles.digest(token)
    assert token not in repr(tuple(row))
    assert (row.instance_id, row.project_id, row.host, row.kind) == (server, PROJECT, "a", "vnc")


def test_a_token_is_good_once_and_only_as_it_was_written(api, server):
    token = new_token(api, server, SERIAL)
    assert use(api, token[:-1]) is None
    assert use(api, token + "A") is None
    assert use(api, token).kind == "serial"
    assert use(api, token) is None


def test_a_token_ends_with_its_time(api, server):
    token = new_token(api, server)
    assert use(api, token, runtime.time() + api.clients.settings.console.token_lifetime + 1) is None
    assert use(api, token) is not None


def show(api, token, version="2.31", ctx=None):
    return api.request("GET", f"/os-console-auth-tokens/{token}", version=version, ctx=ctx or api.admin)


def test_an_administrator_sees_what_is_behind_a_token_without_using_it(api, server):
    token = new_token(api, server)
    for _ in range(2):
        shown = show(api, token).json["console"]
        assert shown["instance_uuid"] == server
        assert (shown["host"], shown["port"]) == ("192.0.2.1", 8779)
        assert shown["internal_access_path"] == f"/guests/{server}/vnc"
    assert use(api, token) is not None
    assert show(api, token).status_int == 404


def test_nobody_else_does_and_older_versions_show_nothing(api, server):
    token = new_token(api, server)
    assert show(api, token, ctx=api.member).status_int == 403
    assert show(api, token, "2.30").status_int == 400
    assert show(api, "unknown", "2.30").status_int == 404


def test_a_token_in_a_path_does_not_reach_the_log():
    line = log.redact("compute GET /v2.1/os-console-auth-tokens/CeB9lcd8blTf3ds6Um2ycvy4LputKz 200 1.0 ms")
    assert line == "compute GET /v2.1/os-console-auth-tokens/*** 200 1.0 ms"
