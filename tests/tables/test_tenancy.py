"""Another project's things do not exist: every operation with an id, asked by a stranger (T57, T37, T17, T33)."""

from __future__ import annotations

import json
import socket
from typing import Any

import pytest

from iaas.common import runtime
from iaas.common.rest.operations import PUBLIC
from tests.fixtures import matrix, matrix_bodies
from tests.fixtures.matrix import Row, World, shared_world, world

__all__ = ["shared_world", "world"]
ROWS = {str(row): row for row in matrix.rows()}
WITH_ID = [pytest.param(row, id=name) for name, row in ROWS.items() if "{" in row.operation.path]
LISTS = [
    pytest.param(row, id=name)
    for name, row in ROWS.items()
    if row.operation.method == "GET" and "{" not in row.operation.path and row.operation.policy != PUBLIC
]
#: what belongs to nobody: anybody with a token may look at it
COMMON = {
    "compute GET /versions/{version_id}", "compute GET /extensions/{alias}", "network GET /extensions/{alias}",
    "volume GET /types/{type_id}", "identity GET /regions/{region_id}",
    "compute GET /os-quota-sets/{project_id}/defaults", "volume GET /os-quota-sets/{project_id}/defaults",
    "network GET /quotas/{project_id}/default",
}  # fmt: skip
#: what is refused to everybody, whatever it is about: nothing is looked up
REFUSED_TO_ALL = {
    "image POST /images/{image_id}/import": 409,
    "image PUT /images/{image_id}/stage": 409,
    "compute POST /servers/{server_id}/action os-getSPICEConsole": 400,
    "compute POST /servers/{server_id}/action os-getRDPConsole": 400,
    "identity POST /users/{user_id}/password": 401,  # the old password is the proof
}


@pytest.mark.parametrize("row", WITH_ID)
def test_the_things_of_another_project_do_not_exist(world: World, row: Row) -> None:
    schema = row.operation.body.values[-1].schema if row.operation.body is not None else None
    bodies = [None] if schema is None else [matrix_bodies.sample(schema), matrix_bodies.sample(schema, full=True)]
    for body in bodies:
        answer = world.send(row, body, "member_b")
        if str(row) in COMMON:
            assert answer.status in (200, 403, 404)
            continue
        fine = (403, 404, REFUSED_TO_ALL.get(str(row)), 400 if body is bodies[-1] and len(bodies) == 2 else None)
        assert answer.status in fine, (body, answer.status, answer.data)
        assert not world.changed()
        text = answer.data.decode()
        assert world.project_ids["a"] not in text.replace(world.path(row), "")
        world.restore()


def own_ids(world: World) -> set[str]:
    """Every id of something that only project A, its users and administrators may see."""
    common = {
        "types", "regions", "os-services", "os-hypervisors", "metadata", "versions", "os-quota-class-sets", "tags",
        "services", "endpoints",
    }  # fmt: skip
    ids = {value for (_, segment), value in world.ids.items() if segment not in common}
    return ids - set(world.foreign.values()) - {world.cloud.ids.project_id, "member"}


EVERYTHING = (
    "", "?all_tenants=1", "?all_tenants=True&project_id={a}", "?project_id={a}", "?tenant_id={a}", "?user_id={user}",
    "?is_public=None", "?is_public=False", "?owner={a}", "?visibility=all", "?visibility=private", "?visibility=shared",
    "?member_status=all", "?fields=id", "?limit=1000", "?scope.project.id={a}", "?user.id={user}", "?id={server}",
    "?uuid={server}", "?device_id={server}", "?network_id={network}", "?name=server", "?name=.*", "?reservation_id=r",
    "?marker={server}", "?marker={network}", "?marker={image}",
)  # fmt: skip


@pytest.mark.parametrize("row", LISTS)
def test_lists_show_no_row_of_another_project(world: World, row: Row) -> None:
    foreign = own_ids(world)
    words = {
        "a": world.project_ids["a"], "user": world.user_ids["member"], "server": world.ids["compute", "servers"],
        "network": world.ids["network", "networks"], "image": world.ids["image", "images"],
    }  # fmt: skip
    for query in EVERYTHING:
        asked = query.format(**words)
        answer = world.send(row, None, "member_b", asked)
        assert answer.status < 500, (query, answer.data)
        if answer.status != 200:
            continue
        seen = {text for text in _texts(answer.json) if text in foreign}
        assert not seen, (query, seen, answer.data[:500])


