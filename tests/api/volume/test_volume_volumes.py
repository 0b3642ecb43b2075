"""Volumes through the API: creation, lists, filters, pages, changes, deletion."""

from __future__ import annotations

import pytest

from iaas.common import context, runtime
from iaas.db import jobs, volumes
from iaas.db.models.volumes import volumes as table
from iaas.db.transitions import move
from iaas.jobs import submit
from iaas.volume.states import VOLUME
from tests.fixtures import compute


def events(api, volume_id):
    with api.clients.db.read(context.admin()) as tx:
        return [(row.kind, row.state, row.topic) for row in jobs.of_resource(tx, volume_id)]


def became(api, volume_id, event, **changes):
    def write(tx):
        move(tx, VOLUME, table, volumes.get(tx, volume_id), event, **changes)

    api.clients.db.write(context.admin(), write)


def names(response):
    return [volume["name"] for volume in response.json["volumes"]]


def test_a_new_volume_is_creating_and_has_a_job_and_takes_quota(api):
    made = api.make(3, name="data", description="d", metadata={"a": "b"})
    assert made["status"] == "creating"
    assert (made["name"], made["size"], made["volume_type"]) == ("data", 3, "__DEFAULT__")
    assert made["metadata"] == {"a": "b"}
    assert made["availability_zone"] == "nova"
    assert made["updated_at"] is None
    assert events(api, made["id"]) == [("create_volume", "pending", "scheduler")]
    assert api.quota() == {"volumes": 1, "gigabytes": 3}
    assert api.show(made["id"]) == {**made, "os-vol-tenant-attr:tenant_id": compute.PROJECT}


def test_the_log_tells_of_a_new_volume_in_its_first_state(api, caplog):
    caplog.set_level("INFO")
    made = api.make(1)
    told = [record.change for record in caplog.records if hasattr(record, "change")]
    assert [(change["resource"], change["event"], change["from"], change["to"]) for change in told] == [
        ("volume", "create", "-", "creating"), ("job", "accepted", "-", "pending"),
    ]  # fmt: skip
    assert told[0]["id"] == made["id"]
    assert api.request("POST", "/volumes", {"volume": {"size": 2**20}}).status_int >= 400
    assert len([record for record in caplog.records if hasattr(record, "change")]) == 2, "of what is refused, nothing"


def test_the_project_may_be_in_the_path(api):
    made = api.request("POST", f"/{compute.PROJECT}/volumes", {"volume": {"size": 1}}).json["volume"]
    assert made["links"][0]["href"] == f"http://127.0.0.1:8776/v3/{compute.PROJECT}/volumes/{made['id']}"
    assert api.request("GET", f"/{compute.PROJECT}/volumes/{made['id']}").status_int == 200
    assert api.request("GET", f"/{compute.OTHER_PROJECT}/volumes/{made['id']}").status_int == 404


@pytest.mark.parametrize("size", [0, -1, 2**40, "x", "", 1.5, None, True, [1]])
def test_a_size_that_is_none_is_400(api, size):
    assert api.request("POST", "/volumes", {"volume": {"size": size}}).status_int == 400
    assert api.quota() == {"volumes": 0, "gigabytes": 0}


def test_a_size_may_be_its_digits(api):
    assert api.make("2")["size"] == 2


@pytest.mark.parametrize(
    "member", ["snapshot_id", "source_volid", "imageRef", "image_id", "consistencygroup_id", "backup_id"]
)
def test_a_source_that_is_not_there_is_501_with_a_sentence_and_null_is_none(api, member):
    body = {"volume": {"size": 1, member: runtime.uuid()}}
    response = api.request("POST", "/volumes", body)
    assert response.status_int == 501
    assert member in response.json["notImplemented"]["message"]
    assert api.make(1, **{member: None})["status"] == "creating"


def test_a_volume_with_multiattach_is_501(api):
    assert api.request("POST", "/volumes", {"volume": {"size": 1, "multiattach": True}}).status_int == 501


