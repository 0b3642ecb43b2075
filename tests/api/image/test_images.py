"""Images' records, through the API."""

from __future__ import annotations

import pytest

from iaas.common import runtime
from iaas.image.api.patches import MEDIA_2_0
from tests.fixtures.image import ADMIN, ALICE, BOB, SERVICE, ImageApi, caller

alice, bob = caller(ALICE), caller(BOB)


def post(api, ctx=alice, **wanted):
    return api.request("POST", "/v2/images", wanted, ctx=ctx)


# -- create -----------------------------------------------------------------------------------------------


def test_an_image_begins_queued_shared_and_the_projects(api):
    answer = post(api)
    image = answer.json
    assert answer.status == 201
    assert answer.headers["Location"].endswith(f"/v2/images/{image['id']}")
    assert (image["status"], image["visibility"], image["owner"]) == ("queued", "shared", ALICE)
    assert (image["name"], image["size"], image["checksum"], image["tags"]) == (None, None, None, [])
    assert (image["min_disk"], image["min_ram"], image["protected"], image["os_hidden"]) == (0, 0, False, False)
    assert image["file"] == f"{image['self']}/file"


def test_the_log_tells_of_a_new_image_and_of_its_end(api, caplog):
    caplog.set_level("INFO")
    image = post(api).json["id"]
    assert api.request("DELETE", f"/v2/images/{image}", ctx=alice).status == 204
    assert [record.change for record in caplog.records if hasattr(record, "change")] == [
        {"resource": "image", "id": image, "event": "create", "from": "-", "to": "queued"},
        {"resource": "image", "id": image, "event": "remove", "from": "queued", "to": "-"},
    ]


def test_what_is_given_is_shown(api):
    wanted = {
        "id": runtime.uuid(), "name": "Debian ☃", "visibility": "community", "disk_format": "qcow2",
        "container_format": "bare", "min_disk": 5, "min_ram": 512, "protected": True, "os_hidden": True,
        "tags": ["b", "a", "a"], "os_distro": "debian", "ключ": "значение",
    }  # fmt: skip
    image = post(api, **wanted).json
    assert api.show(alice, image["id"]) == image
    assert {**wanted, "tags": ["a", "b"]}.items() <= image.items()


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "x" * 256},
        {"name": 5},
        {"disk_format": "floppy"},
        {"disk_format": "vmdk"},
        {"container_format": "zip"},
        {"visibility": "secret"},
        {"min_disk": -1},
        {"min_disk": 2**31},
        {"min_ram": "5"},
        {"protected": "yes"},
        {"tags": "a"},
        {"tags": ["x" * 256]},
        {"tags": [""]},
        {"id": "../../etc/passwd"},
        {"id": "x"},
        {"hw": 5},
        {"hw": {"a": "b"}},
        {"hw": "x" * 65_536},
        {"": "x"},
        {"kernel_id": "x"},
    ],
    ids=str,
)
def test_a_body_that_is_no_image_is_refused(api, wrong):
    assert post(api, **wrong).status == 400
    assert api.names(alice) == []


@pytest.mark.parametrize(
    "name", ["status", "checksum", "size", "os_hash_value", "locations", "created_at", "self", "os_glance_x"]
)
def test_what_the_service_sets_cannot_be_given(api, name):
    answer = post(api, **{name: "active"})
    assert answer.status == 403
    assert name in answer.message


@pytest.mark.parametrize("wanted", [{f"p{n}": "x" for n in range(129)}, {"tags": [str(n) for n in range(129)]}])
def test_properties_and_tags_are_bounded(api, wanted):
    assert post(api, **wanted).status == 413


def test_an_id_is_given_once(api):
    image = post(api, name="one").json
    again = post(api, id=image["id"].upper(), name="two")
    assert again.status == 409
    assert api.show(alice, image["id"])["name"] == "one"


def test_only_an_administrator_makes_public_images(api):
    assert post(api, visibility="public").status == 403
    assert post(api, ADMIN, visibility="public").status == 201
    image = api.create(alice)
    public = {"op": "replace", "path": "/visibility", "value": "public"}
    assert api.patch(alice, image["id"], public).status == 403
    assert api.patch(ADMIN, image["id"], public).json["visibility"] == "public"