def _texts(value: Any) -> Any:
    if isinstance(value, dict):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
    elif isinstance(value, str):
        yield value


@pytest.mark.parametrize(("api", "path"), [
    ("compute", "/v2.1/servers?all_tenants=1"), ("compute", "/v2.1/servers/detail?all_tenants=True"),
    ("compute", "/v2.1/limits?tenant_id={a}"), ("compute", "/v2.1/os-quota-sets/{a}"),
    ("compute", "/v2.1/os-keypairs?user_id={user}"), ("compute", "/v2.1/os-keypairs/member?user_id={user}"),
    ("volume", "/v3/os-quota-sets/{a}"), ("network", "/v2.0/quotas/{a}"), ("network", "/v2.0/quotas/{a}/details.json"),
    ("identity", "/v3/users/{user}"), ("identity", "/v3/projects/{a}"), ("identity", "/v3/users/{user}/projects"),
    ("compute", "/v2.1/{a}/servers"), ("volume", "/v3/{a}/volumes"), ("volume", "/v3/{a}/volumes/detail"),
])  # fmt: skip
def test_asking_for_another_projects_is_refused(world: World, api: str, path: str) -> None:
    filled = path.format(a=world.project_ids["a"], user=world.user_ids["member"])
    answer = world.ask(api, "GET", filled, None, "member_b")
    assert answer.status in (403, 404), answer.data


def foreign_bodies(world: World) -> list[tuple[str, str, str, Any]]:
    """Requests of B about B's own things that name things of A."""
    a, b = world.ids, world.foreign
    project, user = world.project_ids["a"], world.user_ids["member"]
    me, own_credential = world.user_ids["member_b"], f"/v3/credentials/{b['identity', 'credentials']}"
    server = {"name": "s", "imageRef": b["compute", "images"], "flavorRef": "1", "networks": "none"}
    net, sub, sg = a["network", "networks"], a["network", "subnets"], a["network", "security-groups"]
    own_net, own_sg = b["network", "networks"], b["network", "security-groups"]

    def new(**changes: Any) -> tuple[str, str, str, Any]:
        return "compute", "POST", "/v2.1/servers", {"server": {**server, **changes}}

    def made(noun: str, plural: str, **values: Any) -> tuple[str, str, str, Any]:
        return "network", "POST", f"/v2.0/{plural}", {noun: values}

    def volume(**values: Any) -> tuple[str, str, str, Any]:
        return "volume", "POST", "/v3/volumes", {"volume": {"size": 1, **values}}

    rule = {"direction": "ingress", "protocol": "tcp", "port_range_min": 1, "port_range_max": 2}
    return [
        new(imageRef=a["compute", "images"]),
        new(flavorRef=a["compute", "flavors"]),
        new(key_name="member"),
        new(networks=[{"uuid": net}]),
        new(networks=[{"port": a["network", "ports"]}]),
        new(networks=[{"uuid": own_net}], security_groups=[{"name": sg}]),
        new(security_groups=[{"name": sg}], networks=[{"uuid": own_net}]),
        made("subnet", "subnets", network_id=net, cidr="10.77.0.0/24", ip_version=4),
        made("port", "ports", network_id=net),
        made("port", "ports", network_id=own_net, fixed_ips=[{"subnet_id": sub}]),
        made("port", "ports", network_id=own_net, security_groups=[sg]),
        made("port", "ports", network_id=own_net, project_id=project),
        made("port", "ports", network_id=own_net, tenant_id=project),
        made("network", "networks", name="n", project_id=project),
        made("network", "networks", name="n", tenant_id=project),
        made("network", "networks", name="n", shared=True),
        made("network", "networks", name="n", **{"router:external": False}),
        made("security_group", "security-groups", name="n", project_id=project),
        made("security_group_rule", "security-group-rules", security_group_id=sg, **rule),
        made("security_group_rule", "security-group-rules", security_group_id=own_sg, remote_group_id=sg, **rule),
        made("security_group_rule", "security-group-rules", security_group_id=own_sg, project_id=project, **rule),
        ("network", "PUT", f"/v2.0/ports/{b['network', 'ports']}", {"port": {"security_groups": [sg]}}),
        ("network", "PUT", f"/v2.0/ports/{b['network', 'ports']}", {"port": {"fixed_ips": [{"subnet_id": sub}]}}),
        ("network", "PUT", f"/v2.0/ports/{b['network', 'ports']}", {"port": {"device_owner": "network:dhcp"}}),
        ("network", "PUT", f"/v2.0/ports/{b['network', 'ports']}", {"port": {"binding:host_id": ""}}),
        ("network", "PUT", f"/v2.0/networks/{own_net}", {"network": {"shared": False}}),
        volume(source_volid=a["volume", "volumes"]),
        volume(snapshot_id="00000000-0000-4000-8000-000000000001"),
        volume(imageRef=a["compute", "images"]),
        ("image", "POST", "/v2/images", {"name": "i", "owner": project}),
        ("image", "POST", "/v2/images", {"name": "i", "visibility": "public"}),
        ("image", "POST", "/v2/images", {"id": a["image", "images"], "name": "stolen"}),
        ("compute", "POST", "/v2.1/os-keypairs", {"keypair": {"name": "k", "public_key": "x", "user_id": user}}),
        ("identity", "POST", "/v3/credentials", {"credential": {"type": "cert", "blob": "x", "user_id": user}}),
        ("identity", "POST", f"/v3/users/{me}/credentials/OS-EC2", {"tenant_id": project}),
        ("identity", "POST", f"/v3/users/{me}/application_credentials",
         {"application_credential": {"name": "x", "project_id": project}}),
        ("identity", "PATCH", own_credential, {"credential": {"user_id": user}}),
        ("identity", "PATCH", own_credential, {"credential": {"project_id": project}}),
        ("identity", "PATCH", f"/v3/users/{me}", {"user": {"default_project_id": project}}),
    ]  # fmt: skip


