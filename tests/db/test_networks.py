"""Ports of servers in the accepting transaction: planned once, allocated exactly, given back exactly."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from iaas.common import errors, runtime
from iaas.db import ports, quotas
from iaas.network.api import networks, security_groups, servers, subnets
from iaas.network.api.networks import NewNetwork
from iaas.network.api.security_groups import NewGroup
from iaas.network.api.servers import Wanted
from iaas.network.api.subnets import NewSubnet
from tests.fixtures.network import Clients, make_clients, project, user


@pytest.fixture(
    params=[
        "sqlite",
        pytest.param("mariadb", marks=pytest.mark.servers),
        pytest.param("postgresql", marks=pytest.mark.servers),
    ]
)
def clients(request: pytest.FixtureRequest) -> Iterator[Clients]:
    """Clients on an empty database of each kind."""
    if request.param == "sqlite":
        yield make_clients()
        return
    url = sa.make_url(request.getfixturevalue(f"{request.param}_url"))
    name = "n" + runtime.uuid().replace("-", "")
    server = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    made = make_clients(url.set(database=name).render_as_string(hide_password=False))
    try:
        yield made
    finally:
        made.db.close()
        with server.connect() as connection:
            connection.execute(sa.text(f"DROP DATABASE {name}"))
        server.dispose()


DEMO, OTHER, ADMIN = user("demo"), user("other"), user("admin", admin=True)


def a_network(clients: Clients, ctx=DEMO, cidr: str = "10.0.0.0/24", **fields) -> str:
    (made,) = networks.create(clients, ctx, [NewNetwork(fields.pop("name", "net"), ctx.project_id, **fields)])
    subnets.create(clients, ctx, [NewSubnet(made.row.id, cidr, 6 if ":" in cidr else 4)])
    return made.row.id


def accept(clients: Clients, wanted="auto", groups=(), ctx=DEMO, count: int = 1):
    ids = {runtime.uuid(): f"server-{number}" for number in range(count)}

    def write(tx):
        plan = servers.plan(tx, clients, wanted, groups)
        return servers.allocate_many(tx, clients, plan, ids, ctx.project_id)

    return clients.db.write(ctx, write)


def used(clients: Clients, ctx=DEMO) -> dict[str, int]:
    with clients.db.read(ctx) as tx:
        return {row.resource: row.used for row in quotas.of_project(tx, ctx.project_id)}


def test_a_server_gets_a_port_on_the_projects_one_network(clients):
    network_id = a_network(clients)
    ((instance_id, info),) = accept(clients).items()
    (port,) = info
    assert port["network_id"] == network_id
    assert port["network_name"] == "net"
    assert port["mac"].startswith("fa:16:3e:")
    assert [address["version"] for address in port["addresses"]] == [4]
    with clients.db.read(DEMO) as tx:
        assert ports.network_info(tx, instance_id) == info
    assert used(clients)["ports"] == 1


def test_planning_and_allocating_one_port_takes_six_statements(clients):
    a_network(clients)
    accept(clients)
    before = clients.db.statements
    accept(clients)
    assert clients.db.statements - before <= 6


def test_ten_servers_take_as_many_statements_as_one(clients):
    a_network(clients, cidr="10.0.0.0/16")
    accept(clients)
    before = clients.db.statements
    made = accept(clients, count=10)
    assert clients.db.statements - before <= 7  # two may have picked one address
    assert len({info[0]["addresses"][0]["address"] for info in made.values()}) == 10


def test_a_network_of_both_ip_versions_gives_an_address_of_each(clients):
    network_id = a_network(clients)
    subnets.create(clients, DEMO, [NewSubnet(network_id, "fd00::/64", 6)])
    ((_, (port,)),) = accept(clients).items()
    assert [address["version"] for address in port["addresses"]] == [4, 6]


def test_without_a_network_of_its_own_a_project_gets_the_default_one(clients):
    network_id = a_network(clients, ADMIN, shared=True, is_default=True)
    ((_, (port,)),) = accept(clients).items()
    assert port["network_id"] == network_id


def test_two_networks_to_choose_from_are_a_conflict(clients):
    a_network(clients)
    a_network(clients, cidr="10.1.0.0/24")
    with pytest.raises(errors.Conflict, match="Multiple possible networks"):
        accept(clients)


def test_no_network_to_choose_is_refused_and_none_is_none(clients):
    with pytest.raises(errors.Invalid, match="no network"):
        accept(clients)
    assert list(accept(clients, "none").values()) == [[]]


def test_another_projects_network_port_and_group_are_not_there(clients):
    theirs = a_network(clients, OTHER)
    mine = a_network(clients)
    their_port = next(iter(accept(clients, ctx=OTHER).values()))[0]["port_id"]
    (their_group,) = security_groups.create(clients, OTHER, [NewGroup("web", project_id=project("other"))])
    with pytest.raises(errors.Invalid, match="Network"):
        accept(clients, [Wanted(network_id=theirs)])
    with pytest.raises(errors.Invalid, match="Port"):
        accept(clients, [Wanted(port_id=their_port)])
    for name in ("web", their_group.row.id):
        with pytest.raises(errors.Invalid, match="Security group"):
            accept(clients, [Wanted(network_id=mine)], [name])
    assert used(clients).get("ports", 0) == 0


def test_a_subnet_gives_out_exactly_its_addresses(clients):
    a_network(clients, cidr="10.0.0.0/28")  # 16 - network - broadcast - gateway
    found = {next(iter(accept(clients).values()))[0]["addresses"][0]["address"] for _ in range(13)}
    assert len(found) == 13
    assert "10.0.0.1" not in found
    with pytest.raises(errors.IaasError, match="No more IP addresses"):
        accept(clients)
    assert used(clients)["ports"] == 13


def test_many_at_once_at_the_edge_get_exactly_what_is_left(clients):
    a_network(clients, cidr="10.0.0.0/28")
    results = []

    def one() -> None:
        try:
            results.append(next(iter(accept(clients).values()))[0]["addresses"][0]["address"])
        except errors.IaasError as error:
            results.append(error)

    for task in [runtime.spawn(one) for _ in range(24)]:
        task.wait()
    given = [item for item in results if isinstance(item, str)]
    assert len(given) == len(set(given)) == 13


def test_the_port_quota_is_exact_under_concurrency(clients):
    a_network(clients)
    accept(clients)
    clients.db.write(ADMIN, quotas.set_limit, project("demo"), "ports", 5)
    refused = []

    def one() -> None:
        try:
            accept(clients)
        except errors.QuotaExceeded as error:
            refused.append(error)

    for task in [runtime.spawn(one) for _ in range(16)]:
        task.wait()
    assert len(refused) == 12
    assert used(clients)["ports"] == 5


def test_a_fixed_address_is_given_once(clients):
    network_id = a_network(clients)
    ((_, (port,)),) = accept(clients, [Wanted(network_id=network_id, fixed_ip="10.0.0.77")]).items()
    assert port["addresses"][0]["address"] == "10.0.0.77"
    with pytest.raises(errors.IaasError, match=r"10\.0\.0\.77 already allocated"):
        accept(clients, [Wanted(network_id=network_id, fixed_ip="10.0.0.77")])
    for wrong in ("10.0.1.1", "10.0.0.0", "10.0.0.255", "10.0.0.1", "fd00::1"):
        with pytest.raises(errors.IaasError):
            accept(clients, [Wanted(network_id=network_id, fixed_ip=wrong)])


def test_releasing_gives_back_ports_addresses_and_quota(clients):
    a_network(clients)
    ((instance_id, _),) = accept(clients).items()
    clients.db.write(ADMIN, ports.release, instance_id)
    clients.db.write(ADMIN, ports.release, instance_id)
    assert used(clients)["ports"] == 0
    with clients.db.read(DEMO) as tx:
        assert ports.network_info(tx, instance_id) == []


def test_a_project_has_one_default_group_however_many_ask_at_once(clients):
    tasks = [
        runtime.spawn(clients.db.write, DEMO, security_groups.ensure_default, clients.settings.quota, project("demo"))
        for _ in range(8)
    ]
    assert len({task.wait().id for task in tasks}) == 1
    assert used(clients) == {"security_groups": 1, "security_group_rules": 4}


def test_overlapping_subnets_made_at_once_are_one(clients):
    (made,) = networks.create(clients, DEMO, [NewNetwork("net", DEMO.project_id)])
    wanted = [NewSubnet(made.row.id, cidr, 4) for cidr in ("10.0.0.0/24", "10.0.0.0/25", "10.0.0.128/25") * 2]

    def one(new: NewSubnet) -> str:
        try:
            return subnets.create(clients, DEMO, [new])[0].cidr
        except errors.Invalid:
            return ""

    made_cidrs = {task.wait() for task in [runtime.spawn(one, new) for new in wanted]} - {""}
    assert made_cidrs in ({"10.0.0.0/24"}, {"10.0.0.0/25", "10.0.0.128/25"})


def test_a_network_is_deleted_or_used_never_both(clients):
    """A port and the deletion of its network at the same time: one of them is refused."""
    for _ in range(5):
        network_id = a_network(clients)

        def use(network_id: str = network_id) -> str:
            try:
                accept(clients, [Wanted(network_id=network_id)])
            except errors.IaasError as error:
                return str(error)
            return ""

        def delete(network_id: str = network_id) -> str:
            try:
                networks.delete(clients, DEMO, network_id)
            except errors.IaasError as error:
                return str(error)
            return ""

        tasks = [runtime.spawn(use), runtime.spawn(delete)]
        used_error, delete_error = (task.wait() for task in tasks)
        assert bool(used_error) != bool(delete_error), (used_error, delete_error)