def test_an_owner_is_given_by_administrators_and_services_only(api):
    assert post(api, owner=BOB).status == 403
    assert post(api, owner=ALICE).json["owner"] == ALICE
    assert post(api, ADMIN, owner=BOB).json["owner"] == BOB
    assert post(api, SERVICE, owner=BOB).json["owner"] == BOB


def test_a_reader_reads_only(api):
    reader = caller(ALICE, "reader")
    image = api.create(alice)
    assert post(api, reader).status == 403
    assert api.show(reader, image["id"])["id"] == image["id"]
    assert api.request("DELETE", image["self"], ctx=reader).status == 403


def test_nobody_is_asked_who_it_is(api):
    answer = api.request("GET", "/v2/images")
    assert answer.status == 401
    assert answer.json["title"] == "Unauthorized"


def test_a_projects_images_are_counted(tmp_path):
    api = ImageApi(tmp_path, max_project_images=2)
    first = api.create(alice)
    api.create(alice)
    refused = post(api)
    assert (refused.status, refused.message) == (413, "Quota exceeded: the project stores 2 of at most 2 images.")
    assert post(api, bob).status == 201
    assert api.request("DELETE", first["self"], ctx=alice).status == 204
    assert post(api).status == 201
    api.close()


# -- show and visibility ----------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "DELETE", "PATCH"])
@pytest.mark.parametrize("image_id", [None, "x", "0" * 32, "../images", "%00", "☃"])
def test_what_is_not_there_and_what_is_anothers_are_the_same(api, method, image_id):
    image_id = image_id or api.create(alice, visibility="private")["id"]
    lines = [{"op": "replace", "path": "/name", "value": "x"}] if method == "PATCH" else None
    media = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
    answer = api.request(method, f"/v2/images/{image_id}", lines, ctx=bob, headers=media)
    assert answer.status == 404


@pytest.mark.parametrize(
    ("visibility", "by_id", "listed", "asked_for"),
    [
        ("private", 404, False, False),
        ("shared", 404, False, False),
        ("community", 200, False, True),
        ("public", 200, True, True),
    ],
)
def test_visibility_decides_who_sees(api, visibility, by_id, listed, asked_for):
    image = api.create(ADMIN, name="it", owner=ALICE, visibility=visibility)
    assert api.request("GET", image["self"], ctx=bob).status == by_id
    assert (api.names(bob) == ["it"]) is listed
    assert (api.names(bob, f"visibility={visibility}") == ["it"]) is asked_for
    assert (api.names(bob, "visibility=all") == ["it"]) is asked_for
    assert api.names(alice) == api.names(alice, f"visibility={visibility}") == api.names(ADMIN) == ["it"]
    if by_id == 200:
        assert api.request("DELETE", image["self"], ctx=bob).status == 403


def test_no_project_owns_what_nobody_owns(api):
    nobody = caller(None)
    image = api.create(caller(None, "admin"), owner=None)
    assert image["owner"] is None
    assert api.request("GET", image["self"], ctx=nobody).status == 404
    assert api.names(nobody) == []


def test_a_service_may_look_with_a_projects_eyes_but_a_project_may_not(api):
    image = api.create(alice, name="it")
    as_bob = {"X-Image-View-Project": BOB}
    assert api.request("GET", image["self"], ctx=SERVICE).status == 200
    assert api.request("GET", image["self"], ctx=SERVICE, headers=as_bob).status == 404
    as_alice = {"X-Image-View-Project": ALICE}
    assert api.request("GET", image["self"], ctx=bob, headers=as_alice).status == 404


# -- update -----------------------------------------------------------------------------------------------


