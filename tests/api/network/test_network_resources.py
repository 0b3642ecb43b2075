"""Network v2.0 through WSGI: each noun made, listed, shown, changed and deleted, as the contract publishes it."""

from __future__ import annotations

import pytest

from iaas.db import quotas
from tests.fixtures import contract
from tests.fixtures.network import Answer, Caller, NetworkCloud, project, user

NOUNS = {
    "networks": "network",
    "subnets": "subnet",
    "ports": "port",
    "security-groups": "security_group",
    "security-group-rules": "security_group_rule",
}
MISSING = "00000000-0000-4000-8000-000000000000"


class Checked(Caller):
    """A caller whose every answer must be one the contract publishes."""

    def send(self, method: str, path: str, body=None) -> Answer:
        answer = super().send(method, path, body)
        published = contract.find_operation("network", method, path)
        bulk = method == "POST" and isinstance(answer.body, dict) and next(iter(answer.body)).endswith("s")
        if published is not None and not bulk and answer.status not in (404, 405):
            body = answer.body
            if isinstance(body, dict) and answer.status < 400 and method != "DELETE":
                body = _without_doubtful(body)
            contract.validate_response("network", method, path, answer.status, body)
        return answer


def _without_doubtful(value):
    """Rules inside a group, port numbers and agents' flags are published as strings, against every real answer."""
    doubtful = {"security_group_rules", "port_range_min", "port_range_max", "alive", "configurations"}
    if isinstance(value, dict):
        return {
            name: _without_doubtful(item)
            for name, item in value.items()
            if name not in doubtful or (name == "security_group_rules" and len(value) == 1)
        }
    return [_without_doubtful(item) for item in value] if isinstance(value, list) else value


@pytest.fixture
def cloud() -> NetworkCloud:
    return NetworkCloud()


def caller(cloud: NetworkCloud, name: str, **kind: bool) -> Checked:
    return Checked(cloud.app, user(name, **kind))


@pytest.fixture
def demo(cloud) -> Checked:
    return caller(cloud, "demo")


@pytest.fixture
def other(cloud) -> Checked:
    return caller(cloud, "other")


@pytest.fixture
def admin(cloud) -> Checked:
    return caller(cloud, "admin", admin=True)


def one_of_each(who: Caller) -> dict[str, str]:
    network = who.make("/v2.0/networks", name="net")["id"]
    subnet = who.make("/v2.0/subnets", network_id=network, cidr="10.0.0.0/24", ip_version=4)["id"]
    port = who.make("/v2.0/ports", network_id=network)["id"]
    group = who.make("/v2.0/security-groups", name="web")["id"]
    rule = who.make(
        "/v2.0/security-group-rules", security_group_id=group, direction="ingress", protocol="tcp",
        port_range_min=80, port_range_max=80,
    )["id"]  # fmt: skip
    return {
        "networks": network, "subnets": subnet, "ports": port, "security-groups": group, "security-group-rules": rule,
    }  # fmt: skip


def test_every_noun_is_made_listed_shown_changed_and_deleted(demo):
    ids = one_of_each(demo)
    for plural, made in ids.items():
        noun = NOUNS[plural]
        listed = demo.get(f"/v2.0/{plural}")
        assert made in [row["id"] for row in listed.body[plural.replace("-", "_")]]
        shown = demo.get(f"/v2.0/{plural}/{made}")
        assert shown.status == 200
        assert shown.body[noun]["project_id"] == shown.body[noun]["tenant_id"] == project("demo")
        if plural != "security-group-rules":
            changed = demo.put(f"/v2.0/{plural}/{made}", {noun: {"name": "new", "description": "words"}})
            assert changed.status == 200, changed.body
            assert changed.body[noun]["name"] == "new"
            assert changed.body[noun]["revision_number"] > shown.body[noun]["revision_number"]
    for plural in ("security-group-rules", "security-groups", "ports", "subnets", "networks"):
        assert demo.delete(f"/v2.0/{plural}/{ids[plural]}").status == 204
        assert demo.get(f"/v2.0/{plural}/{ids[plural]}").status == 404


