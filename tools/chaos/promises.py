"""What a cloud promised: clients that keep book of every 2xx, and what must be true of the cloud in the end.

book = Book(); client = Client(cluster, book); client.log_in(); …
settle(cluster, 60); broken(client) == []; unsound(cluster, client) == []
"""

from __future__ import annotations

import collections
import io
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pycdlib
import requests

from iaas.doctor.history import History
from tools import dev_cluster

ALLOWED = {200, 201, 202, 204, 404, 409, 503}  # under faults; anything else is a fault of its own
PATIENCE = 90.0  # how long a client insists


@dataclass
class Thing:
    """One server or volume a client asked for.

    :ivar name: its own, so that a request done twice shows
    :ivar wanted: the states it may end in, as far as accepted requests say; ERROR with a reason it always may
    :ivar deleted: its deletion was accepted
    :ivar unsure: its deletion, or its creation, was asked for and no answer came
    """

    id: str
    noun: str
    name: str
    wanted: set[str]
    deleted: bool = False
    unsure: bool = False


@dataclass
class Book:
    """Everything one case's clients were promised.

    :ivar seen: how often each status was answered; None stands for an answer that never came
    :ivar bad: answers nobody may give, in words
    :ivar unanswered: names of what was asked for without an answer → its image
    :ivar history: the same as the doctor reads it, verbs too
    :ivar slowest: seconds the slowest whole answer took
    """

    things: dict[str, Thing] = field(default_factory=dict)
    seen: collections.Counter[int | None] = field(default_factory=collections.Counter)
    bad: list[str] = field(default_factory=list)
    unanswered: dict[str, str] = field(default_factory=dict)
    slowest: float = 0.0
    history: History = field(default_factory=History)

    def accepted(self, noun: str) -> int:
        return sum(thing.noun == noun for thing in list(self.things.values()))

    @property
    def promises(self) -> int:
        """How many requests were answered 2xx that changed something or showed something."""
        return sum(count for status, count in self.seen.items() if status is not None and status < 300)


