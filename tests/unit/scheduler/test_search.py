"""Looking for a host: the database's way comes to what judging every host one by one comes to."""

from __future__ import annotations

import random
from types import SimpleNamespace

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from iaas.common import context, runtime
from iaas.db import candidates
from iaas.db.models.controller import CONTROLLER
from iaas.db.models.hosts import hosts, services
from iaas.db.tx import Database
from iaas.scheduler import explain, filters, search, weights
from iaas.scheduler.hosts import Miss, Request

CTX = context.admin()
SERVERS = [
    pytest.param("sqlite", id="sqlite"),
    pytest.param("mariadb_url", id="mariadb", marks=pytest.mark.servers),
    pytest.param("postgresql_url", id="postgresql", marks=pytest.mark.servers),
]


def options(**values):
    return SimpleNamespace(
        **{"cpu_ratio": 2.0, "ram_ratio": 1.0, "disk_ratio": 1.5, "down_after": 60.0, "top": 5, "policy": "filter",
           **values}
    )  # fmt: skip


def fill(database, rows):
    """Put exactly these hosts into the database."""
    now = runtime.time()

    def write(tx):
        tx.execute(sa.delete(services))
        tx.execute(sa.delete(hosts))
        for number, row in enumerate(rows):
            fields = dict(row)
            flags = {name: fields.pop(name) for name in ("disabled", "forced_down", "draining")}
            seen = now - fields.pop("silent_for") - 0.2
            name, zone = f"h{number:04d}", fields.pop("zone")
            flags["degraded"] = fields.pop("degraded", None)
            if wires := fields.pop("network_degraded", None):
                tx.insert(
                    services, id=runtime.uuid(), binary="iaas-network", host=name, zone=zone, started_at=now,
                    seen_at=now, degraded=wires,
                )  # fmt: skip
            tx.insert(
                services, id=runtime.uuid(), binary="iaas-compute", host=name, zone=zone, started_at=now, seen_at=seen,
                **flags,
            )  # fmt: skip
            tx.insert(
                hosts, id=runtime.uuid(), name=name, zone=zone, hypervisor_hostname=name, hypervisor_type="fake",
                created_at=now, updated_at=now, **fields,
            )  # fmt: skip
        # a host of another kind of worker is no compute host's service
        tx.insert(
            services, id=runtime.uuid(), binary="iaas-volume", host="h0000", zone="a", started_at=now, seen_at=now,
            degraded="The driver's delete has not come back for 300 s.",
        )  # fmt: skip

    database.write(CTX, write)


def host(**values):
    return {
        "vcpus": 4, "memory_mb": 4096, "disk_gb": 100, "reserved_memory_mb": 0, "used_vcpus": 0, "used_memory_mb": 0,
        "used_disk_gb": 0, "running": 0, "zone": "a", "disabled": False, "forced_down": False, "draining": False,
        "silent_for": 1.0, **values,
    }  # fmt: skip


@pytest.fixture(scope="module")
def database():
    made = Database("sqlite://")
    CONTROLLER.create_all(made.engine)
    yield made
    made.close()


def rarely():
    return st.sampled_from([False, False, False, False, True])


HOSTS = st.builds(
    host,
    vcpus=st.integers(0, 4),
    memory_mb=st.sampled_from([0, 512, 1024, 4096]),
    disk_gb=st.sampled_from([0, 10, 33, 100]),
    reserved_memory_mb=st.sampled_from([0, 0, 512, 2048]),
    used_vcpus=st.integers(0, 10),
    used_memory_mb=st.sampled_from([0, 0, 512, 1000, 4096]),
    used_disk_gb=st.sampled_from([0, 0, 14, 15, 50]),
    running=st.integers(0, 3),
    zone=st.sampled_from(["a", "a", "b"]),
    disabled=rarely(),
    forced_down=rarely(),
    draining=rarely(),
    degraded=st.sampled_from([None, None, None, None, "late"]),
    network_degraded=st.sampled_from([None, None, None, None, "late"]),
    silent_for=st.sampled_from([1.0, 1.0, 30.0, 90.0]),
)
REQUESTS = st.builds(
    Request,
    vcpus=st.integers(0, 3),
    memory_mb=st.sampled_from([0, 512, 1024, 3000]),
    disk_gb=st.sampled_from([0, 1, 15, 50]),
    zone=st.sampled_from([None, None, "a", "b", "c"]),
    host=st.sampled_from([None, None, None, "h0001", "nobody"]),
    excluded=st.sampled_from([frozenset(), frozenset(), frozenset({"h0000"}), frozenset({"h0000", "h0002"})]),
)


def both(database, request, scheduler, **how):
    """Return what the database finds, and what judging every host comes to."""
    with database.read(CTX) as tx:
        many = search.look(tx, request, scheduler, whole=0, **how)
        every = search.look(tx, request, scheduler, whole=1 << 30, **how)
    return many, every


def same(many, every, request, policy):
    names = {found.name for found in every.fitting}
    assert {found.name for found in many.fitting} <= names
    assert bool(many.fitting) == bool(every.fitting)
    assert len(many.fitting) == min(len(names), search.BEST)
    assert many.hosts == every.hosts
    if every.fitting:
        weighers = [weights.WEIGHERS[name] for name in weights.POLICIES[policy].weighers]
        scores = [sum(weigh(request, found) for weigh in weighers) for found in (*many.fitting, *every.fitting)]
        best = sorted(scores[len(many.fitting) :], reverse=True)[: len(many.fitting)]
        assert sorted(scores[: len(many.fitting)], reverse=True) == pytest.approx(best), "not the best of them"
        return
    assert many.tenant_sentence() == every.tenant_sentence()
    counts = [{name: refused.count for name, refused in verdict.refused.items()} for verdict in (many, every)]
    assert counts[0] == counts[1]
    assert list(counts[0]) == list(counts[1]), "in the order of the filters"
    for name, refused in many.refused.items():
        assert refused.hosts.items() <= every.refused[name].hosts.items() or len(every.refused[name].hosts) >= 20


