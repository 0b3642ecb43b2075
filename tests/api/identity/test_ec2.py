"""EC2 credentials, tokens for signed requests, and what a delegated token may not do."""

from __future__ import annotations

import datetime
import hashlib

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

BODY = "Action=DescribeRegions&Version=2016-11-15"


def signed(access, secret, body=BODY):
    """The document a service posts for a signed request."""
    headers = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8", "Host": "ec2.test:8773"}
    request = AWSRequest("POST", "http://ec2.test:8773/", data=body, headers=headers)
    SigV4Auth(Credentials(access, secret), "ec2", "RegionOne").add_auth(request)
    return {
        "access": access,
        "signature": request.headers["Authorization"].rsplit("Signature=", 1)[1],
        "host": "ec2.test:8773",
        "verb": "POST",
        "path": "/",
        "params": {},
        "headers": dict(request.headers),
        "body_hash": hashlib.sha256(body.encode()).hexdigest(),
    }


@pytest.fixture
def alice(cloud):
    return cloud.user()


@pytest.fixture
def service(cloud):
    return cloud.token("iaas", "service password", {"project": {"name": "service", "domain": {"id": "default"}}})


def make_key(cloud, person, token=None, project_id=None):
    path = f"/v3/users/{person.id}/credentials/OS-EC2"
    return cloud.request("POST", path, {"tenant_id": project_id or person.project_id}, token or person.token())


@pytest.fixture
def key(cloud, alice):
    response = make_key(cloud, alice)
    assert response.status_int == 201
    return response.json["credential"]


def ask(cloud, token, document, field="credentials"):
    return cloud.request("POST", "/v3/ec2tokens", {field: document}, token)


def test_keys_are_made_shown_listed_and_deleted_by_their_user(cloud, alice, key):
    base = f"/v3/users/{alice.id}/credentials/OS-EC2"
    token = alice.token()
    assert cloud.request("GET", f"{base}/{key['access']}", token=token).json["credential"] == key
    assert cloud.request("GET", base, token=token).json["credentials"] == [key]
    assert cloud.request("DELETE", f"{base}/{key['access']}", token=token).status_int == 204
    assert cloud.request("GET", f"{base}/{key['access']}", token=alice.token()).status_int == 404


def test_t59_the_secret_is_not_in_the_database_in_clear(cloud, key):
    with cloud.clients.db.engine.connect() as connection:
        dump = "\n".join(connection.connection.driver_connection.iterdump())
    assert key["secret"] not in dump
    assert "credentials" in dump


def test_t30_keys_of_others_are_not_to_be_had(cloud, alice, key):
    bob = cloud.user("bob")
    base = f"/v3/users/{alice.id}/credentials/OS-EC2"
    for method, path in (("GET", base), ("GET", f"{base}/{key['access']}"), ("DELETE", f"{base}/{key['access']}")):
        assert cloud.request(method, path, token=bob.token()).status_int == 403
    assert make_key(cloud, alice, bob.token()).status_int == 403
    own_path = f"/v3/users/{bob.id}/credentials/OS-EC2/{key['access']}"
    assert cloud.request("GET", own_path, token=bob.token()).status_int == 404


def test_t29_no_key_for_a_project_without_a_role(cloud, alice):
    assert make_key(cloud, alice, project_id=cloud.ids.project_id).status_int == 403


def test_t23_a_user_has_a_limited_number_of_keys(cloud, alice, monkeypatch):
    monkeypatch.setattr("iaas.identity.api.credentials.MAX_PER_USER", 2)
    assert [make_key(cloud, alice).status_int for _ in range(3)] == [201, 201, 403]


@pytest.mark.parametrize("field", ["credentials", "ec2Credentials"])
def test_a_signed_request_gets_its_signers_token(cloud, alice, key, service, field):
    response = ask(cloud, service, signed(key["access"], key["secret"]), field)
    token = response.json["token"]
    assert response.status_int == 200
    assert (token["user"]["id"], token["project"]["id"]) == (alice.id, alice.project_id)
    assert [role["name"] for role in token["roles"]] == ["member", "reader"]
    assert token["methods"] == ["ec2credential"]
    assert cloud.alive(response.headers["X-Subject-Token"])


