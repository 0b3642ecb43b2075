"""What the other services make of tokens: the filter and the client, against the real application."""

from __future__ import annotations

from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest
import urllib3
import webob
from paste import deploy

from iaas.common import errors, runtime
from iaas.common.rest import pipeline as pipelines
from iaas.common.rest.middleware import REFUSED
from iaas.identity import middleware
from iaas.identity.client import IdentityClient
from tests.api.identity.test_ec2 import make_key, signed


class Wire:
    """An HTTP connection that ends in the application; it counts requests and can be cut."""

    def __init__(self, cloud):
        self.cloud = cloud
        self.sent = []
        self.cut = None

    def request(self, method, url, body=None, headers=None, redirect=True):
        path = urlsplit(url)
        self.sent.append((method, path.path))
        if self.cut == "connection":
            raise urllib3.exceptions.MaxRetryError(None, url, OSError())  # type: ignore[arg-type]
        if self.cut == "server":
            return SimpleNamespace(status=503, data=b"", headers={})
        request = webob.Request.blank(path.path + (f"?{path.query}" if path.query else ""), method=method)
        request.headers.update(headers or {})
        request.body = body or b""
        response = request.get_response(self.cloud.app)
        return SimpleNamespace(status=response.status_int, data=response.body, headers=response.headers)

    def count(self, method):
        return sum(1 for sent in self.sent if sent == (method, "/v3/auth/tokens"))


@pytest.fixture
def wire(cloud):
    return Wire(cloud)


@pytest.fixture
def clock(monkeypatch):
    made = SimpleNamespace(ahead=0.0)
    real = runtime.monotonic
    monkeypatch.setattr(runtime, "monotonic", lambda: real() + made.ahead)
    return made


@pytest.fixture
def client(cloud, wire, clock):
    return IdentityClient(cloud.settings, wire)


@pytest.fixture
def ask(client):
    """Send a request through the filter; returns the context the application saw, or why it must refuse."""

    def ask(token=None, **headers):
        seen = []

        def app(environ, start_response):
            seen.append(environ.get(REFUSED) or environ.get("iaas.context"))
            start_response("200 OK", [])
            return [b""]

        request = webob.Request.blank("/")
        if token is not None:
            request.headers["X-Auth-Token"] = token
        request.headers.update(headers)
        request.environ["iaas.clients"] = SimpleNamespace(identity=client)
        response = request.get_response(middleware.filter_factory({})(app))
        return seen[0] if seen else response

    return ask


def test_a_token_becomes_the_context_of_the_request(cloud, ask):
    alice = cloud.user()
    token = alice.token()
    ctx = ask(token)
    assert (ctx.user_id, ctx.user_name, ctx.project_id) == (alice.id, "alice", alice.project_id)
    assert (ctx.roles, ctx.is_admin) == (("member", "reader"), False)
    assert (ctx.user_domain_id, ctx.project_domain_id, ctx.system_scope) == ("default", "default", None)
    assert ctx.extra["auth_token"] == token
    assert token not in repr(ctx)
    assert token not in str(ctx.to_dict())


def test_admins_system_and_domain_tokens(cloud, ask):
    assert ask(cloud.token()).is_admin
    assert ask(cloud.token(scope={"system": {"all": True}})).system_scope == "all"
    assert ask(cloud.token(scope={"domain": {"id": "default"}})).domain_id == "default"
    unscoped = ask(cloud.login().headers["X-Subject-Token"])
    assert (unscoped.project_id, unscoped.roles, unscoped.is_admin) == (None, (), False)


@pytest.mark.parametrize("token", [None, "", "nonsense", "gAAAAA" + "x" * 100, "x" * 10_000, "\u00e9", "a\tb"])
def test_without_a_token_in_force_there_is_no_context(ask, token):
    assert ask(token) is None


def test_t36_a_token_is_asked_for_once_in_the_configured_time(cloud, ask, wire, clock):
    token = cloud.token()
    for _ in range(3):
        assert ask(token).is_admin
    assert (wire.count("POST"), wire.count("GET")) == (1, 1)
    clock.ahead += cloud.settings.identity.cache_seconds + 0.1
    assert ask(token).is_admin
    assert (wire.count("POST"), wire.count("GET")) == (1, 2)