def test_a_zone_without_a_volume_service_is_400(api):
    body = {"volume": {"size": 1, "availability_zone": "east"}}
    assert api.request("POST", "/volumes", body).status_int == 400
    api.service(zone="east")
    assert api.request("POST", "/volumes", body).json["volume"]["availability_zone"] == "east"


def test_a_type_may_be_named_by_name_or_id_and_must_exist(api):
    kind = api.request("POST", "/types", {"volume_type": {"name": "fast"}}, ctx=api.admin).json["volume_type"]
    assert api.make(1, volume_type="fast")["volume_type"] == "fast"
    assert api.make(1, volume_type=kind["id"])["volume_type"] == "fast"
    assert api.request("POST", "/volumes", {"volume": {"size": 1, "volume_type": "slow"}}).status_int == 404


def test_passing_the_quota_is_413_and_nothing_is_kept(api):
    for _ in range(10):
        api.make()
    response = api.request("POST", "/volumes", {"volume": {"size": 1}})
    assert response.status_int == 413
    assert "volumes" in response.json["overLimit"]["message"]
    assert len(api.request("GET", "/volumes").json["volumes"]) == 10
    assert api.quota() == {"volumes": 10, "gigabytes": 10}


def test_gigabytes_are_limited_apart_from_volumes(api):
    api.make(999)
    assert api.request("POST", "/volumes", {"volume": {"size": 2}}).status_int == 413
    assert api.quota() == {"volumes": 1, "gigabytes": 999}


def test_a_token_without_a_project_makes_no_volume(api):
    ctx = compute.context(compute.ADMIN_USER, None, "admin")
    assert api.request("POST", "/volumes", {"volume": {"size": 1}}, ctx=ctx).status_int == 400


def test_a_reader_may_look_and_not_change(api):
    made = api.make()
    assert api.request("GET", f"/volumes/{made['id']}", ctx=api.reader).status_int == 200
    assert api.request("POST", "/volumes", {"volume": {"size": 1}}, ctx=api.reader).status_int == 403
    assert api.request("PUT", f"/volumes/{made['id']}", {"volume": {"name": "x"}}, ctx=api.reader).status_int == 403
    assert api.request("DELETE", f"/volumes/{made['id']}", ctx=api.reader).status_int == 403


def test_another_projects_volume_is_404_for_every_operation(api):
    made, other = api.make(metadata={"a": "b"}), api.other_project
    path = f"/volumes/{made['id']}"
    for method, where, body in [
        ("GET", path, None),
        ("PUT", path, {"volume": {"name": "x"}}),
        ("DELETE", path, None),
        ("GET", path + "/metadata", None),
        ("POST", path + "/metadata", {"metadata": {"c": "d"}}),
        ("PUT", path + "/metadata", {"metadata": {}}),
        ("GET", path + "/metadata/a", None),
        ("PUT", path + "/metadata/a", {"meta": {"a": "x"}}),
        ("DELETE", path + "/metadata/a", None),
    ]:
        assert api.request(method, where, body, ctx=other).status_int == 404, (method, where)
    assert api.request("GET", "/volumes?all_tenants=1", ctx=other).json["volumes"] == []
    assert api.show(made["id"])["metadata"] == {"a": "b"}


def test_an_admin_sees_other_projects_volumes_and_where_they_are(api):
    made = api.make(ctx=api.other_project)
    assert api.request("GET", "/volumes", ctx=api.admin).json["volumes"] == []
    listed = api.request("GET", "/volumes/detail?all_tenants=True", ctx=api.admin).json["volumes"]
    assert [volume["id"] for volume in listed] == [made["id"]]
    assert listed[0]["os-vol-host-attr:host"] is None
    assert "os-vol-host-attr:host" not in api.show(made["id"], ctx=api.other_project)
    mine = f"/volumes?all_tenants=1&project_id={compute.PROJECT}"
    assert api.request("GET", mine, ctx=api.admin).json["volumes"] == []


