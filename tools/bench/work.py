"""The workloads: each measures a few figures of one cloud with one client, and cleans up after itself."""

from __future__ import annotations

import os
import statistics
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from bench.anycloud import AnyCloud
from bench.client import Client
from bench.cloud import Cloud, Span, statements_of, until
from bench.goals import Figure

SERVER = r"/v2\.1/servers/[0-9a-f-]{36}"
MIB = 1 << 20
FILL = 25


class Bench:
    """A cloud, a client of its administrator, and an image and a flavor to boot from."""

    def __init__(self, cloud: Cloud | AnyCloud, client: Client, image_mb: int, boots: int) -> None:
        self.cloud = cloud
        self.client = client
        self.image_mb = image_mb
        self.boots = boots
        self.image = client.new_image("bench")
        client.upload(self.image, os.urandom(MIB), 1)
        wanted = {"name": "bench", "ram": 64, "vcpus": 1, "disk": 1}
        self.flavor = client.call("compute", "POST", "/flavors", {"flavor": wanted})[1]["flavor"]["id"]
        self.networks: Any = "none"

    def close(self) -> None:
        """Remove the image and the flavor."""
        self.client.call("compute", "DELETE", f"/flavors/{self.flavor}")
        self.client.call("image", "DELETE", f"/images/{self.image}")

    # -- servers -----------------------------------------------------------------------------------------

    def post(self, client: Client, name: str, count: int = 1) -> str:
        wanted = {"name": name, "imageRef": self.image, "flavorRef": self.flavor, "networks": self.networks}
        if count > 1:
            wanted |= {"min_count": count, "max_count": count}
        return client.call("compute", "POST", "/servers", {"server": wanted})[1]["server"]["id"]

    def is_active(self, server_id: str) -> bool:
        status = self.client.get("compute", f"/servers/{server_id}")["server"]["status"]
        if status == "ERROR":
            raise RuntimeError(f"server {server_id} is in ERROR")
        return status == "ACTIVE"

    def is_gone(self, server_id: str) -> bool:
        return self.client.call("compute", "GET", f"/servers/{server_id}", ok=(200, 404))[0].status == 404

    def delete(self, client: Client, server_id: str) -> None:
        client.call("compute", "DELETE", f"/servers/{server_id}")

    def listed(self, query: str) -> list[str]:
        """Return the ids of the servers a query finds, page by page."""
        found: list[str] = []
        while True:
            page = self.client.get("compute", f"/servers?limit=1000{query}{f'&marker={found[-1]}' if found else ''}")
            found += [server["id"] for server in page["servers"]]
            if len(page["servers"]) < 1000:
                return found

    def clear(self, name: str) -> float:
        """Delete the servers named so with 8 clients and return the seconds until they are gone."""
        begun, ids = time.perf_counter(), self.listed(f"&name=^{name}$")
        at_once(self.client, ids, lambda client, server_id: self.delete(client, server_id))
        until(lambda: not self.listed(f"&name=^{name}$"), "all deleted", every=0.1, seconds=120)
        return time.perf_counter() - begun

    # -- measuring ---------------------------------------------------------------------------------------

    def timed(self, name: str, call: Callable[[], Any], count: int, request: tuple[str, str] | None = None) -> Figure:
        """Measure ``call``, ``count`` times; ``request`` finds its lines, method and path, in the log."""
        for _ in range(3):
            call()
        begin, times = self.cloud.log_size(), []
        with Span(self.cloud) as span:
            for _ in range(count):
                begun = time.perf_counter()
                call()
                times.append((time.perf_counter() - begun) * 1000)
        sql = statements_of(self.cloud.log_since(begin), *request) if request else []
        cost = {**span.each(count), "sql": statistics.median(sql) if sql else None}
        return Figure(name, statistics.median(times), p95=p95(times), n=count, **cost)


def p95(values: list[float]) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * 0.95))]


