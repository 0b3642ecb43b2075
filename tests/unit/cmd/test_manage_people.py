"""`iaas-manage user`, `project`, `role` and `quota`: what they write is what the identity service then says."""

from __future__ import annotations

from typing import Any

import pytest

from iaas.common import conf
from iaas.db import quotas
from tests.fixtures import identity
from tests.fixtures.manage import CTX, PASSWORD, Manage, _template, empty, manage

__all__ = ["_template", "empty", "manage"]
ALICE = ("user", "create", "alice", "--password-file", "-")


class Service:
    """The identity service on the same database."""

    def __init__(self, folder: Any) -> None:
        from iaas.identity import app, bootstrap, clients

        settings = conf.load([folder / "iaas.conf"])
        made = clients.make(settings)
        self.cloud = identity.Cloud(app.make(settings, made), made, settings, bootstrap.Bootstrapped("", "", {}, None))

    def logs_in(self, name: str, password: str, project_id: str | None = None) -> int:
        scope = {"project": {"id": project_id}} if project_id else None
        return self.cloud.login(name, password, scope).status_int


@pytest.fixture
def service(manage: Manage) -> Service:
    return Service(manage.folder)


def project_id(manage: Manage, name: str) -> str:
    return manage.json("project", "show", name)["id"]


def test_a_new_user_logs_in_to_its_project_with_its_role(manage: Manage, service: Service) -> None:
    manage.json("project", "create", "demo", "--description", "For trying")
    made = manage.json(*ALICE, "--project", "demo", "--role", "member", "--email", "a@example.org", input="sesame\n")
    assert (made["name"], made["email"], made["enabled"], made["has_password"]) == (
        "alice", "a@example.org", True, True,
    )  # fmt: skip
    demo = project_id(manage, "demo")
    assert service.logs_in("alice", "sesame", demo) == 201
    assert service.logs_in("alice", "wrong", demo) == 401
    assert [row["role"] for row in manage.json("user", "show", "alice")["roles"]] == ["member"]
    assert [row["actor"] for row in manage.json("project", "show", "demo")["roles"]] == ["alice"]
    assert "password_hash" not in manage.last.output


def test_a_new_password_a_disabled_account_and_a_deleted_user_end_the_tokens(manage: Manage, service: Service) -> None:
    manage.json(*ALICE, "--project", "admin", "--role", "admin", input="one\n")
    scope = {"project": {"id": project_id(manage, "admin")}}
    token = service.cloud.token("alice", "one", scope)
    assert service.cloud.alive(token)
    manage.says("user", "set-password", "alice", "--password-file", "-", input="two\n")
    assert not service.cloud.alive(token)
    assert service.logs_in("alice", "one") == 401
    token = service.cloud.token("alice", "two", scope)
    manage.says("user", "disable", "alice")
    assert not service.cloud.alive(token)
    assert service.logs_in("alice", "two") == 401
    manage.says("user", "enable", "alice")
    token = service.cloud.token("alice", "two", scope)
    manage.says("user", "delete", "alice")
    assert not service.cloud.alive(token)
    assert "no user 'alice'" in manage.refuses("user", "show", "alice")


def test_a_name_is_given_once(manage: Manage) -> None:
    assert "iaas-manage user show admin" in manage.refuses(
        "user", "create", "admin", "--password-file", "-", input="x\n"
    )
    assert "iaas-manage project show admin" in manage.refuses("project", "create", "admin")
    for name in ("", " x", "a\nb", "\x1b[2J", "x" * 65):
        assert manage.run("project", "create", name).exit_code == 2, name


def test_a_user_is_found_by_its_id_and_listed_by_its_domain(manage: Manage) -> None:
    found = manage.json("user", "show", "admin")
    assert manage.json("user", "show", found["id"])["name"] == "admin"
    assert [row["name"] for row in manage.json("user", "list", "--domain", "Default")] == ["admin", "iaas"]


def test_a_role_given_counts_at_once_and_one_taken_back_ends_the_tokens(manage: Manage, service: Service) -> None:
    manage.json(*ALICE, input="one\n")
    manage.json("project", "create", "demo")
    demo = project_id(manage, "demo")
    words = ("--user", "alice", "--project", "demo")
    assert service.logs_in("alice", "one", demo) == 401
    assert manage.json("role", "grant", "member", *words)["new"] is True
    assert manage.json("role", "grant", "member", *words)["new"] is False
    token = service.cloud.token("alice", "one", {"project": {"id": demo}})
    assert [row["role"] for row in manage.json("role", "assignments", "--user", "alice")] == ["member"]
    manage.says("role", "revoke", "member", *words)
    assert not service.cloud.alive(token)
    assert "no role member of user alice on project demo" in manage.refuses("role", "revoke", "member", *words)


