"""Metadata of servers."""

from __future__ import annotations

from typing import Any

import pytest

from iaas.common import runtime
from iaas.db import codec
from tests.fixtures.compute import add_instance
from tests.fixtures.servers_asked import refused


@pytest.fixture
def server_id(api) -> str:
    return add_instance(api.clients, None, metadata=codec.dump({"a": "1", "b": "2"}))


def shown(api, server_id: str) -> dict[str, str]:
    response = api.request("GET", f"/servers/{server_id}/metadata")
    assert response.status_int == 200, response.text
    return response.json["metadata"]


def test_all_items_and_one_are_shown(api, server_id):
    assert shown(api, server_id) == {"a": "1", "b": "2"}
    assert api.request("GET", f"/servers/{server_id}/metadata/a").json == {"meta": {"a": "1"}}


def test_a_post_adds_and_changes_items_and_keeps_the_others(api, server_id):
    response = api.request("POST", f"/servers/{server_id}/metadata", {"metadata": {"b": "9", "c": "3"}})
    assert response.json == {"metadata": {"a": "1", "b": "9", "c": "3"}}
    assert shown(api, server_id) == {"a": "1", "b": "9", "c": "3"}


def test_a_put_replaces_all_items(api, server_id):
    assert api.request("PUT", f"/servers/{server_id}/metadata", {"metadata": {"c": "3"}}).json == {
        "metadata": {"c": "3"}
    }
    assert shown(api, server_id) == {"c": "3"}
    assert api.request("PUT", f"/servers/{server_id}/metadata", {"metadata": {}}).json == {"metadata": {}}


def test_one_item_is_set(api, server_id):
    assert api.request("PUT", f"/servers/{server_id}/metadata/a", {"meta": {"a": "9"}}).json == {"meta": {"a": "9"}}
    assert shown(api, server_id) == {"a": "9", "b": "2"}


def test_one_item_is_deleted_once(api, server_id):
    assert api.request("DELETE", f"/servers/{server_id}/metadata/a").status_int == 204
    assert shown(api, server_id) == {"b": "2"}
    refused(api.request("DELETE", f"/servers/{server_id}/metadata/a"), 404, "a")


def test_an_item_that_is_not_there_is_404(api, server_id):
    refused(api.request("GET", f"/servers/{server_id}/metadata/none"), 404, "none")


def test_a_name_that_differs_from_the_path_is_refused(api, server_id):
    refused(api.request("PUT", f"/servers/{server_id}/metadata/a", {"meta": {"b": "9"}}), 400, "mismatch")
    assert shown(api, server_id) == {"a": "1", "b": "2"}


@pytest.mark.parametrize("meta", [{}, {"a": "1", "c": "2"}, {"a": None}, {"a": 1}, {"a": "v" * 256}])
def test_one_item_is_exactly_one_and_text(api, server_id, meta):
    refused(api.request("PUT", f"/servers/{server_id}/metadata/a", {"meta": meta}), 400)


@pytest.mark.parametrize(
    "body",
    [
        {"metadata": None}, {"metadata": []}, {}, {"meta": {"a": "1"}}, {"metadata": {"": "v"}},
        {"metadata": {"k" * 256: "v"}}, {"metadata": {"k": "v" * 256}}, {"metadata": {"k": {}}},
        {"metadata": {"k": "v"}, "more": 1}, {"metadata": {"k\n": "v"}},
    ],
)  # fmt: skip
@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_what_is_no_metadata_is_refused(api, server_id, method, body):
    refused(api.request(method, f"/servers/{server_id}/metadata", body), 400)
    assert shown(api, server_id) == {"a": "1", "b": "2"}


def test_more_items_than_the_quota_allows_are_forbidden_whichever_way_they_come(api, server_id):
    limit = api.clients.settings.quota.metadata_items = 3
    many: dict[str, Any] = {f"k{index}": "v" for index in range(limit + 1)}
    refused(api.request("PUT", f"/servers/{server_id}/metadata", {"metadata": many}), 403, "metadata_items", "3")
    refused(api.request("POST", f"/servers/{server_id}/metadata", {"metadata": {"c": "", "d": ""}}), 403)
    assert api.request("PUT", f"/servers/{server_id}/metadata/c", {"meta": {"c": "3"}}).status_int == 200
    refused(api.request("PUT", f"/servers/{server_id}/metadata/d", {"meta": {"d": "4"}}), 403, "metadata_items")
    assert api.request("PUT", f"/servers/{server_id}/metadata/c", {"meta": {"c": "9"}}).status_int == 200
    assert shown(api, server_id) == {"a": "1", "b": "2", "c": "9"}


def test_an_unknown_server_has_no_metadata(api):
    path = f"/servers/{runtime.uuid()}/metadata"
    refused(api.request("GET", path), 404)
    refused(api.request("PUT", path, {"metadata": {"a": "b"}}), 404)


def test_a_change_of_metadata_is_a_change_of_the_server(api):
    server_id = add_instance(api.clients, None, updated_at=0.0, image_id=runtime.uuid())
    api.request("POST", f"/servers/{server_id}/metadata", {"metadata": {"a": "b"}})
    assert api.request("GET", f"/servers/{server_id}").json["server"]["updated"] > "2000"
