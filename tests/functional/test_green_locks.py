"""A native thread takes no green lock that anybody else can reach: it might never learn that it was given back."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from bench.client import Client, Refused

from tests.fixtures import cluster, green_locks
from tools import dev_cluster

ROOT = Path(__file__).resolve().parents[2]
WATCHED = [sys.executable, "-m", "tests.fixtures.green_locks"]
WORK = "tests.fixtures.native_work"
FLAT = ["--set", "network.driver=flat", "--set", "network.namespace="]
LIMIT = 60.0
SERVERS = 4
SESSION = "a download, and a log-in on its way, has a session of its own that ends with it"
#: where a native call may make green locks for itself, and why nobody else can reach them
OWN = {
    "subprocess.py Popen.__init__": "a program is waited for by who started it, in the same native call",
    "http/cookiejar.py CookieJar.__init__": SESSION,
    "urllib3/_collections.py RecentlyUsedContainer.__init__": SESSION,
    "urllib3/connectionpool.py ConnectionPool._new_pool_queue": SESSION,
}
#: what the story must have made native threads do, or it says nothing of them
DONE = {
    "Hasher._verify", "FileWriter._commit", "Ingest._inspect_and_store", "generate", "FlatDriver.start_host",
    "_with_looks.<locals>.WithLooks.converge", "drive.<locals>.call", "Agent._log.<locals>.<lambda>",
}  # fmt: skip


def test_each_green_lock_that_is_planted_in_a_native_call_is_named(tmp_path):
    file = tmp_path / "touched"
    done = subprocess.run([*WATCHED, file, f"{WORK}:planted"], cwd=ROOT, capture_output=True, timeout=LIMIT)
    assert done.returncode == 0, done.stderr.decode()
    touches, calls = green_locks.read(file)
    assert "blameless.<locals>.take" in calls
    named = {(touch.made.partition(" ")[2], touch.method, _whose(touch)) for touch in touches}
    assert named == {
        ("shared", "Lock.acquire", "native, waits"),
        *(("returned.<locals>.make", f"Lock.{method}", "own") for method in ("acquire", "release")),
        *(("returned.<locals>.make", f"Lock.{method}", "green") for method in ("acquire", "release")),
        ("of_the_runtime", "Event.send", "native"),
        ("of_the_runtime", "LightQueue.put", "native"),
        *(("of_the_runtime", f"Semaphore.{method}", "native") for method in ("acquire", "release")),
        *(("of_the_runtime", f"GreenSemaphore.{method}", "native") for method in ("acquire", "release")),
    }
    assert touches[0].stack[0].startswith("fixtures/native_work.py shared.<locals>.<lambda>:")


def _whose(touch):
    return "own" if touch.own else ("native" if touch.native else "green") + (", waits" if touch.waited else "")


def test_native_threads_take_only_green_locks_of_their_own_while_a_cloud_works(tmp_path):
    file = tmp_path / "touched"
    try:
        with cluster.embedded(*FLAT, program=[*WATCHED, str(file), f"{WORK}:cloud"]) as folder:
            _story(dev_cluster.read_rc(folder / "openrc"))
    finally:  # a server that stays in BUILD may be one of their victims
        touches, calls = green_locks.read(file)
        reached = [str(touch) for touch in touches if not touch.own or touch.made not in OWN]
        print(*reached, sep="\n")
    assert reached == []
    assert {touch.made for touch in touches} == OWN.keys(), "OWN names what does not happen any more"
    assert calls >= DONE


def _story(account):
    """People log in; servers are booted from an image side by side, looked at and deleted; so is a volume."""
    with pytest.raises(Refused, match="401"):
        Client({**account, "OS_PASSWORD": "wrong"}).login()
    client = Client(account).login()
    for service in client.get("identity", "/auth/catalog")["catalog"]:
        client.catalog.setdefault(service["type"], service["endpoints"][0]["url"])

    def ask(service, path, body):
        return client.call(service, "POST", path, body)[1]

    def shown(service, things):
        return client.get(service, f"/{things}/detail")[things]

    def until(service, things, statuses):
        def reached():
            return [thing["status"] for thing in shown(service, things)] == statuses

        cluster.until(reached, LIMIT, f"{things} are {statuses}", every=0.05)

    image = client.new_image("guest")
    client.upload(image, bytes(1 << 16), 16)
    ask("compute", "/os-keypairs", {"keypair": {"name": "key"}})
    wanted = {"name": "vm", "imageRef": image, "flavorRef": "1", "networks": "auto", "key_name": "key"}
    ask("compute", "/servers", {"server": {**wanted, "config_drive": True, "min_count": SERVERS}})
    ask("block-storage", "/volumes", {"volume": {"size": 1}})
    until("compute", "servers", ["ACTIVE"] * SERVERS)
    until("block-storage", "volumes", ["available"])
    servers = [server["id"] for server in shown("compute", "servers")]
    group = client.get("network", "/security-groups?name=default")["security_groups"][0]["id"]
    rule = {"security_group_id": group, "direction": "ingress", "protocol": "tcp", "remote_group_id": group}
    made = ask("network", "/security-group-rules", {"security_group_rule": rule})["security_group_rule"]["id"]
    assert ask("compute", f"/servers/{servers[0]}/action", {"os-getConsoleOutput": {}})["output"]
    ask("compute", f"/servers/{servers[0]}/action", {"reboot": {"type": "HARD"}})
    until("compute", "servers", ["ACTIVE"] * SERVERS)
    client.call("network", "DELETE", f"/security-group-rules/{made}")
    for server in servers:
        client.call("compute", "DELETE", f"/servers/{server}")
    client.call("block-storage", "DELETE", f"/volumes/{shown('block-storage', 'volumes')[0]['id']}")
    client.call("image", "DELETE", f"/images/{image}")
    until("compute", "servers", [])
    until("block-storage", "volumes", [])