def test_t31_only_services_may_ask(cloud, alice, key):
    document = signed(key["access"], key["secret"])
    assert ask(cloud, None, document).status_int == 401
    assert ask(cloud, alice.token(), document).status_int == 403


def test_t31_a_wrong_signature_an_unknown_key_and_another_body_are_one_answer(cloud, key, service):
    good = signed(key["access"], key["secret"])
    wrong = [
        signed(key["access"], "x" * 32),
        signed("nobody", key["secret"]),
        {**good, "body_hash": "0" * 64},
        {**good, "signature": "0" * 64},
        {**good, "host": "elsewhere"},
    ]
    answers = [ask(cloud, service, document) for document in wrong]
    assert {answer.status_int for answer in answers} == {401}
    assert len({answer.text for answer in answers}) == 1


def test_t31_a_request_is_good_for_the_configured_time_only(cloud, key, service, monkeypatch):
    document = signed(key["access"], key["secret"])
    now = datetime.datetime.now(datetime.UTC)
    for seconds, status in ((880, 200), (920, 401), (-920, 401)):
        later = now + datetime.timedelta(seconds=seconds)
        monkeypatch.setattr("iaas.identity.api.ec2.runtime.now", lambda later=later: later)
        assert ask(cloud, service, document).status_int == status


ENDS = {
    "the key is deleted": lambda c, p, k: c.request(
        "DELETE", f"/v3/users/{p.id}/credentials/OS-EC2/{k['access']}", token=c.token()
    ),
    "the credential is deleted": lambda c, p, k: c.request(
        "DELETE", f"/v3/credentials/{hashlib.sha256(k['access'].encode()).hexdigest()}", token=c.token()
    ),
    "the user is disabled": lambda c, p, k: c.request(
        "PATCH", f"/v3/users/{p.id}", {"user": {"enabled": False}}, c.token()
    ),
    "the user is deleted": lambda c, p, k: c.request("DELETE", f"/v3/users/{p.id}", token=c.token()),
    "the project is disabled": lambda c, p, k: c.request(
        "PATCH", f"/v3/projects/{p.project_id}", {"project": {"enabled": False}}, c.token()
    ),
    "the role is taken": lambda c, p, k: c.request(
        "DELETE",
        f"/v3/projects/{p.project_id}/users/{p.id}/roles/{c.ids.role_ids['member']}",
        token=c.token(),
    ),
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS.keys())
def test_t26_t28_the_key_and_its_tokens_end_when(cloud, alice, key, service, end):
    held = ask(cloud, service, signed(key["access"], key["secret"])).headers["X-Subject-Token"]
    assert end(cloud, alice, key).status_int in (200, 204)
    assert not cloud.alive(held)
    assert ask(cloud, service, signed(key["access"], key["secret"])).status_int == 401


def test_t29_a_delegated_token_changes_no_secret_and_no_right(cloud, alice, key, service):
    admin_grant = f"/v3/projects/{alice.project_id}/users/{alice.id}/roles/{cloud.ids.role_ids['admin']}"
    assert cloud.request("PUT", admin_grant, token=cloud.token()).status_int == 204
    token = ask(cloud, service, signed(key["access"], key["secret"])).headers["X-Subject-Token"]
    assert cloud.request("GET", f"/v3/projects/{alice.project_id}", token=token).status_int == 200
    password = {"user": {"password": "x", "original_password": alice.password}}
    tries = [
        make_key(cloud, alice, token),
        cloud.request("GET", f"/v3/users/{alice.id}/credentials/OS-EC2", token=token),
        cloud.request("GET", "/v3/credentials", token=token),
        cloud.request("POST", "/v3/credentials", {"credential": {"type": "totp", "blob": "x"}}, token),
        cloud.request("POST", f"/v3/users/{alice.id}/password", password, token),
        cloud.request("PATCH", f"/v3/users/{alice.id}", {"user": {"password": "x"}}, token),
        cloud.request("PUT", admin_grant, token=token),
        cloud.request("POST", "/v3/users", {"user": {"name": "mallory"}}, token),
        cloud.rescoped(token, {"project": {"id": alice.project_id}}),
        cloud.rescoped(token, {"unscoped": {}}),
        ask(cloud, token, signed(key["access"], key["secret"])),
    ]
    assert [response.status_int for response in tries] == [403] * len(tries)
    assert cloud.login("alice", alice.password).status_int == 201
