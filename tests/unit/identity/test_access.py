"""Implied roles, substitutions, and attributes of the caller's own."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from iaas.common import errors
from iaas.identity import shapes
from iaas.identity.access import RoleTree, substituted


def tree(*implications, names="abcd", domain=""):
    rows = [SimpleNamespace(id=name, name=name.upper(), domain_id=domain if name == "d" else "") for name in names]
    return RoleTree(rows, implications)


def test_a_role_brings_all_that_it_implies():
    assert tree(("a", "b"), ("b", "c")).named({"a"}) == (("a", "A"), ("b", "B"), ("c", "C"))


def test_a_circle_ends():
    assert [role for role, _ in tree(("a", "b"), ("b", "a")).named({"b"})] == ["a", "b"]


def test_a_role_of_one_domain_is_replaced_by_what_it_implies():
    assert tree(("d", "b"), domain="x").named({"d"}) == (("b", "B"),)


def test_a_deleted_role_is_nothing():
    assert tree().named({"gone"}) == ()


def service(url):
    return [{"id": "s", "type": "t", "name": "n", "endpoints": [{"id": "e", "url": url}]}]


def url_of(entries):
    return [endpoint["url"] for endpoint in entries[0]["endpoints"]]


def test_urls_are_filled_for_the_project_and_the_user():
    made = substituted(service("http://x/$(tenant_id)s/$(project_id)s/$(user_id)s"), "p", "u")
    assert url_of(made) == ["http://x/p/p/u"]


def test_without_a_project_an_endpoint_that_needs_one_is_left_out():
    assert url_of(substituted(service("http://x/$(project_id)s"), None, "u")) == []
    assert url_of(substituted(service("http://x/"), None, "u")) == ["http://x/"]


def test_t38_no_other_name_is_ever_filled():
    assert url_of(substituted(service("$(admin_token)s %(password)s {0.x}"), "p", "u")) == [
        "$(admin_token)s %(password)s {0.x}"
    ]


ROW = SimpleNamespace(
    id="i", name="n", domain_id="d", enabled=True, options="{}", default_project_id=None, description=None,
    extra='{"email": "a@b"}',
)  # fmt: skip


def test_own_attributes_are_kept_beside_the_real_ones():
    assert shapes.USER.values({"name": "m", "phone": 1}, ROW) == {"name": "m", "extra": '{"email":"a@b","phone":1}'}
    assert shapes.USER.view(ROW)["email"] == "a@b"


def test_t33_own_attributes_never_take_the_place_of_real_ones():
    row = SimpleNamespace(**{**vars(ROW), "extra": '{"id": "evil", "enabled": false}'})
    assert (shapes.USER.view(row)["id"], shapes.USER.view(row)["enabled"]) == ("i", True)


@pytest.mark.parametrize("name", ["id", "links", "password_hash", "extra", "password_expires_at"])
def test_t33_what_is_not_the_callers_is_refused(name):
    with pytest.raises(errors.Invalid):
        shapes.USER.values({name: "x"}, ROW)


def test_what_is_fixed_may_be_repeated_and_not_changed():
    shapes.USER.values({"domain_id": "d"}, ROW)
    with pytest.raises(errors.Invalid):
        shapes.USER.values({"domain_id": "other"}, ROW)


def test_own_attributes_have_a_limit():
    with pytest.raises(errors.Invalid):
        shapes.USER.values({"x": "y" * 40_000})