def test_a_patch_adds_replaces_and_removes(api):
    image = api.create(alice, os_distro="debian", gone="x")
    answer = api.patch(
        alice,
        image["id"],
        {"op": "replace", "path": "/name", "value": "new"},
        {"op": "add", "path": "/a~1b~0c", "value": "1"},
        {"op": "add", "path": "/os_distro", "value": "ubuntu"},
        {"op": "remove", "path": "/gone"},
        {"op": "replace", "path": "/tags", "value": ["x", "y"]},
        {"op": "replace", "path": "/min_disk", "value": 7},
    )
    assert answer.status == 200
    after = answer.json
    assert (after["name"], after["a/b~c"], after["os_distro"], after["min_disk"]) == ("new", "1", "ubuntu", 7)
    assert after["tags"] == ["x", "y"]
    assert "gone" not in after
    assert api.show(alice, image["id"]) == after


def test_the_older_dialect_is_understood(api):
    image = api.create(alice, os_distro="debian")
    lines = ({"replace": "/name", "value": "new"}, {"add": "/hw", "value": "1"}, {"remove": "/os_distro"})
    after = api.patch(alice, image["id"], *lines, media=MEDIA_2_0).json
    assert (after["name"], after["hw"]) == ("new", "1")
    assert "os_distro" not in after
    assert api.patch(alice, image["id"], {"add": "/hw", "value": "2"}, media=MEDIA_2_0).status == 409


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ({"op": "replace", "path": "/status", "value": "active"}, 403),
        ({"op": "replace", "path": "/id", "value": "0" * 32}, 403),
        ({"op": "add", "path": "/locations/-", "value": {"url": "file:///etc/passwd", "metadata": {}}}, 403),
        ({"op": "replace", "path": "/locations", "value": []}, 403),
        ({"op": "remove", "path": "/locations/0"}, 403),
        ({"op": "replace", "path": "/checksum", "value": "x"}, 403),
        ({"op": "replace", "path": "/owner", "value": BOB}, 403),
        ({"op": "add", "path": "/os_glance_x", "value": "x"}, 403),
        ({"op": "remove", "path": "/name"}, 403),
        ({"op": "replace", "path": "/nothing", "value": "x"}, 409),
        ({"op": "remove", "path": "/nothing"}, 409),
        ({"op": "move", "path": "/name", "value": "x"}, 400),
        ({"op": "replace", "path": "name", "value": "x"}, 400),
        ({"op": "replace", "path": "/name"}, 400),
        ({"op": "replace", "path": "/name/x", "value": "x"}, 400),
        ({"op": "replace", "path": "/name", "value": "x" * 256}, 400),
        ({"op": "add", "path": "/hw", "value": 5}, 400),
        ({"op": "add", "path": "/~2", "value": "x"}, 400),
        ({"op": "replace", "path": "/disk_format", "value": "vmdk"}, 400),
    ],
    ids=str,
)
def test_a_patch_that_may_not_be_changes_nothing(api, line, status):
    image = api.create(alice, hw_old="1")
    answer = api.patch(alice, image["id"], {"op": "replace", "path": "/name", "value": "first"}, line)
    assert answer.status == status
    assert api.show(alice, image["id"]) == image


@pytest.mark.parametrize("media", ["application/json", "text/plain", "application/x-www-form-urlencoded"])
def test_a_patch_is_told_by_its_media_type(api, media):
    image = api.create(alice)
    answer = api.patch(alice, image["id"], {"op": "replace", "path": "/name", "value": "x"}, media=media)
    assert answer.status == 415


def test_the_formats_are_fixed_once_there_is_data(api):
    image = api.create(alice, disk_format="qcow2")
    raw = {"op": "replace", "path": "/disk_format", "value": "raw"}
    assert api.patch(alice, image["id"], raw).status == 200
    api.upload(alice, image["id"], b"x")
    answer = api.patch(alice, image["id"], {**raw, "value": "qcow2"})
    assert answer.status == 403
    assert api.show(alice, image["id"])["disk_format"] == "raw"


def test_an_administrator_gives_an_image_away_with_what_it_uses(api):
    image = api.make(alice, b"x" * 3_000_000)
    assert api.patch(ADMIN, image["id"], {"op": "replace", "path": "/owner", "value": BOB}).status == 200
    assert api.request("GET", image["self"], ctx=alice).status == 404

    def used(ctx) -> list[int]:
        usage = api.request("GET", "/v2/info/usage", ctx=ctx).json["usage"]
        return [usage[name]["usage"] for name in ("image_count_total", "image_size_total")]

    assert (used(alice), used(bob)) == ([0, 0], [1, 3])
    assert api.request("DELETE", image["self"], ctx=bob).status == 204
    assert used(bob) == [0, 0]


