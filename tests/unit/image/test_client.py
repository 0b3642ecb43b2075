"""The controller's image client against the real service over loopback."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from iaas.common import errors, runtime
from iaas.image import client as module
from iaas.image.client import ImageClient
from tests.fixtures.image import ADMIN, ALICE, BOB, SERVICE, ImageApi, caller

alice, bob = caller(ALICE), caller(BOB)
DATA = bytes(range(256)) * 9000


class Identity:
    """Gives the token of the services' user."""

    def token(self) -> str:
        return "token-of-the-services"


class Front:
    """The application for whoever has the services' token, noting the requests; a test may take it down."""

    def __init__(self) -> None:
        self.app: Any = None
        self.seen: list[str] = []
        self.down = False

    def __call__(self, environ, start_response):
        if self.down:
            start_response("503 Service Unavailable", [("Content-Length", "0")])
            return []
        self.seen.append(f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}")
        if environ.get("HTTP_X_AUTH_TOKEN") == "token-of-the-services":
            environ["iaas.context"] = SERVICE
        return self.app(environ, start_response)


@pytest.fixture
def api(tmp_path):
    made = ImageApi(tmp_path)
    yield made
    made.close()


@pytest.fixture(scope="module")
def served():
    """A server for the whole module, its port, and what stands before each test's application."""
    front = Front()
    running = runtime.serve(runtime.listen("127.0.0.1", 0), front)
    yield front, running.port
    running.stop()


@pytest.fixture
def front(api, served):
    front = served[0]
    front.app, front.seen, front.down = api.app, [], False
    return front


def client_of(api, port: int) -> ImageClient:
    url = f"http://127.0.0.1:{port}"
    return ImageClient(api.clients.settings.replace({"image.url": url, "image.cache_seconds": 10.0}), Identity())


@pytest.fixture
def client(api, front, served):
    made = client_of(api, served[1])
    yield made
    made.close()


def test_facts_are_the_images(api, client):
    image = api.make(alice, DATA, name="debian", min_disk=3, min_ram=64, tags=["x"], os_distro="debian")
    facts = client.get(alice, image["id"])
    assert (facts.id, facts.name, facts.status, facts.owner) == (image["id"], "debian", "active", ALICE)
    assert (facts.size, facts.virtual_size, facts.disk_format) == (len(DATA), len(DATA), "raw")
    assert (facts.min_disk_gb, facts.min_ram_mb, facts.tags) == (3, 64, ("x",))
    assert (facts.hash_algo, facts.hash_value) == ("sha512", image["os_hash_value"])
    assert facts.checksum == image["checksum"]
    assert facts.properties == {"os_distro": "debian"}
    assert facts.updated_at >= facts.created_at > 1_700_000_000
    with pytest.raises(dataclasses.FrozenInstanceError):
        facts.owner = BOB  # type: ignore[misc]


def test_facts_of_an_active_image_are_asked_for_once(api, client, front):
    image = api.make(alice)
    for _ in range(3):
        client.get(alice, image["id"])
    assert front.seen == [f"GET /v2/images/{image['id']}"]


def test_facts_of_an_image_that_is_not_active_are_not_kept(api, client):
    image = api.create(alice)
    assert client.get(alice, image["id"]).status == "queued"
    api.upload(alice, image["id"], b"x")
    assert client.get(alice, image["id"]).status == "active"


def test_another_projects_private_image_is_not_found_also_from_the_cache(api, client):
    for visibility in ("private", "shared"):
        image = api.make(alice, visibility=visibility)
        client.get(alice, image["id"])
        with pytest.raises(module.ImageNotFound, match=f"Image {image['id']} could not be found."):
            client.get(bob, image["id"])
        assert client.get(ADMIN, image["id"]).id == image["id"]


@pytest.mark.parametrize("visibility", ["public", "community"])
def test_an_open_image_is_everybodys(api, client, visibility):
    image = api.make(ADMIN, visibility=visibility)
    assert client.get(bob, image["id"]).visibility == visibility


