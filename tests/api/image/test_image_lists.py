"""Lists of images: filters, order and pages, through the API."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from iaas.image.api.views import moment
from tests.fixtures.image import ADMIN, ALICE, BOB, caller

alice, bob = caller(ALICE), caller(BOB)


@pytest.fixture
def three(api):
    api.make(alice, b"x" * 10, name="a", tags=["t", "u"], os_distro="debian", min_ram=1)
    api.make(alice, b"x" * 20, name="b", tags=["t"], os_distro="ubuntu", protected=True)
    api.create(alice, name="c", container_format="ovf", disk_format="qcow2", os_distro="debian")
    return api


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", "abc"),
        ("name=b", "b"),
        ("name=in:a,c", "ac"),
        ("name=in:%22a%22,%22c%22", "ac"),
        ("name=neq:b", "ac"),
        ("name=x", ""),
        ("status=active", "ab"),
        ("status=in:queued,saving", "c"),
        ("disk_format=qcow2", "c"),
        ("disk_format=in:raw,iso", "ab"),
        ("container_format=bare", "ab"),
        ("size_min=11", "b"),
        ("size_max=10", "a"),
        ("size_min=10&size_max=20", "ab"),
        ("min_ram=1", "a"),
        ("tag=t", "ab"),
        ("tag=t&tag=u", "a"),
        ("protected=true", "b"),
        ("protected=False", "ac"),
        ("os_distro=debian", "ac"),
        ("os_distro=debian&status=active", "a"),
        ("os_distro=de%25", ""),
        ("owner=" + ALICE, "abc"),
        ("owner=" + BOB, ""),
        ("visibility=shared", "abc"),
        ("visibility=private", ""),
        ("os_hidden=true", ""),
        ("created_at=gt:2020-01-01T00:00:00Z", "abc"),
        ("created_at=lt:2020-01-01T00:00:00Z", ""),
        ("created_at=gte:2020-01-01T00:00:00%2B02:00&updated_at=neq:2020-01-01T00:00:00", "abc"),
        ("nonsense=1", ""),
    ],
)
def test_filters_choose(three, query, names):
    assert "".join(three.names(alice, f"sort=name:asc&{query}")) == names


def test_times_compare_by_the_second_they_are_shown_with(api):
    image = api.create(alice, name="it")
    shown = image["created_at"]
    assert moment(0) == "1970-01-01T00:00:00Z"
    for operator, found in {"": 1, "eq:": 1, "gte:": 1, "lte:": 1, "gt:": 0, "lt:": 0, "neq:": 0}.items():
        assert len(api.names(alice, f"created_at={operator}{shown}")) == found, operator


def test_ids_are_chosen_together(three):
    ids = [image["id"] for image in three.request("GET", "/v2/images", ctx=alice).json["images"]]
    assert len(three.names(alice, "id=in:" + ",".join(ids[:2]))) == 2


def test_hidden_images_are_shown_to_who_asks(api):
    api.create(alice, name="old", os_hidden=True)
    assert api.names(alice) == []
    assert api.names(alice, "os_hidden=true") == ["old"]


@pytest.mark.parametrize(
    "query",
    [
        "limit=x", "limit=-1", "limit=1.5", "marker=x", "marker=" + "0" * 36, "sort=nonsense", "sort=name:up",
        "sort_key=location", "sort_dir=up", "sort=name&sort_key=name", "sort_key=name&sort_dir=asc&sort_dir=asc",
        "size_min=x", "size_max=-1", "size_min=1e5", "protected=maybe", "visibility=secret", "member_status=maybe",
        "created_at=yesterday", "created_at=gt:", "created_at=lt:99999-01-01", "name=in:", 'name=in:"a',
        "name=in:" + ",".join("abc" * 70),
    ],
)  # fmt: skip
def test_a_query_that_is_not_understood_is_refused(three, query):
    answer = three.request("GET", f"/v2/images?{quote(query, safe='=&:,')}", ctx=alice)
    assert answer.status == 400
    assert len(answer.message) < 300


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", "cba"),
        ("sort=created_at:asc", "abc"),
        ("sort_key=name", "cba"),
        ("sort_key=name&sort_dir=asc", "abc"),
        ("sort=size:asc", "cab"),
        ("sort=size:desc", "bac"),
        ("sort=status:asc,name:desc", "bac"),
        ("sort_key=status&sort_key=name&sort_dir=desc", "cba"),
    ],
)
@pytest.mark.parametrize("limit", [1, 2, 5])
def test_pages_follow_their_links_in_any_order(three, query, names, limit):
    path, found = f"/v2/images?limit={limit}&{query}", ""
    for _ in range(5):
        page = three.request("GET", path, ctx=alice).json
        assert len(page["images"]) <= limit
        found += "".join(image["name"] for image in page["images"])
        assert "marker" not in page["first"]
        if "next" not in page:
            break
        path = page["next"]
    assert found == names


def test_a_link_to_the_next_page_keeps_the_filters(three):
    page = three.request("GET", "/v2/images?limit=1&tag=t&tag=t&sort=name:asc", ctx=alice).json
    assert page["first"] == "/v2/images?limit=1&tag=t&tag=t&sort=name%3Aasc"
    assert page["next"].startswith(page["first"] + "&marker=")


def test_a_page_is_25_images_and_never_more_than_the_cloud_allows(api):
    for number in range(27):
        api.create(alice, name=str(number))
    assert len(api.names(alice)) == 25
    assert len(api.names(alice, "limit=0")) == 0
    api.clients.settings.api.max_page = 26
    assert len(api.names(alice, "limit=1000")) == 26


def test_a_marker_of_another_project_is_unknown(api):
    image = api.create(alice)
    answer = api.request("GET", f"/v2/images?marker={image['id']}", ctx=bob)
    assert answer.status == 400


def test_lists_cost_few_queries_however_long(api):
    for number in range(20):
        api.create(alice, name=str(number), tags=["a"], hw="1")
    before = api.db.statements
    api.names(ADMIN)
    assert api.db.statements - before == 3