@given(rows=st.lists(HOSTS, max_size=12), request_=REQUESTS, policy=st.sampled_from(sorted(weights.POLICIES)))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_database_accepts_and_refuses_as_the_filters_do(database, rows, request_, policy):
    fill(database, rows)
    if not rows:
        return
    same(*both(database, request_, options(policy=policy)), request_, policy)


@pytest.mark.parametrize("server", SERVERS)
def test_of_many_hosts_the_best_are_found_on_every_database(request, tmp_path, server):
    url = f"sqlite:///{tmp_path}/c.sqlite" if server == "sqlite" else request.getfixturevalue(server)
    database = Database(url)
    CONTROLLER.drop_all(database.engine)
    CONTROLLER.create_all(database.engine)
    try:
        chance = random.Random(7)
        pick = chance.choice
        fill(database, [
            host(memory_mb=pick([1024, 4096, 8192]), used_memory_mb=pick([0, 1000]), used_vcpus=pick([0, 3, 7]),
                 used_disk_gb=pick([0, 140]), running=pick([0, 1, 2]), zone=pick("ab"), disabled=chance.random() < 0.1,
                 forced_down=chance.random() < 0.1, draining=chance.random() < 0.1, silent_for=pick([1.0, 1.0, 300.0]))
            for _ in range(200)
        ])  # fmt: skip
        for wanted in (
            Request(1, 512, 1), Request(1, 1024, 20, zone="a"), Request(1, 8192, 1, zone="b"), Request(1, 100_000, 1),
            Request(1, 8192, 20, excluded=frozenset({"h0003", "h0004"})), Request(30, 1, 1), Request(1, 1, 1, zone="c"),
            Request(1, 1, 100_000, host="h0009"),
        ):  # fmt: skip
            for policy in weights.POLICIES:
                same(*both(database, wanted, options(policy=policy)), wanted, policy)
    finally:
        CONTROLLER.drop_all(database.engine)
        database.close()


def test_every_filter_and_every_weigher_has_its_twin_in_sql():
    assert list(candidates.REFUSALS) == list(filters.ALL), "in the same order: the first that refuses is told"
    assert candidates.RANKS.keys() == weights.WEIGHERS.keys()
    assert {name for policy in weights.POLICIES.values() for name in policy.weighers} <= candidates.RANKS.keys()


def test_a_plugins_filter_has_the_last_word(database):
    fill(database, [host() for _ in range(80)])

    def only_the_last(request, found):
        return None if found.name == "h0079" else Miss("not the last")

    steps = {**filters.ALL, "last": only_the_last}
    many, every = both(database, Request(1, 512, 1), options(policy="simple"), pipeline=steps)
    assert [found.name for found in every.fitting] == ["h0079"]
    assert [found.name for found in many.fitting] == ["h0079"], "also when it is not among the best"
    nobody = {**filters.ALL, "never": lambda request, found: Miss("never")}
    many, every = both(database, Request(1, 512, 1), options(), pipeline=nobody)
    assert many.tenant_sentence() == every.tenant_sentence()
    assert every.refused["never"].count == 80


def test_equal_hosts_are_not_always_the_same_ones(database):
    fill(database, [host() for _ in range(300)])
    drawn = set()
    for _ in range(30):
        many, _ = both(database, Request(1, 512, 1), options())
        drawn |= {found.name for found in many.fitting}
    assert len(drawn) > 3 * search.BEST


def test_a_verdict_does_not_grow_with_the_cloud(database):
    sizes = {}
    for count in (200, 1000):
        fill(database, [host() for _ in range(count)])
        for memory_mb in (512, 1 << 20):
            many, _ = both(database, Request(1, memory_mb, 1), options())
            sizes[count, memory_mb] = len(str(many.to_dict(None)))
    assert sizes[1000, 512] <= sizes[200, 512] + 20
    assert sizes[1000, 1 << 20] <= sizes[200, 1 << 20] + 20


def test_a_look_takes_as_many_statements_at_a_thousand_hosts_as_at_ten(database):
    sent = {}
    for count in (10, 1000):
        fill(database, [host() for _ in range(count)])
        for memory_mb in (512, 1 << 20):
            before = database.statements
            with database.read(CTX) as tx:
                search.look(tx, Request(1, memory_mb, 1), options())
            sent[count, memory_mb] = database.statements - before
    assert sent[10, 512] == sent[1000, 512] == 2
    assert sent[1000, 1 << 20] == 4


def test_the_chosen_host_is_named_also_when_it_is_one_of_many(database):
    fill(database, [host() for _ in range(60)])
    with database.read(CTX) as tx:
        verdict = search.look(tx, Request(1, 512, 1), options())
    last = verdict.fitting[-1].name
    kept = verdict.to_dict(last)
    assert (kept["hosts"], kept["fits"], len(kept["fitting"])) == (60, 60, explain.MAX_HOSTS)
    assert last in kept["fitting"]
