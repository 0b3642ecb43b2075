from __future__ import annotations

import pytest

from iaas.common import context, runtime
from iaas.common.context import RequestContext
from iaas.db import flavors
from tests.db.test_quotas import database

__all__ = ["database"]
CTX = context.admin()
MEMBER = RequestContext("req-1", user_id="u", project_id="p", roles=("member",))


def add(tx, flavor_id, **values):
    row = {"id": flavor_id, "name": flavor_id, "vcpus": 1, "memory_mb": 64, "disk_gb": 1, "extra_specs": "{}", **values}
    flavors.add(tx, created_at=runtime.time(), **row)


def names(database, ctx, **wanted):
    with database.read(ctx) as tx:
        return [row.name for row in flavors.page(tx, **wanted)]


@pytest.fixture
def two(database):
    database.write(CTX, lambda tx: (add(tx, "a"), add(tx, "b", is_public=False)))


def test_private_flavors_are_seen_by_those_who_were_given_them(database, two):
    assert names(database, MEMBER) == ["a"]
    assert database.write(CTX, flavors.grant, "b", "p")
    assert not database.write(CTX, flavors.grant, "b", "p")
    assert names(database, MEMBER) == ["a", "b"]
    assert database.write(CTX, flavors.revoke, "b", "p")
    assert not database.write(CTX, flavors.revoke, "b", "p")
    with database.read(MEMBER) as tx, pytest.raises(flavors.FlavorNotFound):
        flavors.get(tx, "b")
    with database.read(MEMBER) as tx:
        assert [row.name for row in flavors.by_names(tx, ["a", "b"])] == ["a"]


def test_pages_follow_each_other_by_any_column(database, two):
    database.write(CTX, add, "c", memory_mb=32)
    sort = [("memory_mb", "asc")]
    assert names(database, CTX, public=None, sort=sort) == ["c", "a", "b"]
    assert names(database, CTX, public=None, sort=sort, marker="c", limit=1) == ["a"]
    assert names(database, CTX, public=None, sort=[("is_public", "asc")], marker="b") == ["a", "c"]


def test_names_differ_by_case_and_are_unique(database, two):
    database.write(CTX, add, "A")
    with pytest.raises(flavors.FlavorExists):
        database.write(CTX, add, "d", name="a")
    with pytest.raises(flavors.FlavorExists):
        database.write(CTX, add, "a", name="d")


def test_removed_flavor_takes_its_access_along(database, two):
    database.write(CTX, flavors.grant, "b", "p")
    database.write(CTX, flavors.remove, "b")
    with database.read(CTX) as tx:
        assert flavors.projects_of(tx, "b") == []
    with pytest.raises(flavors.FlavorNotFound):
        database.write(CTX, flavors.remove, "b")
