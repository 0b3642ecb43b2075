"""The network worker with the fake driver: servers are wired and unwired as jobs, changes reach the right hosts."""

from __future__ import annotations

import pytest

from iaas.common import context, runtime
from iaas.compute.states import INSTANCE
from iaas.db import codec, instances, jobs, ports, quotas
from iaas.db.models.instances import instances as table
from iaas.db.transitions import move
from iaas.jobs import submit
from iaas.jobs.kinds import BUILD, DELETE
from iaas.jobs.service import Manager, WorkerService
from iaas.jobs.work import Permanent
from iaas.network.api import networks, security_groups, servers, subnets
from iaas.network.api import ports as port_verbs
from iaas.network.api.networks import NewNetwork
from iaas.network.api.rules import NewRule
from iaas.network.api.subnets import NewSubnet
from iaas.network.driver import Desired, Report
from iaas.network.drivers.fake import FakeDriver
from iaas.network.jobs.converge import Converger
from iaas.network.manager import NetworkManager
from tests.fixtures.network import add_instance, make_clients, project, user
from tools.private_servers import wait_until

DEMO, ADMIN = user("demo"), user("admin", admin=True)


class Others(Manager):
    """The steps of the workers beside: they place on the host asked for, and the guest starts or does not."""

    def __init__(self, kind: str) -> None:
        self.refuse: str | None = None
        steps = {
            "scheduler": {("build", "place"): self.place},
            "compute": {
                ("build", "prepare"): self.prepare,
                ("build", "discard"): lambda work: work.advance(),
                ("delete", "destroy"): lambda work: work.advance(),
            },
        }
        self.handlers = steps[kind]

    def place(self, work) -> None:
        row = work.read(instances.find, work.id)
        host = work.args["on"]

        def changes(tx):
            ports.bind(tx, work.id, host)
            move(tx, INSTANCE, table, row, "wire", host=host)

        work.advance(changes, to="wire", host=host)

    def prepare(self, work) -> None:
        if self.refuse:
            raise Permanent(reason=self.refuse)
        row = work.read(instances.find, work.id)
        work.finish(lambda tx: move(tx, INSTANCE, table, row, "activate"))


class Cloud:
    """Two hosts with a network worker each, and what stands for the scheduler and the compute workers."""

    def __init__(self) -> None:
        self.clients = make_clients()
        self.drivers = {host: FakeDriver() for host in ("h1", "h2")}
        self.managers = {host: NetworkManager(self.clients, self.drivers[host], host) for host in self.drivers}
        self.compute = {host: Others("compute") for host in self.drivers}
        self.services = [
            WorkerService("scheduler", self.clients, host="s", manager=Others("scheduler")),
            *(WorkerService("compute", self.clients, host=host, manager=self.compute[host]) for host in self.drivers),
            *(WorkerService("network", self.clients, host=host, manager=self.managers[host]) for host in self.drivers),
        ]
        for service in self.services:
            service.start()
        (made,) = networks.create(self.clients, DEMO, [NewNetwork("net", DEMO.project_id)])
        self.network = made.row.id
        subnets.create(self.clients, DEMO, [NewSubnet(self.network, "10.0.0.0/24", 4)])

    def stop(self) -> None:
        for service in self.services:
            service.stop()

    def boot(self, host: str, wanted="auto") -> str:
        instance_id = runtime.uuid()

        def accept(tx):
            plan = servers.plan(tx, self.clients, wanted)
            info = servers.allocate(tx, self.clients, plan, instance_id, "web", DEMO.project_id)
            add_instance(tx, instance_id, network_info=codec.dump(info), task_state="scheduling")
            submit.submit(tx, self.clients.bell, BUILD, instance_id, args={"on": host})

        self.clients.db.write(DEMO, accept)
        return instance_id

    def delete(self, instance_id: str, host: str) -> None:
        self.clients.db.write(DEMO, submit.submit, self.clients.bell, DELETE, instance_id, host=host)

    def row(self, instance_id: str):
        with self.clients.db.read(ADMIN) as tx:
            return instances.find(tx, instance_id)

    def port(self, instance_id: str):
        with self.clients.db.read(ADMIN) as tx:
            return ports.of_instance(tx, instance_id)[0]

    def until(self, instance_id: str, vm_state: str | None) -> None:
        def there() -> bool:
            row = self.row(instance_id)
            idle = row is None or row.task_state is None
            return idle and (None if row is None else row.vm_state) == vm_state

        wait_until(there, 10, lambda: f"{instance_id} is {self.row(instance_id)}, not {vm_state}")


