from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from iaas.common import sshkeys
from tests.fixtures.compute import ADMIN_USER, OTHER_USER


@pytest.fixture(scope="module")
def pair() -> tuple[str, str]:
    return sshkeys.generate()


@pytest.fixture
def public_key(pair) -> str:
    return pair[1]


def create(api, version=None, ctx="member", **keypair):
    return api.request("POST", "/os-keypairs", {"keypair": {"name": "mine", **keypair}}, version, ctx=ctx)


def names(response):
    assert response.status_int == 200, response.text
    return [item["keypair"]["name"] for item in response.json["keypairs"]]


def test_generated_private_key_belongs_to_the_public_key_that_is_kept(api, tmp_path: Path):
    made = create(api).json["keypair"]
    file = tmp_path / "id"
    file.write_text(made["private_key"])
    file.chmod(0o600)
    words = ["ssh-keygen", "-y", "-f", str(file)]
    derived = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    assert derived.split()[:2] == made["public_key"].split()[:2]
    shown = api.request("GET", "/os-keypairs/mine").json["keypair"]
    assert shown["public_key"] == made["public_key"]
    assert "private_key" not in shown


def test_fingerprint_is_the_one_ssh_shows(api, public_key, tmp_path: Path):
    file = tmp_path / "id.pub"
    file.write_text(public_key)
    words = ["ssh-keygen", "-l", "-E", "md5", "-f", str(file)]
    shown = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    assert f"MD5:{create(api, public_key=public_key).json['keypair']['fingerprint']} " in shown


def test_imported_key_has_no_private_key(api, public_key):
    response = create(api, public_key=public_key + "\n")
    assert response.status_int == 200
    keypair = response.json["keypair"]
    assert set(keypair) == {"name", "public_key", "fingerprint", "user_id"}
    assert keypair["public_key"] == public_key
    assert keypair["user_id"] == api.member.user_id


def test_type_and_statuses_change_at_2_2(api, public_key):
    made = create(api, "2.2", public_key=public_key, type="ssh")
    assert (made.status_int, made.json["keypair"]["type"]) == (201, "ssh")
    assert "type" not in api.request("GET", "/os-keypairs/mine").json["keypair"]
    assert api.request("GET", "/os-keypairs/mine", version="2.2").json["keypair"]["type"] == "ssh"
    assert api.request("GET", "/os-keypairs", version="2.2").json["keypairs"][0]["keypair"]["type"] == "ssh"
    assert api.request("DELETE", "/os-keypairs/mine", version="2.2").status_int == 204
    create(api, public_key=public_key)
    assert api.request("DELETE", "/os-keypairs/mine").status_int == 202
    assert api.request("DELETE", "/os-keypairs/mine").status_int == 404
    assert create(api, "2.1", public_key=public_key, type="ssh").status_int == 400


def test_x509_is_refused_with_a_reason(api, public_key):
    response = create(api, "2.2", public_key=public_key, type="x509")
    assert response.status_int == 400
    assert "x509" in response.json["badRequest"]["message"]


def test_show_has_the_fields_of_old_clients(api, public_key):
    create(api, public_key=public_key)
    shown = api.request("GET", "/os-keypairs/mine").json["keypair"]
    assert isinstance(shown["id"], int)
    assert (shown["deleted"], shown["deleted_at"], shown["updated_at"]) == (False, None, None)


@pytest.mark.parametrize(
    "key",
    [
        "ssh-rsa",
        "ssh-rsa notbase64!",
        "ssh-rsa AAAAB3NzaC1yc2E=",
        "ssh-dss AAAAB3NzaC1kc3MAAACB",
        "rot13 AAAA",
        "ssh-ed25519 AAAAB3NzaC1yc2EAAAADAQABAAAAgQDx8nkQ",
        "",
    ],
)
def test_bad_public_keys_are_400(api, key):
    assert create(api, public_key=key).status_int == 400


def test_key_of_two_lines_is_400(api, public_key):
    assert create(api, public_key=f"{public_key}\nssh-rsa evil").status_int == 400


@pytest.mark.parametrize("name", ["", " padded", "a/b", "x" * 256, "größe", "dot.dot"])
def test_bad_names_are_400(api, public_key, name):
    assert create(api, name=name, public_key=public_key).status_int == 400