def test_lists_are_filtered(api):
    api.make(name="a", metadata={"tier": "gold", "x": "1"})
    api.make(name="b", metadata={"tier": "silver"})
    become = api.make(name="c", metadata={"Tier": "gold"})
    became(api, become["id"], "created")
    for query, expected in {
        "name=b": ["b"],
        "status=available": ["c"],
        "status=nonsense": [],
        "metadata={'tier': 'gold'}": ["a"],
        "metadata={'tier': 'gold', 'x': '2'}": [],
        "bootable=true": [],
        "bootable=false": ["a", "b", "c"],
        "availability_zone=nova": ["a", "b", "c"],
        "availability_zone=east": [],
    }.items():
        assert sorted(names(api.request("GET", f"/volumes/detail?{query}"))) == expected, query


@pytest.mark.parametrize("value", ["[]", "{1: 2}", "__import__('os')", "{", "(" * 3000, "{'a': {}}"])
def test_a_metadata_filter_that_is_none_is_400(api, value):
    assert api.request("GET", f"/volumes?metadata={value}").status_int == 400


def test_a_metadata_filter_finds_whole_pairs_only(api):
    tricky = 'a":"b'
    api.make(name="tricky", metadata={"k": tricky})
    api.make(name="plain", metadata={"a": "b"})
    assert names(api.request("GET", "/volumes?metadata={'a': 'b'}")) == ["plain"]
    assert names(api.request("GET", "/volumes?metadata={'k': 'a\":\"b'}")) == ["tricky"]


def test_bootable_is_read_leniently_before_3_2_and_strictly_from_it(api):
    api.make(name="a")
    assert names(api.request("GET", "/volumes?bootable=nonsense", version="3.1")) == []
    assert names(api.request("GET", "/volumes?bootable=0", version="3.2")) == ["a"]
    assert api.request("GET", "/volumes?bootable=nonsense", version="3.2").status_int == 400


def test_lists_are_sorted_newest_first_or_as_asked(api):
    for name, size in (("b", 2), ("a", 2), ("c", 1)):
        api.make(size, name=name)
    assert names(api.request("GET", "/volumes")) == ["c", "a", "b"]
    assert names(api.request("GET", "/volumes?sort=size:asc,name:desc")) == ["c", "b", "a"]
    assert names(api.request("GET", "/volumes?sort_key=name&sort_dir=asc")) == ["a", "b", "c"]
    for bad in ("sort=host", "sort=name:up", "sort=name&sort_key=name", "sort_dir=sideways"):
        assert api.request("GET", f"/volumes?{bad}").status_int == 400, bad


def test_pages_follow_their_links_to_the_end(api):
    for number in range(5):
        api.make(name=f"v{number}")
    found, path = [], "/volumes?limit=2&sort=name:asc"
    while path:
        response = api.request("GET", path)
        found += names(response)
        following = response.json.get("volumes_links", [])
        path = following[0]["href"].removeprefix("http://127.0.0.1:8776/v3") if following else None
    assert found == ["v0", "v1", "v2", "v3", "v4"]
    assert names(api.request("GET", "/volumes?sort=name:asc&offset=3&limit=1")) == ["v3"]
    assert names(api.request("GET", "/volumes?limit=0")) == []
    full = api.request("GET", "/volumes?limit=5").json["volumes_links"][0]["href"]
    assert names(api.request("GET", full.removeprefix("http://127.0.0.1:8776/v3"))) == []
    assert "volumes_links" not in api.request("GET", "/volumes?limit=6").json
    for bad in ("limit=-1", "limit=x", f"marker={runtime.uuid()}", "offset=x"):
        assert api.request("GET", f"/volumes?{bad}").status_int == 400, bad


def test_a_marker_of_another_project_is_not_there(api):
    made = api.make(ctx=api.other_project)
    assert api.request("GET", f"/volumes?marker={made['id']}").status_int == 400


def test_a_list_costs_the_same_statements_however_long_it_is(api):
    def cost():
        before = api.clients.db.statements
        api.request("GET", "/volumes/detail")
        return api.clients.db.statements - before

    api.make()
    first = cost()
    for _ in range(5):
        api.make()
    assert cost() == first == 1