@pytest.mark.parametrize("plural", NOUNS)
def test_another_projects_things_are_not_there(demo, other, plural):
    ids = one_of_each(other)
    path = f"/v2.0/{plural}/{ids[plural]}"
    assert demo.get(path).status == 404
    assert demo.delete(path).status == 404
    if plural != "security-group-rules":
        assert demo.put(path, {NOUNS[plural]: {"name": "mine"}}).status == 404
    for query in ("", f"?project_id={project('other')}", f"?tenant_id={project('other')}", f"?id={ids[plural]}"):
        rows = demo.get(f"/v2.0/{plural}{query}").body[plural.replace("-", "_")]
        assert ids[plural] not in [row["id"] for row in rows]
    assert other.get(path).status == 200


@pytest.mark.parametrize(
    ("path", "noun", "body"),
    [
        ("subnets", "subnet", {"network_id": "networks", "cidr": "10.9.0.0/24", "ip_version": 4}),
        ("ports", "port", {"network_id": "networks"}),
        ("security-group-rules", "security_group_rule", {"security_group_id": "security-groups",
                                                         "direction": "ingress"}),
    ],
)  # fmt: skip
def test_another_projects_ids_in_a_body_are_not_there(demo, other, path, noun, body):
    ids = one_of_each(other)
    answer = demo.post(f"/v2.0/{path}", {noun: {name: ids.get(value, value) for name, value in body.items()}})
    assert answer.status == 404


def test_a_port_refuses_groups_and_subnets_of_others(demo, other):
    theirs, mine = one_of_each(other), one_of_each(demo)
    for fields in (
        {"security_groups": [theirs["security-groups"]]},
        {"fixed_ips": [{"subnet_id": theirs["subnets"]}]},
    ):
        assert demo.post("/v2.0/ports", {"port": {"network_id": mine["networks"], **fields}}).status == 404
        assert demo.put(f"/v2.0/ports/{mine['ports']}", {"port": fields}).status == 404
    rule = {"security_group_id": mine["security-groups"], "direction": "ingress",
            "remote_group_id": theirs["security-groups"]}  # fmt: skip
    assert demo.post("/v2.0/security-group-rules", {"security_group_rule": rule}).status == 404


@pytest.mark.parametrize(
    ("noun", "field", "value"),
    [
        ("network", "shared", False),
        ("network", "router:external", False),
        ("network", "is_default", False),
        ("network", "provider:network_type", "flat"),
        ("network", "project_id", "0" * 32),
        ("port", "binding:host_id", ""),
        ("port", "binding:profile", {}),
        ("port", "device_owner", "network:dhcp"),
        ("port", "device_owner", "compute:nova"),
        ("security_group", "tenant_id", "0" * 32),
    ],
)
def test_what_only_an_administrator_sets_is_refused_to_users_whatever_its_value(demo, noun, field, value):
    ids = one_of_each(demo)
    body = {"network": {"name": "x"}, "port": {"network_id": ids["networks"]}, "security_group": {"name": "x"}}[noun]
    plural = noun.replace("_", "-") + "s"
    assert demo.post(f"/v2.0/{plural}", {noun: {**body, field: value}}).status == 403
    if field not in ("project_id", "tenant_id", "provider:network_type"):
        before = demo.get(f"/v2.0/{plural}/{ids[plural]}").body
        assert demo.put(f"/v2.0/{plural}/{ids[plural]}", {noun: {"name": "changed", field: value}}).status == 403
        assert demo.get(f"/v2.0/{plural}/{ids[plural]}").body == before


@pytest.mark.parametrize("field", ["id", "status", "created_at", "revision_number", "subnets", "nonsense", "host"])
def test_read_only_and_unknown_attributes_are_refused(demo, field):
    answer = demo.post("/v2.0/networks", {"network": {"name": "x", field: "y"}})
    assert answer.status == 400
    assert answer.body["NeutronError"]["type"] == "HTTPBadRequest"


def test_several_are_made_at_once_or_none(demo):
    both = demo.post("/v2.0/networks", {"networks": [{"name": "a"}, {"name": "b"}]})
    assert both.status == 201
    assert [row["name"] for row in both.body["networks"]] == ["a", "b"]
    network = both.body["networks"][0]["id"]
    bad = [{"network_id": network, "cidr": cidr, "ip_version": 4} for cidr in ("10.0.0.0/24", "10.0.0.0/25")]
    assert demo.post("/v2.0/subnets", {"subnets": bad}).status == 400
    assert demo.get("/v2.0/subnets").body == {"subnets": []}