def test_2_92_needs_a_public_key_and_allows_more_names(api, public_key):
    assert create(api, "2.92").status_int == 400
    assert create(api, "2.91", name="me@host.example", public_key=public_key).status_int == 400
    assert create(api, "2.92", name="me@host.example", public_key=public_key).status_int == 201
    assert api.request("GET", "/os-keypairs/me@host.example").status_int == 200


def test_same_name_is_409_for_one_user_only(api, public_key):
    assert create(api, public_key=public_key).status_int == 200
    assert create(api, public_key=public_key).status_int == 409
    assert create(api, ctx=api.other_project, public_key=public_key).status_int == 200


def test_key_pairs_of_others_are_for_admins_from_2_10(api, public_key):
    create(api, "2.10", ctx=api.admin, public_key=public_key, user_id=OTHER_USER)
    assert names(api.request("GET", "/os-keypairs", ctx=api.other_project)) == ["mine"]
    assert names(api.request("GET", "/os-keypairs", ctx=api.admin)) == []
    query = f"?user_id={OTHER_USER}"
    assert names(api.request("GET", f"/os-keypairs{query}", version="2.10", ctx=api.admin)) == ["mine"]
    assert names(api.request("GET", f"/os-keypairs{query}", version="2.9", ctx=api.admin)) == []
    for path in ("/os-keypairs", "/os-keypairs/mine"):
        assert api.request("GET", path + query, version="2.10").status_int == 403
    assert api.request("DELETE", f"/os-keypairs/mine{query}", version="2.10").status_int == 403
    assert create(api, "2.10", public_key=public_key, user_id=ADMIN_USER).status_int == 403
    assert create(api, "2.9", ctx=api.admin, public_key=public_key, user_id=OTHER_USER).status_int == 400
    shown = api.request("GET", f"/os-keypairs/mine{query}", version="2.10", ctx=api.admin)
    assert shown.json["keypair"]["user_id"] == OTHER_USER
    assert api.request("DELETE", f"/os-keypairs/mine{query}", version="2.10", ctx=api.admin).status_int == 204


def test_list_is_paged_from_2_35(api, public_key):
    for name in ("c", "a", "b"):
        create(api, name=name, public_key=public_key)
    first = api.request("GET", "/os-keypairs?limit=2", version="2.35")
    assert names(first) == ["a", "b"]
    href = first.json["keypairs_links"][0]["href"].removeprefix("http://127.0.0.1:8774/v2.1")
    assert names(api.request("GET", href, version="2.35")) == ["c"]
    assert api.request("GET", "/os-keypairs?marker=z", version="2.35").status_int == 400
    assert names(api.request("GET", "/os-keypairs?limit=2", version="2.34")) == ["a", "b", "c"]
    assert api.request("GET", "/os-keypairs?colour=red", version="2.75").status_int == 400


def test_quota_of_a_user_is_exact(api, public_key):
    body = {"quota_set": {"key_pairs": 2}}
    assert api.request("PUT", f"/os-quota-sets/{api.member.project_id}", body, ctx=api.admin).status_int == 200
    assert create(api, name="a", public_key=public_key).status_int == 200
    assert create(api, name="b", public_key=public_key).status_int == 200
    refused = create(api, name="c", public_key=public_key)
    assert refused.status_int == 403
    assert "key_pairs" in refused.json["forbidden"]["message"]
    assert create(api, name="a", public_key=public_key, ctx=api.admin).status_int == 200
    api.request("DELETE", "/os-keypairs/a")
    assert create(api, name="b", public_key=public_key).status_int == 409
    assert create(api, name="c", public_key=public_key).status_int == 200
    assert create(api, name="d", public_key=public_key).status_int == 403


def test_list_sends_as_many_statements_for_many_as_for_one(api, public_key):
    create(api, name="k", public_key=public_key)
    one = api.statements(lambda: api.request("GET", "/os-keypairs"))
    for index in range(10):
        create(api, name=f"k{index}", public_key=public_key)
    assert api.statements(lambda: api.request("GET", "/os-keypairs")) == one
