"""Credentials of any type."""

from __future__ import annotations

import json

import pytest

from iaas.identity import rotation
from tests.fixtures.identity import make_cloud


@pytest.fixture
def alice(cloud):
    return cloud.user()


def create(cloud, token, **values):
    body = {"credential": {"type": "totp", "blob": "secret seed", **values}}
    return cloud.request("POST", "/v3/credentials", body, token)


def test_a_user_keeps_secrets_of_its_own(cloud, alice):
    token = alice.token()
    made = create(cloud, token).json["credential"]
    path = f"/v3/credentials/{made['id']}"
    assert (made["user_id"], made["blob"], made["project_id"]) == (alice.id, "secret seed", None)
    assert cloud.request("GET", path, token=token).json["credential"] == made
    assert cloud.request("GET", "/v3/credentials?type=totp", token=token).json["credentials"] == [made]
    changed = cloud.request("PATCH", path, {"credential": {"blob": "other"}}, token).json["credential"]
    assert changed["blob"] == "other"
    assert cloud.request("DELETE", path, token=token).status_int == 204
    assert cloud.request("GET", path, token=token).status_int == 404


def test_t30_secrets_of_others_do_not_exist(cloud, alice):
    bob = cloud.user("bob")
    made = create(cloud, alice.token()).json["credential"]
    path = f"/v3/credentials/{made['id']}"
    token = bob.token()
    for method, body in (("GET", None), ("PATCH", {"credential": {"blob": "x"}}), ("DELETE", None)):
        absent = cloud.request(method, "/v3/credentials/absent", body, token)
        response = cloud.request(method, path, body, token)
        assert response.status_int == absent.status_int == 404
    assert cloud.request("GET", "/v3/credentials", token=token).json["credentials"] == []
    assert cloud.request("GET", f"/v3/credentials?user_id={alice.id}", token=token).status_int == 403
    assert create(cloud, token, user_id=alice.id).status_int == 403


def test_a_system_reader_reads_no_secrets(cloud, alice):
    made = create(cloud, alice.token()).json["credential"]
    bob = cloud.user("bob")
    path = f"/v3/system/users/{bob.id}/roles/{cloud.ids.role_ids['reader']}"
    assert cloud.request("PUT", path, token=cloud.token()).status_int == 204
    token = bob.token({"system": {"all": True}})
    assert cloud.request("GET", "/v3/users", token=token).status_int == 200
    assert cloud.request("GET", f"/v3/credentials/{made['id']}", token=token).status_int == 404
    assert cloud.request("GET", "/v3/credentials", token=token).json["credentials"] == []


@pytest.mark.parametrize("name", ["user_id", "project_id", "id", "trust_id", "app_cred_id", "links"])
def test_t30_whose_and_what_for_a_credential_is_cannot_be_changed(cloud, alice, name):
    made = create(cloud, alice.token()).json["credential"]
    body = {"credential": {name: cloud.ids.user_id}}
    for token in (alice.token(), cloud.token()):
        assert cloud.request("PATCH", f"/v3/credentials/{made['id']}", body, token).status_int == 400
    after = cloud.request("GET", f"/v3/credentials/{made['id']}", token=alice.token()).json["credential"]
    assert after == made


def test_an_administrator_makes_and_lists_them_for_others(cloud, alice):
    made = create(cloud, cloud.token(), user_id=alice.id, project_id=alice.project_id).json["credential"]
    found = cloud.request("GET", f"/v3/credentials?user_id={alice.id}", token=cloud.token()).json["credentials"]
    assert [row["id"] for row in found] == [made["id"]]


def test_an_ec2_credential_has_its_form_and_keeps_its_key(cloud, alice):
    token = alice.token()
    blob = json.dumps({"access": "key", "secret": "s"})
    assert create(cloud, token, type="ec2", blob="nonsense", project_id=alice.project_id).status_int == 400
    assert create(cloud, token, type="ec2", blob=blob).status_int == 400
    assert create(cloud, token, type="ec2", blob=blob, project_id=cloud.ids.project_id).status_int == 403
    made = create(cloud, token, type="ec2", blob=blob, project_id=alice.project_id)
    assert made.status_int == 201
    assert create(cloud, token, type="ec2", blob=blob, project_id=alice.project_id).status_int == 409
    path = f"/v3/credentials/{made.json['credential']['id']}"
    for change in ({"type": "totp"}, {"blob": "nonsense"}):
        assert cloud.request("PATCH", path, {"credential": change}, token).status_int == 400
    change = {"blob": json.dumps({"access": "other", "secret": "t"})}
    assert cloud.request("PATCH", path, {"credential": change}, token).status_int == 200
    keys = f"/v3/users/{alice.id}/credentials/OS-EC2"
    assert cloud.request("GET", f"{keys}/key", token=token).status_int == 404
    shown = cloud.request("GET", f"{keys}/other", token=token).json["credential"]
    assert (shown["access"], shown["secret"]) == ("other", "t")


def test_keys_are_rotated_as_often_as_one_likes_and_no_secret_is_lost(cloud, alice, monkeypatch):
    monkeypatch.setattr(rotation, "_PAGE", 1)
    made = [create(cloud, alice.token(), blob=f"secret {n}").json["credential"] for n in range(3)]
    for _ in range(cloud.settings.identity.max_keys + 2):
        assert rotation.rotate_credential_keys(cloud.clients) == 3
    other = make_cloud(cloud.settings, cloud.clients.db)
    for process in (cloud, other):
        shown = process.request("GET", "/v3/credentials", token=alice.token()).json["credentials"]
        assert {row["blob"] for row in shown} == {row["blob"] for row in made}


def test_tokens_live_through_the_rotations_that_keep_their_key(cloud):
    token = cloud.token()
    rotation.rotate_token_keys(cloud.clients)
    later = make_cloud(cloud.settings, cloud.clients.db)
    assert later.alive(token)
    for _ in range(cloud.settings.identity.max_keys):
        rotation.rotate_token_keys(cloud.clients)
    assert not make_cloud(cloud.settings, cloud.clients.db).alive(token)
