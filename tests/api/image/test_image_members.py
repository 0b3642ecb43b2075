"""Sharing images, through the API."""

from __future__ import annotations

import pytest

from tests.fixtures.image import ADMIN, ALICE, BOB, CAROL, caller

alice, bob, carol = caller(ALICE), caller(BOB), caller(CAROL)


@pytest.fixture
def shared(api):
    image = api.make(alice, name="it")
    assert api.request("POST", f"{image['self']}/members", {"member": BOB}, ctx=alice).json["status"] == "pending"
    return image


def members(api, image, ctx):
    answer = api.request("GET", f"{image['self']}/members", ctx=ctx)
    return [(row["member_id"], row["status"]) for row in answer.json["members"]] if answer.status == 200 else None


def answer_offer(api, image, ctx, member, status):
    return api.request("PUT", f"{image['self']}/members/{member}", {"status": status}, ctx=ctx)


def test_an_offered_image_is_used_by_id_and_listed_once_accepted(api, shared):
    assert api.request("GET", f"{shared['self']}/file", ctx=bob).data == b"bytes of an image"
    assert api.names(bob) == []
    assert api.names(bob, "visibility=shared&member_status=pending") == ["it"]
    assert answer_offer(api, shared, bob, BOB, "accepted").json["status"] == "accepted"
    assert api.names(bob) == ["it"]
    assert answer_offer(api, shared, bob, BOB, "rejected").status == 200
    assert api.names(bob) == []
    assert api.names(bob, "member_status=all") == ["it"]
    assert api.names(carol, "member_status=all") == []


def test_members_see_themselves_and_the_owner_sees_all(api, shared):
    api.request("POST", f"{shared['self']}/members", {"member": CAROL}, ctx=alice)
    assert members(api, shared, alice) == [(BOB, "pending"), (CAROL, "pending")]
    assert members(api, shared, bob) == [(BOB, "pending")]
    assert members(api, shared, caller("d" * 32)) is None
    path = f"{shared['self']}/members"
    assert api.request("GET", f"{path}/{CAROL}", ctx=bob).status == 404
    assert api.request("GET", f"{path}/{BOB}", ctx=bob).json["member_id"] == BOB
    assert api.request("GET", f"{path}/{CAROL}", ctx=alice).status == 200


def test_nobody_answers_for_another(api, shared):
    assert answer_offer(api, shared, alice, BOB, "accepted").status == 403
    assert answer_offer(api, shared, carol, BOB, "accepted").status == 404
    assert answer_offer(api, shared, carol, CAROL, "accepted").status == 404
    api.request("POST", f"{shared['self']}/members", {"member": CAROL}, ctx=alice)
    assert answer_offer(api, shared, carol, BOB, "accepted").status == 404
    assert members(api, shared, alice) == [(BOB, "pending"), (CAROL, "pending")]
    assert answer_offer(api, shared, ADMIN, BOB, "accepted").status == 200


def test_a_member_may_neither_share_nor_change(api, shared):
    path = f"{shared['self']}/members"
    assert api.request("POST", path, {"member": CAROL}, ctx=bob).status == 403
    assert api.request("DELETE", f"{path}/{BOB}", ctx=bob).status == 403
    assert api.patch(bob, shared["id"], {"op": "replace", "path": "/name", "value": "x"}).status == 403
    assert api.request("DELETE", shared["self"], ctx=bob).status == 403


def test_a_withdrawn_image_is_gone(api, shared):
    assert api.request("DELETE", f"{shared['self']}/members/{BOB}", ctx=alice).status == 204
    assert api.request("DELETE", f"{shared['self']}/members/{BOB}", ctx=alice).status == 404
    assert api.request("GET", shared["self"], ctx=bob).status == 404


def test_an_image_that_is_made_private_is_its_owners_alone(api, shared):
    api.patch(alice, shared["id"], {"op": "replace", "path": "/visibility", "value": "private"})
    assert api.request("GET", shared["self"], ctx=bob).status == 404
    assert api.request("POST", f"{shared['self']}/members", {"member": CAROL}, ctx=alice).status == 403


@pytest.mark.parametrize("body", [{}, {"member": ""}, {"member": 5}, {"member": "x" * 65}, {"other": "x"}, []])
def test_a_body_that_names_no_member_is_refused(api, shared, body):
    assert api.request("POST", f"{shared['self']}/members", body, ctx=alice).status == 400


def test_a_member_is_one_once(api, shared):
    assert api.request("POST", f"{shared['self']}/members", {"member": BOB}, ctx=alice).status == 409
    assert answer_offer(api, shared, bob, BOB, "maybe").status == 400


def test_members_are_bounded(api, shared):
    path = f"{shared['self']}/members"
    statuses = [api.request("POST", path, {"member": str(n)}, ctx=alice).status for n in range(128)]
    assert statuses == [200] * 127 + [413]
