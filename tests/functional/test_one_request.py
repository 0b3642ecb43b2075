"""One request through every worker: its id is in the records of all of them, and every change of state is one."""

from __future__ import annotations

import json
import logging

import pytest

from iaas.common import errors, log
from iaas.compute.states import INSTANCE
from iaas.db import instances, traces
from iaas.db.models.instances import instances as table
from iaas.db.transitions import move
from tests.fixtures.compute import add_instance

pytest_plugins = ["tests.fixtures.cloud"]


class Collector(logging.Handler):
    """Keeps what the JSON log would have."""

    def __init__(self):
        super().__init__(logging.INFO)
        self.setFormatter(log.Formatter(as_json=True))
        self.lines = []

    def emit(self, record):
        self.lines.append(json.loads(self.format(record)))


@pytest.fixture
def lines():
    collector, root = Collector(), logging.getLogger()
    before = root.level
    root.addHandler(collector)
    root.setLevel(logging.INFO)
    yield collector.lines
    root.removeHandler(collector)
    root.setLevel(before)


def test_the_id_of_a_boot_is_in_the_records_of_the_api_and_of_every_worker(cloud, lines):
    cloud.start()
    server = cloud.boot(networks="auto")
    cloud.until_status(server, "ACTIVE")
    with cloud.clients.db.read(cloud.api.member) as tx:
        request_id = traces.latest_request(tx, server)
    changes = [line["change"] for line in lines if line["request_id"] == request_id and "change" in line]
    own = [change for change in changes if change["resource"] == "job" and change["of"] == server]
    claimed = [change["step"] for change in own if change["event"] == "claimed"]
    assert claimed == ["place", "wire", "prepare"]  # by the scheduler, the network and the compute worker
    assert own[-1]["to"] == "done"
    states = [change["to"] for change in changes if change["id"] == server]
    assert states == ["building/scheduling", "building/networking", "building/spawning", "active"]
    others = {line["request_id"] for line in lines if line.get("change", {}).get("id") == server}
    assert others == {request_id}


def test_the_log_tells_a_server_from_nothing_to_nothing(cloud, lines):
    cloud.start()
    server = cloud.boot(networks="auto")
    cloud.until_status(server, "ACTIVE")
    assert cloud.api.request("DELETE", f"/servers/{server}").status_int == 204
    cloud.until(lambda: cloud.api.request("GET", f"/servers/{server}").status_int == 404)
    cloud.until(lambda: any(line["change"]["to"] == "-" for line in lines if "change" in line))
    told = [line["change"] for line in lines if line.get("change", {}).get("id") == server]
    states = [(change["from"], change["to"]) for change in told]
    assert (states[0][0], states[-1][1]) == ("-", "-")
    assert [to for _, to in states[:-1]] == [before for before, _ in states[1:]], "each begins where the last ended"


def test_a_change_that_is_rolled_back_is_not_told(cloud, lines):
    server = add_instance(cloud.clients, "host1")

    def change(tx):
        move(tx, INSTANCE, table, instances.get(tx, server), "stop")
        if len(told) == 0:
            told.append(1)
            raise errors.Conflict(reason="no")

    told = []
    with pytest.raises(errors.Conflict):
        cloud.clients.db.write(cloud.api.member, change)
    assert not [line for line in lines if "change" in line]
    cloud.clients.db.write(cloud.api.member, change)
    (line,) = [line for line in lines if "change" in line]
    assert line["change"] == {
        "resource": "instance", "id": server, "event": "stop", "from": "active", "to": "active/powering-off",
    }  # fmt: skip