def test_a_protected_image_is_not_deleted(api):
    image = api.make(alice, protected=True)
    answer = api.request("DELETE", image["self"], ctx=alice)
    assert (answer.status, answer.message) == (403, f"Image {image['id']} is protected and cannot be deleted.")
    api.patch(alice, image["id"], {"op": "replace", "path": "/protected", "value": False})
    assert api.request("DELETE", image["self"], ctx=alice).status == 204


@pytest.mark.parametrize("action", ["deactivate", "reactivate"])
def test_an_image_without_data_is_neither_deactivated_nor_reactivated(api, action):
    image = api.create(alice)
    assert api.request("POST", f"{image['self']}/actions/{action}", ctx=ADMIN).status == 403


def test_nobody_deactivates_the_image_of_another_project(api):
    image = api.create(ADMIN, visibility="public")
    assert api.request("POST", f"{image['self']}/actions/deactivate", ctx=alice).status == 403


def test_an_image_without_an_id_is_no_list(api):
    assert api.request("GET", "/v2/images/", ctx=alice).status == 404
    assert api.request("DELETE", "/v2/images/", ctx=alice).status == 404


# -- tags -------------------------------------------------------------------------------------------------


def test_tags_come_and_go_one_by_one(api):
    image = api.create(alice, tags=["a"])
    for _ in range(2):
        assert api.request("PUT", f"{image['self']}/tags/b ☃", ctx=alice).status == 204
    assert api.show(alice, image["id"])["tags"] == ["a", "b ☃"]
    assert api.request("DELETE", f"{image['self']}/tags/a", ctx=alice).status == 204
    assert api.request("DELETE", f"{image['self']}/tags/a", ctx=alice).status == 404
    assert api.request("PUT", f"{image['self']}/tags/c", ctx=bob).status == 404
    assert api.request("PUT", f"{image['self']}/tags/{'x' * 256}", ctx=alice).status == 400
    assert api.show(alice, image["id"])["tags"] == ["b ☃"]


# -- everything else --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("path", "status"), [("/", 300), ("/versions", 200), ("/v2/", 300)])
def test_versions_need_no_token(api, path, status):
    answer = api.request("GET", path)
    versions = answer.json["versions"]
    assert answer.status == status
    assert [version["id"] for version in versions if version["status"] == "CURRENT"] == ["v2.16"]
    assert versions[-1]["id"] == "v2.0"


@pytest.mark.parametrize("noun", ["image", "images", "member", "members"])
def test_schemas_describe_what_is_shown(api, noun):
    schema = api.request("GET", f"/v2/schemas/{noun}", ctx=alice).json
    assert schema["name"] == noun
    image = api.make(alice)
    if noun == "image":
        assert image.keys() <= schema["properties"].keys()
        assert image["visibility"] in schema["properties"]["visibility"]["enum"]


def test_there_is_one_store_and_no_way_to_import(api):
    info = api.request("GET", "/v2/info/import", ctx=alice).json
    assert info["import-methods"]["value"] == []
    assert [store["id"] for store in api.request("GET", "/v2/info/stores", ctx=alice).json["stores"]] == ["file"]
    assert api.request("GET", "/v2/info/stores/detail", ctx=alice).status == 403
    assert api.request("GET", "/v2/info/stores/detail", ctx=ADMIN).json["stores"][0]["type"] == "file"
    image = api.create(alice)
    web = {"method": {"name": "web-download", "uri": "http://169.254.169.254/"}}
    assert api.request("POST", f"{image['self']}/import", web, ctx=alice).status == 409
    assert api.request("PUT", f"{image['self']}/stage", b"x", ctx=alice).status == 409
    assert api.request("GET", f"{image['self']}/tasks", ctx=alice).json == {"tasks": []}
    assert api.request("GET", "/v2/cache", ctx=ADMIN).status == 404