class Client:
    """A client of the cloud's HTTP APIs with the administrator's token, for any number of threads."""

    def __init__(self, cluster: dev_cluster.Cluster) -> None:
        self.cluster = cluster
        self.book = Book()
        self._token = ""
        self._http = threading.local()
        settings = cluster.settings
        self.urls = {
            "compute": f"http://127.0.0.1:{settings.api.compute_port}/v2.1",
            "network": f"http://127.0.0.1:{settings.api.network_port}/v2.0",
            "image": f"http://127.0.0.1:{settings.image.port}/v2",
        }

    def log_in(self) -> None:
        rc = self.cluster.environment()
        user = {"name": rc["OS_USERNAME"], "domain": {"name": "Default"}, "password": rc["OS_PASSWORD"]}
        scope = {"project": {"name": rc["OS_PROJECT_NAME"], "domain": {"name": "Default"}}}
        body = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope}}
        answer = requests.post(f"{self.cluster.url}/auth/tokens", json=body, timeout=30)
        answer.raise_for_status()
        self._token = answer.headers["X-Subject-Token"]
        project = answer.json()["token"]["project"]["id"]
        self.urls["volume"] = f"http://127.0.0.1:{self.cluster.settings.api.volume_port}/v3/{project}"

    @property
    def answered(self) -> bool:
        """Whether the last request of this thread was answered; true before the first."""
        return getattr(self._http, "answered", True)

    # -- asking ------------------------------------------------------------------------------------------

    def ask(
        self, method: str, service: str, path: str, body: Any = None, *, data: bytes | None = None,
        token: str | None = None, allowed: frozenset[int] = frozenset(),
    ) -> tuple[int | None, Any]:  # fmt: skip
        """Send one request and return its status and body; (None, None) if no whole answer came.

        :param token: of the client: asked again with the same one, the cloud does nothing twice
        :param allowed: statuses that are right for this request besides those any request may get
        """
        session = getattr(self._http, "session", None)
        if session is None:
            session = self._http.session = requests.Session()
        headers = {"X-Auth-Token": self._token, "X-OpenStack-Nova-API-Version": "2.40"}
        if token is not None:
            headers["X-Client-Token"] = token
        if data is not None:
            headers["Content-Type"] = "application/octet-stream"
        begun = time.monotonic()
        book = self.book
        self._http.answered = False
        try:
            answer = session.request(method, self.urls[service] + path, json=body, data=data, headers=headers,
                                     timeout=60)  # fmt: skip
        except requests.RequestException:
            book.seen[None] += 1
            return None, None
        book.seen[answer.status_code] += 1
        self._http.answered = True
        self._http.request_id = answer.headers.get("X-Openstack-Request-Id")
        book.slowest = max(book.slowest, time.monotonic() - begun)
        if answer.status_code not in ALLOWED | allowed:
            book.bad.append(f"{method} {path}: {answer.status_code} {answer.text[:300]}")
        try:
            return answer.status_code, answer.json() if answer.content else {}
        except ValueError:
            return answer.status_code, {}

    def insist(
        self, method: str, service: str, path: str, body: Any = None, *,
        enough: Callable[[], bool] = lambda: False, **words: Any,
    ) -> Any:  # fmt: skip
        """Ask until the answer is none of 503 and silence, for a while, and return the body.

        :param enough: whether to give up sooner
        :raises RuntimeError: refused, or no answer in a while.
        """
        deadline = time.monotonic() + PATIENCE
        while True:
            status, answer = self.ask(method, service, path, body, **words)
            if status is not None and status != 503:
                if status >= 400:
                    raise RuntimeError(f"{method} {path}: {status} {answer}")
                return answer
            if enough() or time.monotonic() > deadline:
                raise RuntimeError(f"{method} {path}: still {status}")
            time.sleep(0.2)

    # -- things ------------------------------------------------------------------------------------------

    @staticmethod
    def new_name(letter: str) -> str:
        """A name nobody else uses."""
        return f"{letter}-{uuid.uuid4().hex[:12]}"

    def boot(
        self, image: str, networks: Any, *, where: str = "", name: str = "", enough: Callable[[], bool] = lambda: False
    ) -> Thing:
        """Ask for a server, again with the same client token as long as no answer comes.

        :param where: the host it must be on
        :param name: of a request that was not answered, to ask again for the same server
        :raises RuntimeError: refused, or no answer in a while; the book knows then that it may be there.
        """
        name = name or self.new_name("s")
        server = {"name": name, "imageRef": image, "flavorRef": "1", "networks": networks}
        if where:
            server["availability_zone"] = f":{where}"
        self.book.unanswered[name] = image
        self.book.history.unanswered("create", name=name)
        made = self.insist("POST", "compute", "/servers", {"server": server}, token=name, enough=enough)
        self.book.unanswered.pop(name, None)
        self.book.history.accepted("create", "server", made["server"]["id"], token=name)
        return self._keep(Thing(made["server"]["id"], "servers", name, {"ACTIVE"}))

    def make_volume(self, size: int = 1) -> Thing | None:
        """Ask for a volume once; None if it was not promised."""
        name = self.new_name("v")
        self.book.unanswered[name] = ""
        status, made = self.ask("POST", "volume", "/volumes", {"volume": {"size": size, "name": name}})
        if status is None:
            self.book.history.unanswered("create", name=name)
        else:
            self.book.unanswered.pop(name, None)
        if status != 202:
            return None
        self.book.history.accepted("create", "volume", made["volume"]["id"])
        return self._keep(Thing(made["volume"]["id"], "volumes", name, {"available"}))

    def _keep(self, thing: Thing) -> Thing:
        self.book.things[thing.id] = thing
        return thing

    def delete(self, thing: Thing) -> bool:
        """Ask once for a deletion; return whether it was promised, or need not be any more."""
        service = {"servers": "compute", "volumes": "volume"}[thing.noun]
        was_unsure, thing.unsure = thing.unsure, True
        self.book.history.unanswered("delete", thing.id)
        status, answer = self.ask("DELETE", service, f"/{thing.noun}/{thing.id}")
        if status in (202, 204) or (status == 404 and was_unsure):
            thing.deleted = True
        elif status == 404:
            self.book.bad.append(f"{thing.noun} {thing.id} was accepted and not found: {answer}")
        elif status in (409, 503):
            thing.unsure = was_unsure
        return thing.deleted

    def act(self, thing: Thing, action: str) -> bool:
        """Ask once to ``start``, ``stop`` or ``reboot`` a server; return whether it was promised."""
        bodies = {"start": {"os-start": None}, "stop": {"os-stop": None}, "reboot": {"reboot": {"type": "HARD"}}}
        ends = {"start": "ACTIVE", "stop": "SHUTOFF", "reboot": "ACTIVE"}[action]
        status, _ = self.ask("POST", "compute", f"/servers/{thing.id}/action", bodies[action])
        if status is None:
            thing.wanted = thing.wanted | {ends}
        elif status == 202:
            thing.wanted = {ends}
            self.book.history.accepted(action, "server", thing.id, request_id=self._http.request_id)
        return status == 202

    def make_image(self, data: bytes = b"\0" * 4096, disk_format: str = "raw") -> str:
        """Make an image and return its id."""
        image = {"name": "guest", "disk_format": disk_format, "container_format": "bare", "visibility": "public"}
        made = self.insist("POST", "image", "/images", image)["id"]
        self.insist("PUT", "image", f"/images/{made}/file", data=data)
        return made

    def make_iso(self) -> str:
        """Make an image no hypervisor here boots from, so that a build fails on its host, and return its id."""
        disc, data = pycdlib.PyCdlib(), io.BytesIO()
        disc.new()
        disc.write_fp(data)
        disc.close()
        return self.make_image(data.getvalue(), "iso")

    def listed(self, noun: str) -> dict[str, Any]:
        """Return every server or volume there is, id → what is shown."""
        service = {"servers": "compute", "volumes": "volume"}[noun]
        found: dict[str, Any] = {}
        marker = ""
        while True:
            page = self.insist("GET", service, f"/{noun}/detail?limit=500{marker}")[noun]
            found |= {row["id"]: row for row in page}
            if len(page) < 500:
                return found
            marker = f"&marker={page[-1]['id']}"