def test_a_shared_network_is_seen_and_used_but_its_owners_fields_are_not(demo, admin):
    network = admin.make("/v2.0/networks", name="public", shared=True)["id"]
    admin.make("/v2.0/subnets", network_id=network, cidr="10.0.0.0/24", ip_version=4)
    assert demo.get(f"/v2.0/networks/{network}").status == 200
    assert "provider:network_type" not in demo.get(f"/v2.0/networks/{network}").body["network"]
    assert demo.put(f"/v2.0/networks/{network}", {"network": {"name": "mine"}}).status == 404
    assert demo.delete(f"/v2.0/networks/{network}").status == 404
    port = demo.make("/v2.0/ports", network_id=network)
    for fields in (
        {"mac_address": "fa:16:3e:00:00:01"},
        {"fixed_ips": [{"ip_address": "10.0.0.9"}]},
        {"port_security_enabled": True},
        {"allowed_address_pairs": [{"ip_address": "10.0.0.9"}]},
    ):
        assert demo.post("/v2.0/ports", {"port": {"network_id": network, **fields}}).status == 403
        assert demo.put(f"/v2.0/ports/{port['id']}", {"port": fields}).status == 403
    assert admin.put(f"/v2.0/networks/{network}", {"network": {"shared": False}}).status == 409
    assert admin.delete(f"/v2.0/networks/{network}").status == 409


def test_lists_are_filtered_sorted_and_cut_into_pages(demo):
    for name in "dbca":
        demo.make("/v2.0/networks", name=name, admin_state_up=name != "c")
    rows = demo.get("/v2.0/networks?sort_key=name&sort_dir=asc&fields=name").body["networks"]
    assert rows == [{"name": name} for name in "abcd"]
    rows = demo.get("/v2.0/networks?name=a&name=c&sort_key=name&sort_dir=desc").body["networks"]
    assert [row["name"] for row in rows] == ["c", "a"]
    assert [row["name"] for row in demo.get("/v2.0/networks?admin_state_up=False").body["networks"]] == ["c"]
    seen, path = [], "/v2.0/networks?sort_key=name&sort_dir=asc&limit=3"
    while path:
        body = demo.get(path).body
        seen += [row["name"] for row in body["networks"]]
        links = {link["rel"]: link["href"] for link in body.get("networks_links", ())}
        path = links.get("next", "").removeprefix("http://127.0.0.1:9696")
    assert seen == list("abcd")
    back = demo.get(links["previous"].removeprefix("http://127.0.0.1:9696")).body["networks"]
    assert [row["name"] for row in back] == list("abc")
    for wrong in ("nonsense=1", "sort_key=nonsense", "limit=-1", "marker=nonsense", "all_tenants=1", "mtu=x"):
        assert demo.get(f"/v2.0/networks?{wrong}").status == 400, wrong


def test_ports_are_found_by_address_and_group(demo):
    ids = one_of_each(demo)
    port = demo.get(f"/v2.0/ports/{ids['ports']}").body["port"]
    address = port["fixed_ips"][0]["ip_address"]
    for query, found in (
        (f"fixed_ips=ip_address%3D{address}", 1),
        (f"fixed_ips=subnet_id%3D{ids['subnets']}", 1),
        ("fixed_ips=ip_address%3D10.0.0.254%2F", 0),
        (f"security_groups={port['security_groups'][0]}", 1),
        (f"security_groups={MISSING}", 0),
    ):
        assert len(demo.get(f"/v2.0/ports?{query}").body["ports"]) == found, query


def test_a_reader_reads_and_changes_nothing(cloud, demo):
    ids = one_of_each(demo)
    reader = caller(cloud, "demo", reader=True)
    for plural, noun in NOUNS.items():
        assert reader.get(f"/v2.0/{plural}/{ids[plural]}").status == 200
        assert reader.delete(f"/v2.0/{plural}/{ids[plural]}").status == 403
        if plural != "security-group-rules":
            assert reader.put(f"/v2.0/{plural}/{ids[plural]}", {noun: {"name": "x"}}).status == 403


def test_without_a_token_only_the_versions_are_shown(cloud):
    nobody = cloud.as_nobody()
    versions = nobody.get("/")
    assert versions.status == 200
    assert versions.body["versions"][0]["links"][0]["href"] == "http://127.0.0.1:9696/v2.0/"
    for path in ("/v2.0", "/v2.0/networks", "/v2.0/extensions", f"/v2.0/ports/{MISSING}"):
        assert nobody.get(path).status == 401


