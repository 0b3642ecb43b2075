"""Promises: what was answered 2xx is so in the end."""

from __future__ import annotations

import pytest

from iaas.doctor.history import History, kept
from tests.fixtures.doctor import ACTIVE, BUILDING, FAILED, READY, STOPPED, uid

pytest_plugins = ["tests.fixtures.doctor"]
GONE = uid(99)


@pytest.fixture
def history():
    made = History()
    made.accepted("create", "server", ACTIVE, STOPPED, FAILED, token="t1", who="p")
    made.accepted("create", "volume", READY)
    return made


def said(history, clinic, **how):
    return [f"{found.subject}: {found.what}" for found in kept(history, clinic.rows.db, **how)]


def test_promises_that_are_kept(clinic, history):
    history.accepted("create", "server", GONE)
    history.accepted("delete", "server", GONE)
    history.accepted("create", "server", uid(98))
    history.unanswered("delete", uid(98))
    history.accepted("create", "server", ACTIVE, STOPPED, FAILED, token="t1", who="p")
    assert said(history, clinic) == []


def test_promises_that_are_broken(clinic, history):
    history.accepted("create", "server", GONE)
    history.accepted("delete", "volume", READY)
    history.accepted("create", "server", BUILDING)
    history.accepted("create", "server", BUILDING, token="t1", who="p")
    words = said(history, clinic)
    assert f"server {GONE}: It was accepted, nobody deleted it, and it is gone." in words
    assert f"volume {READY}: Its deletion was accepted and it is there." in words
    assert f"server {BUILDING}: It was accepted, it is building, and nothing says why." in words
    assert "token t1: p: It made 2 different sets of things." in words
    assert {found.invariant for found in kept(history, clinic.rows.db)} == {"I12"}


def test_a_verb_is_done_or_its_action_says_why_not(clinic, history):
    for number, state, error in ((31, "done", None), (32, "failed", '{"message": "x"}'), (33, "superseded", None)):
        clinic.rows.job(number, "stop", STOPPED, "power_off", "compute.h2", state, error=error)
        history.accepted("stop", "server", STOPPED, request_id=f"req-{number}")
    history.accepted("stop", "server", STOPPED, request_id="req-unheard-of")
    assert said(history, clinic) == [
        f"server {STOPPED}: Its stop ended as superseded and nothing says why.",
        f"server {STOPPED}: Its stop was accepted and left no action.",
    ]


def test_what_nobody_was_told_of_is_found_if_all_clients_are_in_the_record(clinic, history):
    assert said(history, clinic) == []
    assert said(history, clinic, complete=True) == [
        "server named vm: 2 of it are there that nobody was told of.",
        "volume named None: 1 of it are there that nobody was told of.",
    ]
    history.unanswered("create", name="vm")
    history.unanswered("create", name="vm")
    history.accepted("create", "volume", uid(52))
    assert said(history, clinic, complete=True) == [
        f"volume {uid(52)}: It was accepted, it is creating, and nothing says why."
    ]
