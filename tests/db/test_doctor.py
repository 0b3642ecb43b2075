"""The doctor on each database: one moment, the same sums everywhere, and counters that are set right under a lock."""

from __future__ import annotations

import contextlib

import pytest

from iaas.common import context
from iaas.db import doctor, engines, repairs
from iaas.db.models.base import IMAGE
from iaas.db.models.controller import CONTROLLER
from iaas.db.tx import Database
from iaas.doctor import diagnose
from iaas.doctor.hands import Hands
from iaas.doctor.repairs import Result, plan, run
from tests.fixtures.doctor import ACTIVE, FAILED, HOST_IDS, STOPPED, Clinic, P, Rows, port_of, sound, uid

CTX = context.admin()
BELL = type("Bell", (), {"ring": lambda *words: None})()


@pytest.fixture(
    params=[
        "sqlite",
        pytest.param("mariadb_url", marks=pytest.mark.servers),
        pytest.param("postgresql_url", marks=pytest.mark.servers),
    ]
)
def clinic(request, tmp_path):
    url = f"sqlite:///{tmp_path}/c.sqlite" if request.param == "sqlite" else request.getfixturevalue(request.param)
    db, image_db = Database(url, engines.Options(pool_size=5)), Database(f"sqlite:///{tmp_path}/i.sqlite")
    with contextlib.ExitStack() as ends:
        ends.callback(db.close)
        for made, tables in ((db, CONTROLLER), (image_db, IMAGE)):
            tables.drop_all(made.engine)
            tables.create_all(made.engine)
            ends.callback(tables.drop_all, made.engine)
        rows = Rows(db, image_db)
        yield Clinic(rows, sound(rows))


def test_a_sound_cloud_is_clean_and_counts_are_repaired(clinic):
    assert clinic.findings() == []
    clinic.rows.set("quota_usages", {"resource": "cores"}, used=9)
    clinic.rows.set("quota_usages", {"resource": "ram"}, used=0)
    clinic.rows.set("hosts", {"name": "h1"}, used_vcpus=9, running=0)
    clinic.rows.add("allocations", instance_id=uid(99), host_id=HOST_IDS["h2"], vcpus=1, memory_mb=512, disk_gb=5)
    clinic.rows.set("instances", {"id": ACTIVE}, network_info="[]")
    found = clinic.findings()
    assert {one.invariant for one in found} == {"I3", "I4", "I8", "I9"}
    hands = Hands(clinic.rows.db, BELL, None, clinic.rows.image_db, truth=clinic.truth)
    assert {run(hands, step)[0] for step in plan(found)} <= {Result.DONE, Result.NOT_NEEDED}
    assert clinic.findings() == []


def test_a_snapshot_sees_one_moment(clinic):
    """What is committed while the doctor reads is not there for him: no sum is of two moments."""
    db = clinic.rows.db
    with db.snapshot(CTX) as tx:
        before = dict(doctor._rows(tx, 0.0))
        clinic.rows.set("quota_usages", {"resource": "cores"}, used=7)
        after = dict(doctor._rows(tx, 0.0))
    assert before["usages"] == after["usages"]
    assert [one.what for one in diagnose(db, clinic.truth, quiet=False).findings] == ["cores: 7 used, 5 held."]


def test_a_missing_quota_row_is_made_with_the_limit_in_force(clinic):
    db = clinic.rows.db
    with db.engine.begin() as connection:
        table = CONTROLLER.tables["quota_usages"]
        connection.execute(table.delete().where(table.c.resource == "cores"))
    limits = type("Limits", (), {"cores": 20})
    assert db.write(CTX, repairs.recount_quota, P, limits)
    (row,) = [row for row in clinic.rows.all("quota_usages") if row["resource"] == "cores"]
    assert (row["used"], row["hard_limit"]) == (5, 20)
    assert not db.write(CTX, repairs.recount_quota, P, limits)


def test_repairs_look_at_what_speaks_against_them_on_every_database(clinic):
    """What only rows tell: what a server shows, who else has it, what is sold to whom."""
    rows = clinic.rows
    rows.set("instances", {"id": ACTIVE}, host="ghost")
    rows.set("ports", {"id": port_of(ACTIVE)}, device_id=uid(99))
    rows.set("allocations", {"instance_id": STOPPED}, vcpus=3)
    rows.set("instances", {"id": FAILED}, vm_state="frobnicating")
    rows.set("jobs", {"id": uid(101)}, state="frobnicating")
    rows.set("fixed_ips", {"port_id": port_of(FAILED)}, port_id=port_of(STOPPED))
    hands = Hands(rows.db, BELL, None, rows.image_db, truth=clinic.truth)
    done = {step.fix: run(hands, step) for step in plan(clinic.findings())}
    assert {fix: result for fix, (result, _) in done.items() if fix not in ("load_anew", "recount_host")} == {
        "settle_host": Result.DONE,
        "sell": Result.DONE,
        "revive_job": Result.DONE,
        "release_ports": Result.IMPOSSIBLE,
        "refresh_addresses": Result.IMPOSSIBLE,
        "settle_state": Result.IMPOSSIBLE,
    }, done
    assert not rows.db.write(CTX, repairs.free_address, "10.0.0.11")
    with rows.db.read(CTX) as tx:
        assert [row.name for row in repairs.allocations_of(tx, STOPPED)] == ["h2"]
        assert repairs.unsold(tx, "h1") == []
        assert repairs.lost_addresses(tx, "10.0.0.11") == []