@pytest.fixture
def cloud():
    made = Cloud()
    yield made
    made.stop()


def test_a_server_is_wired_before_it_starts_and_its_port_is_active(cloud):
    server = cloud.boot("h1")
    cloud.until(server, "active")
    port = cloud.port(server)
    assert (port.status, port.host) == ("ACTIVE", "h1")
    assert cloud.drivers["h1"].world.wire(port.id)
    assert not cloud.drivers["h2"].world.taps


def test_a_server_without_interfaces_needs_no_wire(cloud):
    server = cloud.boot("h1", "none")
    cloud.until(server, "active")
    assert not cloud.drivers["h1"].world.taps


def test_deleting_takes_the_port_off_the_host_and_gives_everything_back(cloud):
    server, stays = cloud.boot("h1"), cloud.boot("h1")
    cloud.until(server, "active")
    cloud.until(stays, "active")
    port = cloud.port(server)
    cloud.delete(server, "h1")
    cloud.until(server, None)
    world = cloud.drivers["h1"].world
    assert world.wire(port.id) is None
    assert world.wire(cloud.port(stays).id)
    with cloud.clients.db.read(ADMIN) as tx:
        assert {row.resource: row.used for row in quotas.of_project(tx, project("demo"))}["ports"] == 1


def test_a_build_that_fails_later_is_unwired_and_its_port_is_unbound(cloud):
    cloud.compute["h1"].refuse = "no disk"
    server = cloud.boot("h1")
    cloud.until(server, "error")
    port = cloud.port(server)
    assert (port.host, port.status) == (None, "DOWN")
    assert not cloud.drivers["h1"].world.taps


def test_a_port_its_host_refuses_fails_the_server_with_the_reason(cloud):
    cloud.clients.settings.scheduler.max_tries = 1
    (made,) = port_verbs.create(cloud.clients, DEMO, [port_verbs.NewPort(cloud.network, DEMO.project_id)])
    cloud.drivers["h1"].world.poisoned[made.row.id] = "the tap is haunted"
    server = cloud.boot("h1", [servers.Wanted(port_id=made.row.id)])
    cloud.until(server, "error")
    assert "the tap is haunted" in codec.load(cloud.row(server).fault)["message"]


def test_a_new_rule_reaches_the_hosts_of_its_group_at_once(cloud):
    first, second = cloud.boot("h1"), cloud.boot("h1")
    for server in (first, second):
        cloud.until(server, "active")
    a, b = cloud.port(first).id, cloud.port(second).id
    world = cloud.drivers["h1"].world
    assert world.reaches(a, b, "tcp", 22)
    with cloud.clients.db.read(DEMO) as tx:
        group = security_groups.db.default_of(tx, project("demo"))
        within = [row for row in security_groups.db.rules_of(tx, [group.id]) if row.remote_group_id]
    for row in within:
        security_groups.delete_rule(cloud.clients, DEMO, row.id)
    wait_until(lambda: not world.reaches(a, b, "tcp", 22), 10, lambda: "the rule is still there")
    rule = NewRule(group.id, "ingress", "IPv4", "tcp", 80, 80)
    security_groups.add_rules(cloud.clients, DEMO, [rule])
    wait_until(lambda: world.reaches(a, b, "tcp", 80), 10, lambda: "the rule is not there")
    assert not world.reaches(a, b, "tcp", 22)


def test_other_hosts_learn_of_members_that_come_and_go(cloud):
    first = cloud.boot("h1")
    cloud.until(first, "active")
    second = cloud.boot("h2")
    cloud.until(second, "active")
    address = codec.load(cloud.row(second).network_info)[0]["addresses"][0]["address"]
    world = cloud.drivers["h1"].world

    def knows() -> bool:
        return any(address in members for members in world.desired.groups.values())

    wait_until(knows, 10, lambda: f"h1 does not know {address}")
    cloud.delete(second, "h2")
    cloud.until(second, None)
    wait_until(lambda: not knows(), 10, lambda: f"h1 still lets {address} in")


