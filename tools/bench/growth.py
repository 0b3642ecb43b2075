"""Growth: what a boot and a list cost beside more and more servers, and a placing among more and more hosts.

The servers are rows on hosts that take nothing new (``fill``), so that only what is measured is at work; they are
there before the cloud is asked again, as if they had come one by one.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import fill, work
from bench.client import Client
from bench.cloud import Cloud
from bench.goals import Figure

from iaas.db.tx import Database

#: servers present → how many come to those of the size before
SERVERS = {0: 0, 100: 100, 1000: 1000, 10_000: 9000}
HOSTS = (10, 100, 1000, 10_000)
ROUNDS, CYCLES, LISTS = 3, 20, 20
ON = 50  # the hosts the present servers are on
OWN = 100  # servers of the small project


@dataclass
class Small:
    """A project with few servers of its own among the many."""

    id: str
    client: Client


def servers(bench: work.Bench, folder: Path) -> Iterator[Figure]:
    """Boot and list with 0, 100, 1,000 and 10,000 servers present."""
    database = Database(f"sqlite:///{folder}/controller.sqlite")
    names = fill.add_hosts(database, ON, disabled=True)
    flavor = embedded(bench)
    small = _small_project(bench.client)
    here, user = _project(bench.client), _user(bench.client)
    boots: dict[int, Figure] = {}
    lists: dict[int, Figure] = {}
    for size, more in SERVERS.items():
        whose = small.id if size == OWN else here  # so the bench's project has its first 1,000 at 1,000
        if more:
            fill.add_servers(database, more, whose, user, bench.image, (bench.flavor, flavor), names)
        boots[size] = _boot_cost(bench, f"boot and delete, {size} servers present")
        yield boots[size]
        if size >= 1000:
            lists[size] = _list_cost(bench, f"list of 1000 out of {size}", lambda: _listed(bench.client, 1000))
            yield lists[size]
        if size >= OWN:
            yield _list_cost(bench, f"list of {OWN} of its own among {size}", lambda: _listed(small.client, OWN))
    for name, found, first in (("boot", boots, 0), ("list of 1000", lists, 1000)):
        yield _ratio(f"{name}, 10000 over {first} servers", found[10_000], found[first])
    database.close()


def _boot_cost(bench: work.Bench, name: str) -> Figure:
    """The median of a few rounds: CPU has ticks of 10 ms, and what the cloud does by itself falls into some."""
    work.cycles(bench, name, 3)
    rounds = [work.cycles(bench, name, CYCLES) for _ in range(ROUNDS)]
    return _middle(name, rounds, f"{ROUNDS} rounds of {CYCLES}")


def _list_cost(bench: work.Bench, name: str, call: Callable[[], Any]) -> Figure:
    request = ("GET", r"/v2\.1/servers/detail")
    rounds = [bench.timed(name, call, LISTS, request) for _ in range(ROUNDS)]
    return _middle(name, rounds, f"{ROUNDS} rounds of {LISTS}")


def _middle(name: str, rounds: list[Figure], note: str) -> Figure:
    values = {what: work.middle(getattr(one, what) for one in rounds) for what in ("median", "p95", "cpu_ms", "sql")}
    others = max(one.others or 0.0 for one in rounds)
    return Figure(name, **values, n=sum(one.n for one in rounds), others=others, note=note)  # type: ignore[arg-type]


def _ratio(name: str, many: Figure, few: Figure) -> Figure:
    return Figure(name, (many.cpu_ms or 0.0) / (few.cpu_ms or 1.0), "times the CPU")


def embedded(bench: work.Bench) -> dict[str, Any]:
    """Return the bench's flavor as a server keeps it."""
    shown = bench.client.get("compute", f"/flavors/{bench.flavor}")["flavor"]
    kept = {name: shown[name] for name in ("vcpus", "ram", "disk")}
    return {"original_name": shown["name"], **kept, "ephemeral": 0, "swap": 0, "extra_specs": {}}


# -- who owns the servers ----------------------------------------------------------------------------------


def _project(client: Client) -> str:
    return _token(client)["project"]["id"]


def _user(client: Client) -> str:
    return _token(client)["user"]["id"]


def _token(client: Client) -> dict[str, Any]:
    return client.call("identity", "POST", "/auth/tokens", client.by_token())[1]["token"]


def _small_project(client: Client) -> Small:
    """Make a project the bench's user is a member of, and log in to it."""
    made = client.call("identity", "POST", "/projects", {"project": {"name": "bench-small", "domain_id": "default"}})
    project_id = made[1]["project"]["id"]
    role = client.get("identity", "/roles?name=member")["roles"][0]["id"]
    client.call("identity", "PUT", f"/projects/{project_id}/users/{_user(client)}/roles/{role}")
    return Small(project_id, Client({**client.account, "OS_PROJECT_NAME": "bench-small"}).login())


def _listed(client: Client, count: int) -> None:
    shown = client.get("compute", "/servers/detail?limit=1000")["servers"]
    assert len(shown) == count, len(shown)


# -- hosts -------------------------------------------------------------------------------------------------


def placings(hosts: tuple[int, ...] = HOSTS) -> Iterator[Figure]:
    """Place servers among more and more hosts, in a process of its own."""
    program = Path(__file__).with_name("scheduling.py")
    words = [sys.executable, str(program), "--json", "--hosts", ",".join(map(str, hosts))]
    rounds = []
    for _ in range(ROUNDS):
        done = subprocess.run(words, capture_output=True, text=True, check=True)
        rounds.append([json.loads(line) for line in done.stdout.splitlines()])
    for lines in zip(*rounds, strict=True):
        for what, name in (("fits", "place a server"), ("refused", "refuse a server")):
            cost = statistics.median(line[what]["cpu_ms"] for line in lines)
            p95 = statistics.median(line[what]["p95"] for line in lines)
            figure = Figure(
                f"{name}, {lines[0]['hosts']} hosts", cost, "CPU-ms", p95, sum(line[what]["n"] for line in lines)
            )
            figure.cpu_ms, figure.sql = cost, lines[0][what]["sql"]
            yield figure


def measure(cloud: Cloud, bench: work.Bench) -> Iterator[Figure]:
    """Return every growth curve."""
    yield from servers(bench, cloud.folder)
    yield from placings()