@pytest.mark.parametrize(
    ("words", "target"),
    [
        (("--domain", "Default"), ("domain", "default")),
        (("--system",), ("system", "all")),
        (("--domain", "default", "--inherited"), ("domain", "default")),
    ],
)
def test_roles_are_given_on_domains_and_the_system_too(
    manage: Manage, words: tuple[str, ...], target: tuple[str, str]
) -> None:
    manage.says("role", "grant", "reader", "--user", "iaas", *words)
    rows = manage.json("role", "assignments", "--user", "iaas", "--role", "reader")
    assert [(row["target_type"], row["target_id"], row["inherited"]) for row in rows] == [
        (*target, "--inherited" in words)
    ]
    manage.says("role", "revoke", "reader", "--user", "iaas", *words)
    assert manage.json("role", "assignments", "--user", "iaas", "--role", "reader") == []


@pytest.mark.parametrize(
    "words", ["--system", "--user admin", "--user admin --group g --system", "--user admin --system --inherited"]
)
def test_a_grant_must_say_to_whom_and_on_what(manage: Manage, words: str) -> None:
    assert manage.run("role", "grant", "reader", *words.split()).exit_code == 2


def test_a_project_that_holds_things_is_not_deleted(manage: Manage) -> None:
    manage.json("project", "create", "demo")
    manage.json("network", "create", "lan", "--project", "demo", "--cidr", "10.9.0.0/24")
    assert "still has 1 networks" in manage.refuses("project", "delete", "demo")
    manage.says("project", "delete", "demo", "--force")
    assert "no project 'demo'" in manage.refuses("project", "show", "demo")


def test_deleting_a_project_ends_the_tokens_for_it(manage: Manage, service: Service) -> None:
    manage.json("project", "create", "demo")
    manage.json(*ALICE, "--project", "demo", "--role", "admin", input="one\n")
    token = service.cloud.token("alice", "one", {"project": {"id": project_id(manage, "demo")}})
    manage.says("project", "delete", "demo")
    assert not service.cloud.alive(token)


# -- quotas ------------------------------------------------------------------------------------------------


def limits(rows: list[dict[str, Any]]) -> dict[str, tuple[int, int, bool]]:
    return {row["resource"]: (row["limit"], row["used"], row["own"]) for row in rows}


def test_a_limit_of_its_own_holds_for_a_project_until_it_is_reset(manage: Manage) -> None:
    demo = manage.json("project", "create", "demo")["id"]
    assert limits(manage.json("quota", "show", "demo"))["instances"] == (10, 0, False)
    changed = limits(manage.json("quota", "set", "demo", "instances=3", "cores=-1"))
    assert (changed["instances"], changed["cores"]) == ((3, 0, True), (-1, 0, True))
    settings = conf.load([manage.folder / "iaas.conf"])
    manage.database().write(CTX, quotas.take, demo, {"instances": 2}, settings.quota)
    assert "more instances than 1" in manage.refuses("quota", "set", "demo", "cores=5", "instances=1")
    assert limits(manage.json("quota", "show", "demo"))["cores"][0] == -1
    forced = limits(manage.json("quota", "set", "demo", "instances=1", "--force"))
    assert forced["instances"] == (1, 2, True)
    assert limits(manage.json("quota", "reset", "demo"))["instances"] == (10, 2, False)


@pytest.mark.parametrize("limit", ["-2", "many", "", "3000000000", "1.5"])
def test_what_is_no_limit_is_refused(manage: Manage, limit: str) -> None:
    assert "is no limit" in manage.refuses("quota", "set", "admin", f"instances={limit}")


def test_no_limit_reads_as_unlimited_for_people(manage: Manage) -> None:
    shown = manage.says("quota", "set", "admin", "ram=-1")
    assert [line.split() for line in shown.splitlines() if line.startswith("ram ")] == [
        ["ram", "unlimited", "0", "yes"]
    ]


def test_the_password_of_the_administrator_works(manage: Manage, service: Service) -> None:
    assert service.logs_in("admin", PASSWORD, project_id(manage, "admin")) == 201