def test_a_shared_image_is_its_members(api, client):
    image = api.make(alice)
    api.request("POST", f"/v2/images/{image['id']}/members", {"member": BOB}, ctx=alice)
    assert client.get(bob, image["id"]).id == image["id"]
    with pytest.raises(module.ImageNotFound):
        client.get(caller("c" * 32), image["id"])


@pytest.mark.parametrize("wrong", ["", "x", "../../v3/users", "0" * 31, "a b", "☃"])
def test_what_is_no_id_is_not_found_without_a_request(client, front, wrong):
    with pytest.raises(module.ImageNotFound):
        client.get(alice, wrong)
    with pytest.raises(module.ImageNotFound):
        next(client.read(wrong))
    assert front.seen == []


def test_a_list_is_what_the_project_sees_over_all_pages(api, client):
    for number in range(5):
        api.create(alice, name=f"a{number}")
    api.create(bob, name="b")
    api.create(ADMIN, name="p", visibility="public")
    found = [facts.name for facts in client.list(alice, {"limit": 2, "sort": "name:asc"})]
    assert found == ["a0", "a1", "a2", "a3", "a4", "p"]
    assert [facts.name for facts in client.list(bob, {"name": "in:b,a1"})] == ["b"]
    assert len(list(client.list(ADMIN))) == 7
    assert [facts.name for facts in client.list(caller(None))] == ["p"]


def test_a_filter_that_is_not_understood_is_refused_with_the_services_sentence(client):
    with pytest.raises(module.ImageRefused, match="sorted by 'nonsense'"):
        list(client.list(alice, {"sort": "nonsense:asc"}))


def test_data_is_read_whole(api, client):
    image = api.make(alice, DATA)
    assert b"".join(client.read(image["id"])) == DATA


def test_data_that_is_not_there_is_not_found(api, client):
    image = api.create(alice)
    with pytest.raises(module.ImageNotFound):
        next(client.read(image["id"]))


def test_a_snapshot_is_created_and_uploaded_for_a_project(api, client):
    facts = client.create(ALICE, name="snap", disk_format="raw", container_format="bare", instance_uuid="i")
    client.upload(facts.id, (DATA[at : at + 70_000] for at in range(0, len(DATA), 70_000)))
    image = api.show(alice, facts.id)
    assert (image["owner"], image["status"], image["size"]) == (ALICE, "active", len(DATA))
    assert image["instance_uuid"] == "i"
    with pytest.raises(errors.Conflict):
        client.upload(facts.id, [b"again"])


def test_a_refused_upload_says_why(api, client):
    facts = client.create(ALICE, name="snap", disk_format="raw", container_format="bare")
    with pytest.raises(module.ImageRefused, match="signature of qcow2"):
        client.upload(facts.id, [b"QFI\xfb" + bytes(1000)])


def test_delete_is_the_projects_own(api, client):
    image = api.make(alice)
    with pytest.raises(module.ImageNotFound):
        client.delete(bob, image["id"])
    public = api.make(ADMIN, visibility="public")
    with pytest.raises(module.ImageDenied):
        client.delete(alice, public["id"])
    client.delete(alice, image["id"])
    with pytest.raises(module.ImageNotFound):
        client.get(alice, image["id"])
    assert api.blobs() == [public["id"]]


def test_a_service_that_fails_is_unavailable_but_what_is_known_stays_known(api, client, front):
    image = api.make(alice)
    client.get(alice, image["id"])
    front.down = True
    assert client.get(alice, image["id"]).id == image["id"]
    assert_unavailable(client, image["id"])


def test_a_service_that_does_not_listen_is_unavailable(api):
    sock = runtime.listen("127.0.0.1", 0)
    port = sock.getsockname()[1]
    sock.close()
    assert_unavailable(client_of(api, port), runtime.uuid())


def assert_unavailable(client: ImageClient, image_id: str) -> None:
    with pytest.raises(errors.Unavailable, match="image service"):
        client.get(alice, runtime.uuid())
    for call in (lambda: next(client.read(image_id)), lambda: client.delete(alice, image_id)):
        with pytest.raises(errors.Unavailable):
            call()