def test_update_changes_what_is_said_and_nothing_else(api):
    made = api.make(2, name="old", description="kept", metadata={"a": "b"})
    path = f"/volumes/{made['id']}"
    changed = api.request("PUT", path, {"volume": {"name": "new"}}).json["volume"]
    assert (changed["name"], changed["description"], changed["metadata"]) == ("new", "kept", {"a": "b"})
    assert changed["updated_at"] is not None
    changed = api.request("PUT", path, {"volume": {"display_description": None, "metadata": {}}}).json["volume"]
    assert (changed["name"], changed["description"], changed["metadata"]) == ("new", None, {})
    assert changed["status"] == "creating"
    for bad in ({}, {"volume": {}}, {"volume": {"name": 1}}, {"volume": {"name": "x" * 256}}):
        assert api.request("PUT", path, bad).status_int == 400, bad


def test_a_delete_before_a_place_was_chosen_goes_to_the_scheduler(api):
    made = api.make()
    assert api.request("DELETE", f"/volumes/{made['id']}").status_int == 202
    assert api.show(made["id"])["status"] == "deleting"
    assert sorted(events(api, made["id"])) == [
        ("create_volume", "superseded", "scheduler"),
        ("forget_volume", "pending", "scheduler"),
    ]


def test_a_delete_of_a_made_volume_goes_to_its_host_and_may_be_said_twice(api):
    made = api.make()

    def end_creation(tx):
        live = jobs.find_live(tx, "volume", made["id"])
        assert jobs.supersede(tx, live)
        volumes.update(tx, made["id"], host="store1")

    api.clients.db.write(context.admin(), end_creation)
    became(api, made["id"], "created")
    for _ in range(2):
        assert api.request("DELETE", f"/volumes/{made['id']}?cascade=False&force=False").status_int == 202
    assert events(api, made["id"])[0] == ("delete_volume", "pending", "volume.store1")
    assert len(events(api, made["id"])) == 2


def test_a_deletion_that_was_lost_is_asked_for_again(api):
    made = api.make()

    def lose(tx):
        assert jobs.supersede(tx, jobs.find_live(tx, "volume", made["id"]))
        volumes.update(tx, made["id"], host="store1")

    api.clients.db.write(context.admin(), lose)
    became(api, made["id"], "delete")
    assert api.request("DELETE", f"/volumes/{made['id']}").status_int == 202
    assert ("delete_volume", "pending", "volume.store1") in events(api, made["id"])


def test_a_volume_in_a_state_no_table_knows_is_shown_and_can_be_deleted(api):
    made, well = api.make(), api.make()
    change = table.update().where(table.c.id == made["id"]).values(status="frobnicating")
    api.clients.db.write(context.admin(), lambda tx: tx.execute(change))
    shown = {row["id"]: row["status"] for row in api.request("GET", "/volumes/detail").json["volumes"]}
    assert shown == {made["id"]: "unknown", well["id"]: "creating"}
    assert api.request("DELETE", f"/volumes/{made['id']}").status_int == 202
    assert api.show(made["id"])["status"] == "deleting"


def test_an_unknown_volume_is_404(api):
    for volume_id in (runtime.uuid(), "nonsense", "%ff"):
        assert api.request("GET", f"/volumes/{volume_id}").status_int == 404
        assert api.request("DELETE", f"/volumes/{volume_id}").status_int == 404


def test_too_much_under_way_is_503_with_retry_after(api):
    api.make()
    few = api.clients.settings.replace({"jobs.max_pending_per_project": 1})
    api.clients.backlog = submit.Backlog(api.clients.db, few)
    response = api.request("POST", "/volumes", {"volume": {"size": 1}})
    assert response.status_int == 503
    assert response.headers["Retry-After"]


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/snapshots/detail"), ("GET", "/attachments"), ("GET", "/backups"), ("GET", "/messages")],
)
def test_what_is_not_there_is_404_in_the_form_of_this_api(api, method, path):
    response = api.request(method, path)
    assert response.status_int == 404
    assert response.json["itemNotFound"]["code"] == 404


def test_without_a_token_is_401(api):
    response = api.request("GET", "/volumes", ctx=None)
    assert response.status_int == 401
    assert response.headers["WWW-Authenticate"].startswith("Keystone uri=")
