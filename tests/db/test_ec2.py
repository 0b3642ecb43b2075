from __future__ import annotations

import json

from iaas.common import runtime
from iaas.common.context import RequestContext
from iaas.db import ec2, ends, engines, instances, keypairs
from iaas.db.models.ec2 import terminated
from iaas.db.tx import Database
from tests.db.test_quotas import database
from tests.fixtures.network import add_instance

__all__ = ["database"]
MINE = RequestContext("req-1", user_id="u", project_id="p", roles=("member",))
OTHERS = RequestContext("req-2", user_id="v", project_id="q", roles=("member",))


def end(tx, instance_id: str, **values) -> None:
    add_instance(tx, instance_id, **values)
    ends.forget_instance(tx, instance_id)


def terminated_ids(database, ctx) -> list[str]:
    with database.read(ctx) as tx:
        return [row.id for row in ec2.terminated_page(tx, None, 100)]


def test_what_ended_is_its_projects_for_an_hour(database):
    first, second = (runtime.uuid() for _ in range(2))
    database.write(MINE, end, first, metadata='{"Name":"é"}', reservation_id="r-1")
    database.write(OTHERS, end, second)
    database.write(MINE, ends.forget_instance, first)  # twice is fine
    assert (terminated_ids(database, MINE), terminated_ids(database, OTHERS)) == ([first], [second])
    with database.read(MINE) as tx:
        ec2_ids = ["i-" + each.replace("-", "")[:17] for each in (first, second)]
        (row,) = ec2.terminated_by_ids(tx, ec2_ids)
    facts = json.loads(row.facts)
    assert (row.id, facts["reservation_id"], facts["metadata"]) == (first, "r-1", '{"Name":"é"}')
    database.write(MINE, lambda tx: tx.execute(terminated.update().values(at=runtime.time() - 3601)))
    assert terminated_ids(database, MINE) == []


def test_deletions_of_one_project_do_not_wait_for_each_other(database):
    if database.dialect == "sqlite":
        return  # it has one writer at a time
    ids = [runtime.uuid() for _ in range(2)]
    for instance_id in ids:
        database.write(MINE, add_instance, instance_id)
    with database.read(MINE) as tx:
        first, second = (instances.find(tx, instance_id) for instance_id in ids)
    url = database.engine.url.render_as_string(hide_password=False)
    impatient = Database(url, engines.Options(statement_timeout=1))
    with database.read(MINE) as open_one:  # its connection: what it writes is not committed
        ec2.keep_terminated(open_one, first)
        impatient.write(MINE, ec2.keep_terminated, second)
    impatient.close()
    assert terminated_ids(database, MINE) == [ids[1]]


def test_metadata_too_long_to_keep_does_not_stop_a_deletion(database):
    instance_id = runtime.uuid()
    long = json.dumps({f"k{n}": "x" * 255 for n in range(125)}, separators=(",", ":"))
    database.write(MINE, end, instance_id, metadata=long)
    with database.read(MINE) as tx:
        (row,) = ec2.terminated_page(tx, None, 1)
    assert json.loads(row.facts)["metadata"] == "{}"


def test_pages_go_on_behind_a_row_that_is_gone_and_through_equal_times(database):
    ids = [runtime.uuid() for _ in range(7)]
    for instance_id in ids:
        database.write(MINE, add_instance, instance_id, created_at=1_700_000_000.123456)
    database.write(OTHERS, add_instance, runtime.uuid())

    def following(after):
        with database.read(MINE) as tx:
            return ec2.page(tx, (), after, 3)

    first = following(None)
    last = first[-1]
    database.write(MINE, instances.remove, last.id)
    second = following((last.created_at, last.id))
    third = following((second[-1].created_at, second[-1].id))
    assert [row.id for row in (*first, *second, *third)] == sorted(ids, reverse=True)


def test_rows_are_found_by_how_their_ids_begin(database):
    wanted = "01234567-89ab-4def-8fff-ffffffffffff"
    near = ["01234567-89ab-4def-9000-000000000000", "01234567-89ab-4def-7fff-ffffffffffff"]
    for number, each in enumerate([wanted, *near]):
        row = {"id": each, "user_id": "u", "name": str(number), "type": "ssh", "fingerprint": "f", "public_key": "k"}
        database.write(MINE, lambda tx, row=row: keypairs.add(tx, **row, created_at=0.0))
    with database.read(MINE) as tx:
        assert [row.id for row in ec2.keypairs_starting(tx, ["01234567-89ab-4def-8"])] == [wanted]
        assert {row.id for row in ec2.keypairs_starting(tx, ["01234567-89ab-4def-9", "01234567-89ab-4def-7"])} == set(
            near
        )
    with database.read(OTHERS) as tx:
        assert ec2.keypairs_starting(tx, ["01234567-89ab-4def-8"]) == []