def test_t26_a_revoked_token_is_refused_within_the_configured_time(cloud, ask, clock):
    token = cloud.token()
    assert ask(token)
    cloud.request("DELETE", "/v3/auth/tokens", token=token, X_Subject_Token=token)
    clock.ahead += cloud.settings.identity.cache_seconds + 0.1
    assert ask(token) is None


def test_t26_nothing_is_remembered_where_the_time_is_0(cloud, wire):
    client = IdentityClient(cloud.settings.replace({"identity.cache_seconds": 0}), wire)
    token = cloud.token()
    assert client.identify(token)
    cloud.request("DELETE", "/v3/auth/tokens", token=token, X_Subject_Token=token)
    assert client.identify(token) is None


def test_t54_a_bad_token_is_remembered_for_a_moment(ask, wire, clock):
    for _ in range(3):
        assert ask("nonsense") is None
    assert wire.count("GET") == 1
    clock.ahead += 2.1
    ask("nonsense")
    assert wire.count("GET") == 2


def test_t27_a_remembered_token_expires_when_it_should(cloud, client, monkeypatch):
    token = cloud.token()
    assert client.identify(token)
    real = runtime.time
    monkeypatch.setattr("iaas.identity.client.runtime.time", lambda: real() + 3601)
    assert client.identify(token) is None


def test_our_own_token_is_made_again_when_it_was_revoked(cloud, client, wire):
    token = cloud.token()
    own = client.token()
    cloud.request("DELETE", "/v3/auth/tokens", token=own, X_Subject_Token=own)
    assert client.validate(token)["user"]["name"] == "admin"
    assert client.token() != own


def test_our_own_token_is_made_again_before_it_expires(cloud, client, wire, monkeypatch):
    client.token()
    real = runtime.time
    monkeypatch.setattr("iaas.identity.client.runtime.time", lambda: real() + 3500)
    client.token()
    assert wire.count("POST") == 2


@pytest.mark.parametrize("cut", ["connection", "server"])
def test_when_identity_cannot_be_asked_the_answer_is_503_and_nothing_is_let_through(cloud, ask, wire, cut):
    token = cloud.token()
    wire.cut = cut
    refused = ask(token)
    assert isinstance(refused, errors.Unavailable)
    assert refused.retry_after == 5
    wire.cut = None
    assert ask(token).is_admin


def test_a_wrong_service_password_is_an_outage_and_no_bad_token(cloud, wire):
    client = IdentityClient(cloud.settings.replace({"identity.password": "wrong"}), wire)
    with pytest.raises(errors.Unavailable):
        client.identify(cloud.token())


def test_ec2_tokens_and_the_catalog(cloud, client):
    alice = cloud.user()
    key = make_key(cloud, alice).json["credential"]
    token = client.ec2_token(signed(key["access"], key["secret"]))
    ctx = middleware.context_of(token)
    assert (ctx.user_id, ctx.project_id, ctx.is_admin) == (alice.id, alice.project_id, False)
    with pytest.raises(errors.Unauthenticated):
        client.ec2_token(signed(key["access"], "wrong"))
    assert {entry["type"] for entry in client.catalog()} == {"identity", "compute"}


@pytest.mark.parametrize(
    ("pipeline", "path", "words"),
    [
        ("compute", "/v2.1/servers", {"serviceUnavailable": {"code": 503}}),
        ("volume", "/v3/volumes", {"serviceUnavailable": {"code": 503}}),
        ("network", "/v2.0/networks", {"NeutronError": {"detail": ""}}),
        ("image", "/v2/images", {"code": 503}),
    ],
)
def test_an_outage_of_identity_is_told_in_the_words_of_each_api(cloud, client, wire, pipeline, path, words):
    wire.cut = "connection"
    app = deploy.loadapp(f"config:{pipelines.DEFAULT_FILE}", name=pipeline)
    request = webob.Request.blank(path, headers={"X-Auth-Token": "gAAAAA" + "x" * 100})
    request.environ["iaas.clients"] = SimpleNamespace(identity=client, settings=cloud.settings)
    response = request.get_response(app)
    assert (response.status_int, response.headers["Retry-After"]) == (503, "5")
    told = response.json
    for name, fields in words.items():
        assert name in told
        if isinstance(fields, dict):
            assert fields.items() <= told[name].items()
    assert response.headers["x-openstack-request-id"]
