"""The identity tables on a real database: the order of changes, guards, lists."""

from __future__ import annotations

import pytest

from iaas.common.context import admin
from iaas.db.identity import assignments, clock, domains, groups, projects, revocations, roles, users
from iaas.db.identity.listing import Listing
from iaas.db.models.identity import base
from iaas.db.tx import Database, DuplicateKey
from tests.fixtures.identity import database_url

__all__ = ["database_url"]

CTX = admin()


@pytest.fixture
def db(database_url):
    made = Database(database_url)
    base.IDENTITY.create_all(made.engine)
    made.write(CTX, fill)
    yield made
    made.close()


def fill(tx):
    domains.add(tx, id="d", name="D", enabled=True, options="{}", tags="[]", extra="{}")
    for name in "abc":
        users.add(tx, id=name, domain_id="d", name=name.upper(), enabled=True, options="{}", extra="{}")
    for key, parent in (("p", None), ("q", "p"), ("r", "q")):
        projects.add(
            tx, id=key, domain_id="d", name=key, parent_id=parent, enabled=True, options="{}", tags="[]", extra="{}"
        )
    groups.add(tx, id="g", domain_id="d", name="G", extra="{}")
    for name in ("admin", "member"):
        roles.add(tx, id=name, name=name, domain_id="", options="{}", extra="{}")


def grant(tx, actor, target, role="member", inherited=False):
    key = dict(zip(("actor_type", "actor_id"), actor, strict=True))
    key |= dict(zip(("target_type", "target_id"), target, strict=True))
    return assignments.add(tx, {**key, "role_id": role, "inherited": inherited})


def test_each_change_has_a_greater_number_and_a_revocation_is_no_change_of_state(db):
    first = db.write(CTX, clock.advance)
    second = db.write(CTX, clock.advance, state=False)
    assert (first.seq, first.state_seq) == (1, 1)
    assert (second.seq, second.state_seq) == (2, 1)
    with db.read(CTX) as tx:
        assert clock.look(tx)[:2] == (2, 1)


def test_a_change_that_is_rolled_back_has_no_number(db):
    def fail(tx):
        clock.advance(tx)
        raise KeyError

    with pytest.raises(KeyError):
        db.write(CTX, fail)
    with db.read(CTX) as tx:
        assert clock.look(tx).seq == 0


def test_events_carry_the_number_of_their_change_and_are_kept_as_long_as_they_matter(db):
    db.write(CTX, revocations.add, 100.0, [{"user_id": "a"}, {"project_id": "p"}])
    with db.read(CTX) as tx:
        found = revocations.since(tx, 0)
        assert {(event.seq, event.user_id, event.project_id) for event in found} == {(1, "a", None), (1, None, "p")}
        assert revocations.since(tx, 1) == []
    assert db.write(CTX, revocations.purge, found[0].issued_before + 99) == 0
    assert db.write(CTX, revocations.purge, found[0].issued_before + 101) == 2


def test_roles_come_from_the_user_and_its_groups_and_nobody_else(db):
    def write(tx):
        grant(tx, ("user", "a"), ("project", "p"))
        grant(tx, ("group", "g"), ("project", "p"), "admin")
        grant(tx, ("user", "g"), ("project", "q"))  # a user with a group's id is another actor
        groups.add_member(tx, "g", "a")

    db.write(CTX, write)
    with db.read(CTX) as tx:
        assert assignments.roles_on(tx, "a", "project", "p") == {"member", "admin"}
        assert assignments.roles_on(tx, "b", "project", "p") == set()
        assert assignments.roles_on(tx, "a", "project", "q") == set()
        assert assignments.roles_on(tx, "a", "domain", "p") == set()


def test_inherited_roles_count_below_their_target_only(db):
    def write(tx):
        grant(tx, ("user", "a"), ("project", "p"), "admin", inherited=True)
        grant(tx, ("user", "b"), ("domain", "d"), "member", inherited=True)

    db.write(CTX, write)
    with db.read(CTX) as tx:
        above = [row.id for row in projects.ancestors(tx, projects.get(tx, "r"))]
        assert above == ["q", "p"]
        assert assignments.roles_inherited(tx, "a", "d", above) == {"admin"}
        assert assignments.roles_inherited(tx, "b", "d", []) == {"member"}
        assert assignments.roles_inherited(tx, "b", "other", []) == set()
        assert assignments.roles_on(tx, "a", "project", "p") == set()
        assert [row.id for row in projects.subtree(tx, "p")] == ["q", "r"]


def test_an_assignment_is_made_once_and_taken_once(db):
    key = {
        "actor_type": "user", "actor_id": "a", "target_type": "project", "target_id": "p", "role_id": "admin",
        "inherited": False,
    }  # fmt: skip
    assert [db.write(CTX, assignments.add, key) for _ in range(2)] == [True, False]
    assert [db.write(CTX, assignments.remove, key) for _ in range(2)] == [True, False]


def test_a_name_is_used_once_in_a_domain(db):
    with pytest.raises(DuplicateKey):
        db.write(CTX, users.update, "a", {"name": "B"})


def test_pages_are_in_the_order_of_ids_and_one_row_longer_than_asked(db):
    with db.read(CTX) as tx:
        assert [row.id for row in users.page(tx, Listing(limit=1))] == ["a", "b"]
        assert [row.id for row in users.page(tx, Listing(limit=5, marker="a"))] == ["b", "c"]
        assert [row.id for row in users.page(tx, Listing(limit=5, equal={"name": "C"}))] == ["c"]


@pytest.mark.parametrize(
    ("comparator", "text", "found"),
    [("contains", "A", ["a"]), ("icontains", "b", ["b"]), ("startswith", "%", []), ("contains", "_", [])],
)
def test_t25_wildcards_in_a_filter_are_letters(db, comparator, text, found):
    with db.read(CTX) as tx:
        rows = users.page(tx, Listing(limit=5, like=(("name", comparator, text),)))
    assert [row.id for row in rows] == found


def test_a_domain_goes_with_all_in_it_once_it_is_disabled(db):
    def write(tx):
        grant(tx, ("user", "a"), ("project", "p"))
        grant(tx, ("group", "g"), ("domain", "d"))
        groups.add_member(tx, "g", "a")

    db.write(CTX, write)
    assert db.write(CTX, domains.delete, "d") is False
    db.write(CTX, domains.update, "d", {"enabled": False})
    assert db.write(CTX, domains.delete, "d") is True
    with db.read(CTX) as tx:
        assert assignments.matching(tx, {}) == []
        assert users.page(tx, Listing(limit=9)) == groups.page(tx, Listing(limit=9)) == []


def test_the_hot_look_ups_are_one_statement_each(db):
    db.write(CTX, clock.advance)
    with db.read(CTX) as tx:
        for ask in (
            lambda: clock.look(tx),
            lambda: users.find(tx, "a"),
            lambda: users.find_named(tx, "A", domain_id="d"),
            lambda: projects.find(tx, "p"),
            lambda: assignments.roles_on(tx, "a", "project", "p"),
        ):
            before = db.statements
            ask()
            assert db.statements - before == 1