def test_what_is_named_in_a_body_is_looked_up_in_the_callers_project(world: World) -> None:
    for api, method, path, body in foreign_bodies(world):
        answer = world.ask(api, method, path, body, "member_b")
        assert answer.status in (400, 403, 404, 409, 501), (path, body, answer.status, answer.data)
        assert not world.changed(), (path, body)
        text = json.dumps(body)
        for secret in (world.project_ids["a"], world.user_ids["member"]):
            assert secret in text or secret not in answer.data.decode(), (path, body, answer.data)
        world.restore()


def test_the_same_requests_about_ones_own_things_pass(world: World) -> None:
    """The refusals above are about whose things they are, and not about their form."""
    passed = 0
    for api, method, path, body in foreign_bodies(world):
        text = json.dumps(body)
        for key, value in world.ids.items():
            text = text.replace(value, world.foreign.get(key, value)) if len(value) >= 32 else text
        text = text.replace(world.user_ids["member"], world.user_ids["member_b"])
        answer = world.ask(api, method, path, text.encode(), "member_b")
        passed += answer.status in (200, 201, 202)
        world.restore()
    assert passed >= 15


def test_the_project_in_a_volumes_body_is_not_heeded(world: World) -> None:
    """Published clients send these members, so they are let through; whose the volume is, the token says."""
    body = {"volume": {"size": 1, "project_id": world.project_ids["a"], "user_id": world.user_ids["member"]}}
    answer = world.ask("volume", "POST", "/v3/volumes", body, "member_b")
    assert answer.status == 202
    path = f"/v3/volumes/{answer.json['volume']['id']}"
    assert world.ask("volume", "GET", path, None, "member").status == 404
    shown = world.ask("volume", "GET", path, None, "member_b").json["volume"]
    assert shown["os-vol-tenant-attr:tenant_id"] == world.project_ids["b"]
    assert shown["user_id"] == world.user_ids["member_b"]