def broken(client: Client) -> list[str]:
    """Return every promise that is not kept by a settled cloud, in words."""
    book, wrong = client.book, list(client.book.bad)
    for noun in ("servers", "volumes"):
        rows = client.listed(noun)
        names = collections.Counter(row["name"] for row in rows.values())
        wrong += [f"{noun[:-1]} {name} is there {count} times" for name, count in names.items() if count > 1]
        for thing in [thing for thing in book.things.values() if thing.noun == noun]:
            row = rows.pop(thing.id, None)
            if row is None:
                if not thing.deleted and not thing.unsure:
                    wrong.append(f"{noun[:-1]} {thing.id} was accepted and is not there")
            else:
                wrong += _ended_wrong(thing, row)
        wrong += [f"{noun[:-1]} {row['id']} ({row['name']}) was promised to nobody" for row in rows.values()
                  if row["name"] not in book.unanswered]  # fmt: skip
        wrong += [f"{noun[:-1]} {row['id']} stays {row['status']}" for row in rows.values()
                  if row["status"].lower() not in ("active", "error", "available")]  # fmt: skip
    return wrong


def _ended_wrong(thing: Thing, row: dict[str, Any]) -> list[str]:
    what = f"{thing.noun[:-1]} {thing.id}"
    if thing.deleted:
        return [f"{what} was deleted and is there: {row['status']}"]
    if row.get("OS-EXT-STS:task_state"):
        return [f"{what} stays {row['status']} {row['OS-EXT-STS:task_state']}"]
    if row["status"] in ("ERROR", "error"):
        told = thing.noun == "volumes" or row.get("fault", {}).get("message")
        return [] if told else [f"{what} is in error and does not say why"]
    return [] if row["status"] in thing.wanted else [f"{what} is {row['status']}, promised was {sorted(thing.wanted)}"]