def test_an_administratively_down_port_is_closed_and_says_so(cloud):
    server = cloud.boot("h1")
    cloud.until(server, "active")
    port = cloud.port(server)
    port_verbs.update(cloud.clients, DEMO, port.id, {"admin_state_up": False})
    wait_until(lambda: cloud.port(server).status == "DOWN", 10, lambda: "the port is still active")
    assert cloud.drivers["h1"].world.wire(port.id) is None


def test_a_changed_address_is_in_the_rows_of_the_server_and_on_the_host(cloud):
    server = cloud.boot("h1")
    cloud.until(server, "active")
    port = cloud.port(server)
    port_verbs.update(cloud.clients, DEMO, port.id, {"fixed": (port_verbs.Fixed(address="10.0.0.200"),)})
    (nic,) = codec.load(cloud.row(server).network_info)
    assert [item["address"] for item in nic["addresses"]] == ["10.0.0.200"]
    wait_until(lambda: cloud.drivers["h1"].world.offers(port.id) == "10.0.0.200", 10, lambda: "the host offers another")


def test_a_port_of_a_server_cannot_be_deleted_or_given_away(cloud):
    server = cloud.boot("h1")
    cloud.until(server, "active")
    port = cloud.port(server)
    with pytest.raises(servers.PortInUse):
        port_verbs.delete(cloud.clients, DEMO, port.id)
    with pytest.raises(servers.PortInUse):
        port_verbs.update(cloud.clients, DEMO, port.id, {"device_id": "another"})


def test_a_worker_that_comes_back_finds_what_it_missed(cloud):
    server = cloud.boot("h1")
    cloud.until(server, "active")
    port = cloud.port(server)
    fresh = FakeDriver()
    manager = NetworkManager(cloud.clients, fresh, "h1")
    manager.start_host()
    assert fresh.world.wire(port.id)
    assert cloud.port(server).status == "ACTIVE"


def test_a_device_id_a_user_wrote_does_not_make_a_port_a_servers(cloud):
    server = cloud.boot("h1")
    cloud.until(server, "active")
    new = port_verbs.NewPort(cloud.network, DEMO.project_id, device_id=server)
    port_verbs.create(cloud.clients, DEMO, [new])
    with cloud.clients.db.read(ADMIN) as tx:
        assert len(ports.of_instance(tx, server)) == 1


class SlowDriver(FakeDriver):
    """Counts its passes and takes each only when it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.entered = 0
        self.gate = runtime.event()

    def converge(self, desired: Desired, *, anew: bool = False) -> Report:
        self.entered += 1
        self.gate.wait(10)
        return super().converge(desired, anew=anew)


def test_a_hundred_that_ask_at_once_share_a_few_passes():
    clients, driver = make_clients(), SlowDriver()
    converger = Converger(clients.db, driver, "h1")
    first = runtime.spawn(converger.converge)
    wait_until(lambda: driver.entered == 1, 10, lambda: "the first pass does not begin")
    asking = []

    def ask():
        asking.append(1)
        return converger.converge()

    others = [runtime.spawn(ask) for _ in range(100)]
    wait_until(lambda: len(asking) == 100, 10, lambda: f"only {len(asking)} ask")
    driver.gate.set()
    passes = {id(task.wait()) for task in [first, *others]}
    assert driver.entered == len(passes) <= 5


def test_a_host_that_refuses_everything_fails_its_callers_and_recovers():
    clients, driver = make_clients(), FakeDriver()
    converger = Converger(clients.db, driver, "h1")
    driver.world.broken = "no netlink"
    with pytest.raises(Exception, match="no netlink"):
        converger.converge()
    driver.world.broken = None
    assert converger.converge().report.wired == frozenset()


def test_jobs_of_the_network_end_with_nothing_left(cloud):
    made = [cloud.boot(host) for host in ("h1", "h2") * 5]
    for server in made:
        cloud.until(server, "active")
    for index, server in enumerate(made):
        cloud.delete(server, ("h1", "h2")[index % 2])
    for server in made:
        cloud.until(server, None)
    with cloud.clients.db.read(context.admin()) as tx:
        assert jobs.pending_by_project(tx) == {}
        assert ports.on_host(tx, "h1") == ports.on_host(tx, "h2") == []