def test_extensions_and_resources_are_listed(demo):
    aliases = [row["alias"] for row in demo.get("/v2.0/extensions").body["extensions"]]
    assert {"security-group", "port-security", "quotas", "project-id"} <= set(aliases)
    assert demo.get(f"/v2.0/extensions/{aliases[0]}").body["extension"]["alias"] == aliases[0]
    assert demo.get("/v2.0/extensions/router").status == 404
    assert {row["collection"] for row in demo.get("/v2.0/").body["resources"]} >= {"networks", "ports"}


def test_quotas_are_shown_set_and_reset(cloud, demo, admin):
    path = f"/v2.0/quotas/{project('demo')}"
    assert demo.get(path).body["quota"]["network"] == 100
    assert demo.put(path, {"quota": {"network": 1}}).status == 403
    assert demo.get(f"/v2.0/quotas/{project('other')}").status == 403
    assert admin.put(path, {"quota": {"network": 1}}).body["quota"]["network"] == 1
    demo.make("/v2.0/networks", name="one")
    refused = demo.post("/v2.0/networks", {"network": {"name": "two"}})
    assert refused.status == 409
    assert refused.body["NeutronError"]["type"] == "OverQuota"
    assert demo.get(f"{path}/details").body["quota"]["network"] == {"limit": 1, "used": 1, "reserved": 0}
    assert [row["project_id"] for row in admin.get("/v2.0/quotas").body["quotas"]] == [project("demo")]
    assert admin.delete(path).status == 204
    assert demo.get(path).body["quota"]["network"] == 100


def test_the_default_quota_of_a_project_is_not_what_it_was_set_to(demo, admin):
    path = f"/v2.0/quotas/{project('demo')}"
    before = demo.get(path).body["quota"]
    assert admin.put(path, {"quota": {"network": 1, "port": -1}}).status == 200
    assert demo.get(path).body["quota"] == {**before, "network": 1, "port": -1}
    assert demo.get(f"{path}/default").body["quota"] == before
    assert admin.get(f"{path}/default").body["quota"] == before


def test_details_of_a_quota_are_the_same_under_both_of_their_names(demo, admin):
    path = f"/v2.0/quotas/{project('demo')}"
    demo.make("/v2.0/networks", name="one")
    assert admin.put(path, {"quota": {"network": 7}}).status == 200
    found = demo.get(f"{path}/details.json")
    assert found.status == 200
    assert found.body == demo.get(f"{path}/details").body == admin.get(f"{path}/details.json").body
    assert found.body["quota"]["network"] == {"limit": 7, "used": 1, "reserved": 0}
    assert found.body["quota"]["subnet"]["used"] == 0


@pytest.mark.parametrize("tail", ["/default", "/details", "/details.json"])
def test_what_belongs_to_another_projects_quota_is_refused(demo, admin, tail):
    path = f"/v2.0/quotas/{project('other')}{tail}"
    assert (demo.get(path).status, admin.get(path).status) == (403, 200)


def test_a_limit_below_what_is_used_is_set_unless_it_is_to_be_checked(demo, admin):
    path = f"/v2.0/quotas/{project('demo')}"
    for name in ("one", "two"):
        demo.make("/v2.0/networks", name=name)
    assert admin.put(path, {"quota": {"network": 1, "check_limit": "True"}}).status == 400
    assert demo.get(path).body["quota"]["network"] == 100
    assert admin.put(path, {"quota": {"network": 2, "check_limit": True}}).status == 200
    assert admin.put(path, {"quota": {"network": 1}}).body["quota"]["network"] == 1


def test_what_is_used_equals_the_rows_after_everything_is_deleted(cloud, demo):
    ids = one_of_each(demo)
    for plural in ("ports", "networks", "security-groups"):
        assert demo.delete(f"/v2.0/{plural}/{ids[plural]}").status == 204
    with cloud.clients.db.read(user("demo")) as tx:
        left = {row.resource: row.used for row in quotas.of_project(tx, project("demo"))}
    assert left == {"networks": 0, "subnets": 0, "ports": 0, "security_groups": 1, "security_group_rules": 4}