FORGED = {
    "X-Roles": "admin", "X-Role": "admin", "X-User-Id": "someone", "X-User": "someone", "X-Project-Id": "{a}",
    "X-Tenant-Id": "{a}", "X-Tenant": "{a}", "X-Tenant-Name": "a", "X-Is-Admin-Project": "True", "X-Is-Admin": "1",
    "X-Identity-Status": "Confirmed", "X-Service-Roles": "service", "X-Service-Project-Id": "{a}",
    "X-Domain-Id": "default", "X-System-Scope": "all", "X-Service-Identity-Status": "Confirmed",
    "x_roles": "admin", "X_Project_Id": "{a}",
    "X-Service-User-Id": "x", "X-User-Domain-Id": "default", "X-Auth-Project-Id": "{a}", "X-Instance-Id": "x",
    "X-Image-View-Project": "{a}", "X-Forwarded-For": "127.0.0.1", "X-Forwarded-User": "admin", "Remote-User": "admin",
    "X-Remote-User": "admin", "X-Remote-Project-Id": "{a}", "Forwarded": "for=127.0.0.1", "X-Original-Url": "/",
}  # fmt: skip


@pytest.mark.parametrize(("api", "path"), [
    ("compute", "/v2.1/servers/{server}"), ("network", "/v2.0/networks/{network}"), ("volume", "/v3/volumes/{volume}"),
    ("image", "/v2/images/{image}"), ("identity", "/v3/projects/{a}"), ("compute", "/v2.1/os-services"),
])  # fmt: skip
def test_forged_identity_headers_have_no_effect(world: World, api: str, path: str) -> None:
    filled = path.format(
        server=world.ids["compute", "servers"], network=world.ids["network", "networks"], a=world.project_ids["a"],
        volume=world.ids["volume", "volumes"], image=world.ids["image", "images"],
    )  # fmt: skip
    forged = {name: value.format(a=world.project_ids["a"]) for name, value in FORGED.items()}
    for headers in (forged, *({name: value} for name, value in forged.items())):
        assert world.ask(api, "GET", filled, None, "nobody", headers).status == 401, headers
        assert world.ask(api, "GET", filled, None, "member_b", headers).status in (403, 404), headers
    assert world.ask(api, "GET", filled, None, "admin").status == 200


def test_forged_headers_have_no_effect_on_the_wire(world: World) -> None:
    """Written in every way a server may still put together: other case, other dashes, twice, folded, in chunks."""
    server = runtime.serve(runtime.listen("127.0.0.1", 0), world.apps["compute"])
    path = f"/v2.1/servers/{world.ids['compute', 'servers']}"
    project, token = world.project_ids["a"], world.tokens["member_b"]
    forged = [
        f"X-Roles: admin\r\nX-Project-Id: {project}", f"x-roles: admin\r\nx-project-id: {project}",
        f"X_ROLES: admin\r\nX_PROJECT_ID: {project}", f"X-Roles: reader\r\nX-Roles: admin\r\nX-Project-Id: {project}",
        f"X-Roles:\r\n admin\r\nX-Project-Id:\r\n\t{project}",
        "X-Identity-Status: Confirmed\r\nX-Is-Admin: 1\r\nX-Roles: admin",
        f"X-Auth-Token: {token}\r\nX-Roles: admin\r\nX-Project-Id: {project}",
        f"X-Auth-Token: {token}\r\nX-Auth-Token: x", f"X-Auth-Token: {token}\r\nX_Auth_Token: {world.tokens['admin']}x",
        f"X-Auth-Token: {token}\r\nX-Service-Token: {token}\r\nX-Service-Roles: service",
        f"iaas.context: admin\r\nHTTP_X_ROLES: admin\r\nX-Tenant-Id: {project}",
    ]  # fmt: skip
    try:
        for lines in forged:
            raw = f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{lines}\r\n\r\n".encode()
            with socket.create_connection(("127.0.0.1", server.port), 5) as sock:
                sock.sendall(raw)
                answer = b"".join(iter(lambda sock=sock: sock.recv(65536), b""))
            assert int(answer.split(b" ", 2)[1]) in (400, 401, 403, 404), (lines, answer)
            assert b'"server"' not in answer
    finally:
        server.stop()
