"""The metadata relay, against a metadata service that writes down what it was asked."""

from __future__ import annotations

import io
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import requests

from iaas.common import errors, runtime
from iaas.network import relay

SECRET = "between us"
NETWORK = "net-1"


@dataclass
class Service:
    """A metadata service on loopback."""

    status: str = "200 OK"
    headers: tuple[tuple[str, str], ...] = (("Content-Type", "text/plain"),)
    body: bytes = b"ami-id"
    seen: list[dict[str, Any]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    def __call__(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        self.seen.append(dict(environ))
        self.bodies.append(environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)))
        start_response(self.status, [*self.headers, ("Content-Length", str(len(self.body)))])
        return [self.body]


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture(scope="module")
def site() -> Iterator[tuple[str, list[Service]]]:
    """One server for all tests, since stopping one waits for its kept connections; the last in the list answers."""
    now: list[Service] = []
    server = runtime.serve(runtime.listen("127.0.0.1", 0), lambda *words: now[-1](*words))
    yield f"http://127.0.0.1:{server.port}", now
    server.stop()


@pytest.fixture
def url(site: tuple[str, list[Service]], service: Service) -> str:
    site[1].append(service)
    return site[0]


def ask(app: relay.Relay, path: str = "/latest/meta-data/", **changes: Any) -> tuple[str, dict[str, str], bytes]:
    """Call the application as a server does, and return status, headers and body."""
    body = changes.pop("body", b"")
    environ = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "REMOTE_ADDR": "10.0.0.5",
        "CONTENT_LENGTH": str(len(body)) if body else "",
        "wsgi.input": io.BytesIO(body),
        **changes,
    }
    started: list[Any] = []
    found = b"".join(app(environ, lambda *words: started.append(words)))
    return started[0][0], dict(started[0][1]), found


def test_a_request_is_carried_with_the_sender_vouched_for(service: Service, url: str) -> None:
    app = relay.relay(NETWORK, url + "/", SECRET)
    assert ask(app) == ("200 OK", {"Content-Type": "text/plain", "Content-Length": "6"}, b"ami-id")
    seen = service.seen[0]
    assert seen["PATH_INFO"] == "/latest/meta-data/"
    assert seen["HTTP_X_FORWARDED_FOR"] == "10.0.0.5"
    assert seen["HTTP_X_NETWORK_ID"] == NETWORK
    assert relay.check(SECRET, NETWORK, "10.0.0.5", seen["HTTP_X_NETWORK_SIGNATURE"])


def test_what_a_guest_says_about_itself_stays_behind_t41(service: Service, url: str) -> None:
    forged = {
        f"HTTP_{name}": "forged"
        for name in (
            "X_FORWARDED_FOR",
            "X_NETWORK_ID",
            "X_NETWORK_SIGNATURE",
            "X_INSTANCE_ID",
            "X_INSTANCE_ID_SIGNATURE",
            "X_TENANT_ID",
            "X_REAL_IP",
            "FORWARDED",
            "AUTHORIZATION",
            "HOST",
            "PROXY",
        )
    }
    ask(relay.relay(NETWORK, url, SECRET), **forged)
    assert [key for key, value in service.seen[0].items() if value == "forged"] == []
    assert service.seen[0]["HTTP_X_FORWARDED_FOR"] == "10.0.0.5"


def test_a_signature_holds_for_one_network_one_address_and_one_secret_t41() -> None:
    good = relay.signature(SECRET, NETWORK, "10.0.0.5")
    assert len(good) == 64
    assert relay.check(SECRET, NETWORK, "10.0.0.5", good)
    flipped = good[:-1] + format(int(good[-1], 16) ^ 1, "x")
    wrong = [
        (SECRET, NETWORK, "10.0.0.6", good),
        (SECRET, "net-2", "10.0.0.5", good),
        ("another", NETWORK, "10.0.0.5", good),
        (SECRET, NETWORK, "10.0.0.5", flipped),
        (SECRET, NETWORK, "10.0.0.5", ""),
        (SECRET, NETWORK, "10.0.0.5", "é"),
    ]
    assert not any(relay.check(*words) for words in wrong)


def test_an_empty_secret_is_refused_before_anything_is_served_t41() -> None:
    with pytest.raises(errors.Invalid, match="secret"):
        relay.relay(NETWORK, "http://127.0.0.1:1", "")
    with pytest.raises(errors.Invalid):
        relay.check("", NETWORK, "10.0.0.5", "")