def middle(values: Iterable[float | None]) -> float | None:
    """Return the median of what was measured."""
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def at_once(client: Client, work: list[Any], call: Callable[[Client, Any], Any], clients: int = 8) -> list[float]:
    """Do ``call`` for each piece of ``work`` by several clients, and return the milliseconds of each."""
    left, times, failures = list(work), [], []

    def one() -> None:
        mine = client.twin()
        while left and not failures:
            try:
                piece = left.pop()
            except IndexError:
                return
            begun = time.perf_counter()
            try:
                call(mine, piece)
            except Exception as error:
                failures.append(error)
            times.append((time.perf_counter() - begun) * 1000)

    threads = [threading.Thread(target=one) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return times


def tokens(bench: Bench) -> Iterator[Figure]:
    """A token by password, by token, and what one is worth."""
    client = bench.client
    post, path = ("POST", "/auth/tokens"), r"/v3/auth/tokens"
    login, rescope = client.by_password(), client.by_token()
    yield bench.timed("token by password", lambda: client.call("identity", *post, login), 40, ("POST", path))
    yield bench.timed("token by token", lambda: client.call("identity", *post, rescope), 400, ("POST", path))

    connection, prefix = client.connection("identity")
    headers = {"X-Auth-Token": client.token, "X-Subject-Token": client.token}

    def validate() -> None:
        connection.request("GET", f"{prefix}/auth/tokens", headers=headers)
        answer = connection.getresponse()
        assert (answer.status, bool(answer.read())) == (200, True)

    yield bench.timed("token validate", validate, 600, ("GET", path))


def images(bench: Bench) -> Iterator[Figure]:
    """Upload and download of one image, three times, in MB/s; memory at its peak over what it was before."""
    cloud, client, block, buffer = bench.cloud, bench.client, os.urandom(MIB), bytearray(MIB)
    up, down, before, megabytes = [], [], 0.0, bench.image_mb * MIB / 1e6
    if isinstance(cloud, Cloud):
        before = cloud.rss_mb()
        cloud.forget_peak()
    for _ in range(3):
        image = client.new_image("bench-big")
        with Span(cloud) as span:
            client.upload(image, block, bench.image_mb)
        up.append((megabytes / span.seconds, span))
        with Span(cloud) as span:
            size = client.download(image, buffer)
        assert size == bench.image_mb * MIB, size
        down.append((megabytes / span.seconds, span))
        client.call("image", "DELETE", f"/images/{image}")
    for name, runs in (("image upload", up), ("image download", down)):
        cost = middle(span.cpu_ms for _, span in runs)
        others = max((span.others for _, span in runs if span.others is not None), default=None)
        pace = statistics.median(pace for pace, _ in runs)
        yield Figure(name, pace, "MB/s", n=3, note=f"{bench.image_mb} MiB", cpu_ms=cost, others=others)
    if isinstance(cloud, Cloud):
        yield Figure("image memory growth", cloud.rss_mb("VmHWM") - before, "MiB", note="peak RSS over RSS before")


def gets(bench: Bench) -> Iterator[Figure]:
    """One image, flavor and server, shown."""
    client = bench.client
    image, flavor, uuid = f"/images/{bench.image}", f"/flavors/{bench.flavor}", r"[^/]+"
    yield bench.timed("GET image", lambda: client.get("image", image), 400, ("GET", f"/v2/images/{uuid}"))
    yield bench.timed("GET flavor", lambda: client.get("compute", flavor), 400, ("GET", rf"/v2\.1/flavors/{uuid}"))
    server = bench.post(client, "bench-show")
    until(lambda: bench.is_active(server), "ACTIVE")
    yield bench.timed("GET server", lambda: client.get("compute", f"/servers/{server}"), 400, ("GET", SERVER))
    bench.clear("bench-show")


def boot(bench: Bench, suffix: str = "") -> Iterator[Figure]:
    """A boot and its end, seen every 5 ms; then cycles seen every 100 ms, for what they cost."""
    client, posts, actives, gone = bench.client, [], [], []
    begin = bench.cloud.log_size()
    for _ in range(12):
        begun = time.perf_counter()
        server = bench.post(client, "bench-one")
        posts.append((time.perf_counter() - begun) * 1000)
        until(lambda server=server: bench.is_active(server), "ACTIVE")
        actives.append((time.perf_counter() - begun) * 1000)
        begun = time.perf_counter()
        bench.delete(client, server)
        until(lambda server=server: bench.is_gone(server), "gone")
        gone.append((time.perf_counter() - begun) * 1000)
    sql = statements_of(bench.cloud.log_since(begin), "POST", r"/v2\.1/servers")
    polled = "seen every 5 ms"
    yield Figure(
        "POST server" + suffix,
        statistics.median(posts),
        p95=p95(posts),
        n=12,
        sql=statistics.median(sql) if sql else None,
    )
    yield Figure("POST to ACTIVE" + suffix, statistics.median(actives), p95=p95(actives), n=12, note=polled)
    yield Figure("DELETE to gone" + suffix, statistics.median(gone), p95=p95(gone), n=12, note=polled)
    yield cycles(bench, "boot cycle" + suffix, 20)


def cycles(bench: Bench, name: str, count: int) -> Figure:
    """What a boot, polls every 100 ms and a delete cost, everything the cloud does meanwhile included."""
    times = []
    with Span(bench.cloud, count=True) as span:
        for _ in range(count):
            begun = time.perf_counter()
            server = bench.post(bench.client, "bench-cycle")
            until(lambda server=server: bench.is_active(server), "ACTIVE", every=0.1)
            bench.delete(bench.client, server)
            until(lambda server=server: bench.is_gone(server), "gone", every=0.1)
            times.append((time.perf_counter() - begun) * 1000)
    note = "POST, polls every 100 ms, DELETE"
    return Figure(name, statistics.median(times), p95=p95(times), n=count, note=note, **span.each(count))


def boots(bench: Bench, suffix: str = "") -> Iterator[Figure]:
    """Many boots by 8 clients, in servers a second from the first POST to the last ACTIVE; then their end."""
    name, count = "bench-many", bench.boots
    with Span(bench.cloud, count=True) as span:
        posts = at_once(bench.client, [name] * count, bench.post)
        query = f"&name=^{name}$&status=ACTIVE"
        until(lambda: len(bench.listed(query)) == count, "all ACTIVE", every=0.1, seconds=120)
    note = f"POST {statistics.median(posts):.0f} ms"
    yield Figure(
        f"{count} boots{suffix}, 8 clients", count / span.seconds, "per s", n=count, note=note, **span.each(count)
    )
    seconds = bench.clear(name)
    yield Figure(f"{count} deletes{suffix}, 8 clients", count / seconds, "per s", n=count)


def lists(bench: Bench) -> Iterator[Figure]:
    """servers/detail with 1, 100 and 1,000 servers present, and boots beside 1,000."""
    present = 0
    for wanted, count in ((1, 200), (100, 60), (1000, 30)):
        while present < wanted:
            step = min(FILL, wanted - present)
            bench.post(bench.client, "bench-fill", step)
            present += step
            until(lambda: not bench.listed("&status=BUILD"), "no server is building", every=0.1, seconds=120)
        assert len(detail(bench)) == wanted
        request = ("GET", r"/v2\.1/servers/detail")
        yield bench.timed(f"servers/detail, {wanted} present", lambda: detail(bench), count, request)
    yield from boots(bench, " beside 1000")
    at_once(bench.client, bench.listed(""), lambda client, server_id: bench.delete(client, server_id))
    until(lambda: not bench.listed(""), "all deleted", every=0.2, seconds=180)


def detail(bench: Bench) -> list[Any]:
    return bench.client.get("compute", "/servers/detail?limit=1000")["servers"]


def networked(bench: Bench) -> Iterator[Figure]:
    """The boots again, each server with a port on a network."""
    client = bench.client
    network = client.call("network", "POST", "/networks", {"network": {"name": "bench"}})[1]["network"]["id"]
    subnet = {"network_id": network, "ip_version": 4, "cidr": "10.9.0.0/16", "name": "bench"}
    client.call("network", "POST", "/subnets", {"subnet": subnet})
    bench.networks = [{"uuid": network}]
    try:
        yield from boot(bench, " with network")
        yield from boots(bench, " with network")
    finally:
        bench.networks = "none"
        gone = (204, 404)  # 409 while ports of deleted servers are still there
        until(
            lambda: client.call("network", "DELETE", f"/networks/{network}", ok=(*gone, 409))[0].status in gone, "gone"
        )


def idle(bench: Bench) -> Iterator[Figure]:
    """What the cloud costs when nobody asks anything of it; its memory is measured before the other work, too."""
    with Span(bench.cloud, count=True) as span:
        time.sleep(20)
    if span.cpu_ms is not None:
        note = "" if span.statements is None else f"{span.statements / 20:.1f} statements/s"
        yield Figure("idle CPU", span.cpu_ms / 10 / span.seconds, "% of a core", others=span.others, note=note)
    if (memory := bench.cloud.pss_mb()) is not None:
        yield Figure("memory after the work", memory, "MiB PSS")
