"""Rows that a statement changed and returned: the same whether the database can do both in one statement or not."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from iaas.common import context
from iaas.db.tx import Database, GuardedUpdate, ReturningDelete

CTX = context.admin("req-1")
METADATA = sa.MetaData()
things = sa.Table("things", METADATA, sa.Column("id", sa.String(10), primary_key=True), sa.Column("n", sa.Integer))
BY_ID = sa.update(things).where(things.c.id == sa.bindparam("row_id"), things.c.n < sa.bindparam("below"))
RAISE = GuardedUpdate(BY_ID.values(n=things.c.n + 1), things.c.id, things.c.n)
REMOVE = ReturningDelete(sa.delete(things).where(things.c.n >= sa.bindparam("least")), things.c.id)


@pytest.fixture(params=[True, False], ids=["in one statement", "in two"])
def database(request):
    made = Database("sqlite://")
    METADATA.create_all(made.engine)
    made.engine.dialect.update_returning = made.engine.dialect.delete_returning = request.param
    for number in range(3):
        made.write(CTX, lambda tx, number=number: tx.insert(things, id=f"t{number}", n=number))
    return made


def test_a_guarded_update_returns_its_row_as_it_is_now_or_nothing(database):
    raised = database.write(CTX, lambda tx: tx.update_returning(RAISE, {"row_id": "t1", "below": 2}))
    refused = database.write(CTX, lambda tx: tx.update_returning(RAISE, {"row_id": "t1", "below": 2}))
    assert (tuple(raised), refused) == (("t1", 2), None)


def test_a_delete_returns_the_rows_that_are_gone(database):
    gone = database.write(CTX, lambda tx: tx.delete_returning(REMOVE, {"least": 1}))
    with database.read(CTX) as tx:
        left = [row.id for row in tx.all(sa.select(things))]
    assert (sorted(row.id for row in gone), left) == (["t1", "t2"], ["t0"])