def test_a_token_is_asked_for_and_shown(service: Service, url: str) -> None:
    service.headers = (
        ("X-aws-ec2-metadata-token-ttl-seconds", "60"),
        ("Server", "hidden"),
        ("Set-Cookie", "a=b"),
    )
    words = {"REQUEST_METHOD": "PUT", "HTTP_X_AWS_EC2_METADATA_TOKEN_TTL_SECONDS": "60"}
    _, headers, _ = ask(relay.relay(NETWORK, url, SECRET), "/latest/api/token", **words)
    assert headers == {"X-aws-ec2-metadata-token-ttl-seconds": "60", "Content-Length": "6"}
    assert service.seen[0]["REQUEST_METHOD"] == "PUT"
    assert service.seen[0]["HTTP_X_AWS_EC2_METADATA_TOKEN_TTL_SECONDS"] == "60"


def test_a_body_is_carried_and_one_too_long_is_not(service: Service, url: str) -> None:
    app = relay.relay(NETWORK, url, SECRET)
    assert ask(app, "/openstack/latest/password", REQUEST_METHOD="POST", body=b"x" * 500)[0] == "200 OK"
    assert service.bodies == [b"x" * 500]
    assert ask(app, REQUEST_METHOD="PUT", body=b"x" * (relay.MAX_BODY + 1))[0].startswith("413")
    assert ask(app, REQUEST_METHOD="PUT", CONTENT_LENGTH="-1")[0].startswith("411")
    assert ask(app, REQUEST_METHOD="PUT", HTTP_TRANSFER_ENCODING="chunked")[0].startswith("411")
    assert len(service.seen) == 1


@pytest.mark.parametrize("path", ["/latest/../admin", "/..", "/a/./b", "latest", "", "/a\nb", "/" + "x" * 10_000])
def test_a_path_that_could_mean_something_else_is_404_t41(service: Service, url: str, path: str) -> None:
    assert ask(relay.relay(NETWORK, url + "/inside", SECRET), path)[0] == "404 Not Found"
    assert service.seen == []


def test_path_and_query_arrive_as_they_were_sent(service: Service, url: str) -> None:
    ask(relay.relay(NETWORK, url, SECRET), "/latest/a b%2e%2e?#/\u00c3\u00a9", QUERY_STRING="a=1&b=%20#x")
    assert service.seen[0]["PATH_INFO"] == "/latest/a b%2e%2e?#/\u00c3\u00a9"
    assert service.seen[0]["QUERY_STRING"] == "a=1&b=%20%23x"


def test_other_methods_are_405(url: str) -> None:
    assert ask(relay.relay(NETWORK, url, SECRET), REQUEST_METHOD="DELETE")[0].startswith("405")


def test_what_is_not_found_is_not_found(service: Service, url: str) -> None:
    service.status, service.body = "404 Not Found", b"no"
    assert ask(relay.relay(NETWORK, url, SECRET))[::2] == ("404 Not Found", b"no")


def test_a_failing_service_is_502_without_its_words(service: Service, url: str) -> None:
    service.status, service.body = "500 Internal Server Error", b"Traceback: password"
    status, _, body = ask(relay.relay(NETWORK, url, SECRET))
    assert status == "502 Bad Gateway"
    assert b"password" not in body


def test_an_answer_too_long_is_502(service: Service, url: str) -> None:
    service.body = b"x" * (relay.MAX_ANSWER + 1)
    assert ask(relay.relay(NETWORK, url, SECRET))[0] == "502 Bad Gateway"


def test_a_service_that_is_not_there_is_503() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    status, headers, body = ask(relay.relay(NETWORK, f"http://127.0.0.1:{port}", SECRET))
    assert status == "503 Service Unavailable"
    assert headers["Content-Type"].startswith("text/plain")
    assert SECRET.encode() not in body


def test_a_slow_service_is_503_in_bounded_time() -> None:
    class Slow:
        closed = 0

        def request(self, *words: Any, timeout: float, **rest: Any) -> Any:
            assert 0 < timeout <= 30
            raise requests.ReadTimeout

        def close(self) -> None:
            self.closed += 1

    slow = Slow()
    app = relay.relay(NETWORK, "http://nowhere", SECRET, lambda: slow)
    assert ask(app)[0] == "503 Service Unavailable"
    assert slow.closed == 1


def test_one_network_cannot_take_all_the_room_t41(service: Service, url: str) -> None:
    app = relay.relay(NETWORK, url, SECRET)
    nested: list[str] = []

    class Nested:
        """A session that asks again while it is asked, until there is no room."""

        def request(self, *words: Any, **rest: Any) -> Any:
            nested.append(ask(app)[0])
            raise requests.ConnectionError

        def close(self) -> None:
            pass

    app._session_factory = Nested
    ask(app)
    assert len(nested) == relay.MAX_CLIENTS
    app._session_factory = relay.plain_session
    assert ask(app)[0] == "200 OK"
