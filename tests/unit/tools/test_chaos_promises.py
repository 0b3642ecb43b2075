"""The book of promises: each way to break one is seen, and nothing else is taken for a breach."""

from __future__ import annotations

import pytest

from tools.chaos.promises import Book, Thing, broken


class Cloud:
    """A client of a cloud that shows what a test says."""

    def __init__(self):
        self.book = Book()
        self.rows = {"servers": {}, "volumes": {}}

    def listed(self, noun):
        return dict(self.rows[noun])

    def promise(self, id_="s1", noun="servers", wanted=("ACTIVE",), **words):
        self.book.things[id_] = Thing(id_, noun, f"name-{id_}", set(wanted), **words)

    def show(self, id_="s1", noun="servers", status="ACTIVE", **words):
        row = {"id": id_, "name": f"name-{id_}", "status": status, "OS-EXT-STS:task_state": None}
        self.rows[noun][id_] = row | words


@pytest.fixture
def cloud():
    return Cloud()


def test_what_was_promised_and_is_there_is_kept(cloud):
    cloud.promise()
    cloud.show()
    cloud.promise("v1", "volumes", ["available"])
    cloud.show("v1", "volumes", "available")
    assert broken(cloud) == []


@pytest.mark.parametrize("unsure", [False, True])
def test_a_server_that_is_gone_is_lost_unless_somebody_may_have_deleted_it(cloud, unsure):
    cloud.promise(unsure=unsure)
    assert bool(broken(cloud)) is not unsure


def test_a_deleted_server_that_is_there_is_a_breach(cloud):
    cloud.promise(deleted=True)
    cloud.show()
    assert broken(cloud) == ["server s1 was deleted and is there: ACTIVE"]


def test_a_server_made_twice_is_a_breach(cloud):
    cloud.promise()
    cloud.show()
    cloud.show("s2", name="name-s1")
    assert any("is there 2 times" in what for what in broken(cloud))


def test_a_server_promised_to_nobody_is_a_breach_unless_its_request_had_no_answer(cloud):
    cloud.show()
    assert broken(cloud) == ["server s1 (name-s1) was promised to nobody"]
    cloud.book.unanswered["name-s1"] = ""
    assert broken(cloud) == []


@pytest.mark.parametrize("status", ["BUILD", "ACTIVE"])
def test_a_server_that_is_not_in_the_state_it_was_asked_into_is_a_breach(cloud, status):
    cloud.promise(wanted=["SHUTOFF"])
    cloud.show(status=status)
    assert len(broken(cloud)) == 1


def test_a_server_with_work_under_way_is_a_breach(cloud):
    cloud.promise()
    cloud.show(**{"OS-EXT-STS:task_state": "rebooting"})
    assert broken(cloud) == ["server s1 stays ACTIVE rebooting"]


def test_an_error_is_a_promise_kept_only_with_its_reason(cloud):
    cloud.promise()
    cloud.show(status="ERROR", fault={"message": "No host had room."})
    assert broken(cloud) == []
    cloud.show(status="ERROR")
    assert broken(cloud) == ["server s1 is in error and does not say why"]


def test_an_answer_nobody_may_give_is_a_breach(cloud):
    cloud.book.bad.append("GET /servers: 500")
    assert broken(cloud) == ["GET /servers: 500"]
