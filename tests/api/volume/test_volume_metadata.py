"""The metadata of volumes through the API."""

from __future__ import annotations

import pytest


@pytest.fixture
def path(api):
    return f"/volumes/{api.make(metadata={'a': '1', 'b': '2'})['id']}/metadata"


def all_of(api, path):
    return api.request("GET", path).json["metadata"]


def test_metadata_are_listed_added_replaced_and_removed(api, path):
    assert all_of(api, path) == {"a": "1", "b": "2"}
    added = api.request("POST", path, {"metadata": {"b": "3", "c": "4"}})
    assert added.json == {"metadata": {"a": "1", "b": "3", "c": "4"}}
    assert api.request("PUT", path, {"metadata": {"d": "5"}}).json == {"metadata": {"d": "5"}}
    assert api.request("PUT", path + "/e", {"meta": {"e": "6"}}).json == {"meta": {"e": "6"}}
    assert api.request("GET", path + "/e").json == {"meta": {"e": "6"}}
    assert api.request("DELETE", path + "/d").status_int == 200
    assert all_of(api, path) == {"e": "6"}


def test_an_item_that_is_not_there_is_404(api, path):
    assert api.request("GET", path + "/zz").status_int == 404
    assert api.request("DELETE", path + "/zz").status_int == 404


@pytest.mark.parametrize(
    "body",
    [{}, {"metadata": None}, {"metadata": {"": "x"}}, {"metadata": {"k" * 256: "x"}}, {"metadata": {"k": "x" * 256}},
     {"metadata": {"k": 1}}, {"metadata": {"ä": "x"}}, {"metadata": {}, "more": 1}],
)  # fmt: skip
def test_bad_metadata_are_400_and_change_nothing(api, path, body):
    assert api.request("POST", path, body).status_int == 400
    assert all_of(api, path) == {"a": "1", "b": "2"}


def test_an_item_must_be_the_one_of_the_path(api, path):
    for body in ({"meta": {"x": "1"}}, {"meta": {}}, {"meta": {"a": "1", "x": "2"}}):
        assert api.request("PUT", path + "/a", body).status_int == 400


def test_more_than_a_row_can_hold_is_400(api, path):
    many = {"metadata": {f"k{number}": "v" for number in range(129)}}
    assert api.request("PUT", path, many).status_int == 400
    wide = [{"metadata": {f"{part}{number}": "\U0001f600" * 255 for number in range(35)}} for part in "xy"]
    assert api.request("POST", path, wide[0]).status_int == 200
    assert api.request("POST", path, wide[1]).status_int == 400
    assert api.request("PUT", path, {"metadata": {"a": "1", "b": "2"}}).status_int == 200
    assert api.request("POST", path, {"metadata": {f"k{n}": "v" for n in range(127)}}).status_int == 400
    assert all_of(api, path) == {"a": "1", "b": "2"}


def test_values_come_back_as_they_were_sent(api, path):
    odd = {"k": '\\"}{%_\u00e4\U0001f600\n'}
    api.request("PUT", path, {"metadata": odd})
    assert all_of(api, path) == odd
