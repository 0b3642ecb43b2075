from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from sqlalchemy import exc

from iaas.common import conf, context, errors, runtime
from iaas.db import engines, quotas
from iaas.db.models.controller import CONTROLLER
from iaas.db.models.quotas import quota_usages
from iaas.db.tx import Database

CTX = context.admin()
SETTINGS = conf.load().quota
WORKERS = 8


def _fresh(url: str) -> tuple[Database, sa.Engine, str]:
    """A database of the test's own on a server, the engine that made it, and its name."""
    name = "q" + runtime.uuid().replace("-", "")
    server = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    own = sa.make_url(url).set(database=name).render_as_string(hide_password=False)
    return Database(own), server, name


@pytest.fixture(
    params=[
        "sqlite",
        pytest.param("mariadb", marks=pytest.mark.servers),
        pytest.param("postgresql", marks=pytest.mark.servers),
    ]
)
def database(request: pytest.FixtureRequest) -> Iterator[Database]:
    if request.param == "sqlite":
        made = Database("sqlite://")
        CONTROLLER.create_all(made.engine)
        yield made
        made.close()
        return
    made, server, name = _fresh(request.getfixturevalue(f"{request.param}_url"))
    try:
        CONTROLLER.create_all(made.engine)
        yield made
    finally:
        made.close()
        with server.connect() as connection:
            connection.execute(sa.text(f"DROP DATABASE {name}"))
        server.dispose()


def limit_and_use(database, project_id, resource):
    with database.read(CTX) as tx:
        [row] = quotas.of_project(tx, project_id, [resource])
    return row.hard_limit, row.used


def test_limit_below_use_is_set_only_by_force(database):
    database.write(CTX, quotas.take, "p", {"cores": 3}, SETTINGS)
    assert not database.write(CTX, quotas.set_limit, "p", "cores", 2, force=False)
    assert limit_and_use(database, "p", "cores") == (SETTINGS.cores, 3)
    assert database.write(CTX, quotas.set_limit, "p", "cores", 3, force=False)
    assert database.write(CTX, quotas.set_limit, "p", "cores", 3, force=False)  # the same again changes no row
    assert database.write(CTX, quotas.set_limit, "p", "cores", -1, force=False)
    assert database.write(CTX, quotas.set_limit, "p", "cores", 2)
    assert limit_and_use(database, "p", "cores") == (2, 3)


def test_limit_of_a_project_that_used_nothing_is_kept(database):
    assert database.write(CTX, quotas.set_limit, "p", "cores", 2, force=False)
    with pytest.raises(errors.QuotaExceeded):
        database.write(CTX, quotas.take, "p", {"cores": 3}, SETTINGS)
    database.write(CTX, quotas.take, "p", {"cores": 2}, SETTINGS)


def test_changed_default_is_that_of_all_who_have_no_limit_of_their_own(database):
    database.write(CTX, quotas.take, "old", {"cores": 1}, SETTINGS)
    database.write(CTX, quotas.set_limit, "own", "cores", 9)
    database.write(CTX, quotas.set_default, "cores", 4)
    database.write(CTX, quotas.take, "new", {"cores": 1, "ram": 1}, SETTINGS)
    limits = {name: limit_and_use(database, name, "cores")[0] for name in ("old", "own", "new")}
    assert limits == {"old": 4, "own": 9, "new": 4}
    assert limit_and_use(database, "new", "ram")[0] == SETTINGS.ram
    database.write(CTX, quotas.drop_limits, "own", SETTINGS)
    assert limit_and_use(database, "own", "cores")[0] == 4


def test_a_user_never_has_more_than_the_limit_however_many_ask_at_once(database):
    def ask() -> bool:
        try:
            database.write(CTX, quotas.take_of_user, "u", "things", 3, shown_as="things")
        except errors.QuotaExceeded:
            return False
        return True

    tasks = [runtime.spawn(ask) for _ in range(WORKERS)]
    assert sum(task.wait() for task in tasks) == 3
    database.write(CTX, quotas.give_back, "u", {"things": 1})
    assert ask()
    assert not ask()


def test_a_row_that_another_first_use_made_meanwhile_refuses_nobody(database, monkeypatch):
    take, other = quotas._take, []

    def overtaken(tx, project_id, amounts, stamp):
        taken = take(tx, project_id, amounts, stamp)
        if not other:  # as another transaction commits between two statements of ours
            other.append(tx.insert_new(quota_usages, project_id="p", resource="ram", used=5, hard_limit=8))
        return taken

    database.write(CTX, quotas.set_limit, "p", "cores", 9)
    monkeypatch.setattr(quotas, "_take", overtaken)
    database.write(CTX, quotas.take, "p", {"cores": 1, "ram": 3}, SETTINGS)
    assert (limit_and_use(database, "p", "cores"), limit_and_use(database, "p", "ram")) == ((9, 1), (8, 8))
    other.clear()
    with pytest.raises(errors.QuotaExceeded, match="ram"):
        database.write(CTX, quotas.take, "p", {"cores": 1, "ram": 1}, SETTINGS)
    assert limit_and_use(database, "p", "cores") == (9, 1)


def test_the_first_uses_of_many_at_once_are_all_accepted(database):
    for number in range(20):
        project = f"p{number}"
        database.write(CTX, quotas.set_limit, project, "cores", WORKERS)
        asked = {"cores": 1, "instances": 1, "ram": 1}
        tasks = [runtime.spawn(database.write, CTX, quotas.take, project, asked, SETTINGS) for _ in range(WORKERS)]
        for task in tasks:
            task.wait()
        assert limit_and_use(database, project, "ram")[1] == WORKERS


def test_give_back_never_goes_below_nothing(database):
    database.write(CTX, quotas.take, "p", {"cores": 1}, SETTINGS)
    with pytest.raises(exc.DBAPIError):
        database.write(CTX, quotas.give_back, "p", {"cores": 2})
    with database.read(CTX) as tx:
        assert tx.scalar(sa.select(quota_usages.c.used).where(quota_usages.c.project_id == "p")) == 1


@pytest.mark.parametrize(
    "database", [pytest.param(kind, marks=pytest.mark.servers) for kind in ("mariadb", "postgresql")], indirect=True
)
def test_a_row_that_somebody_holds_for_too_long_is_unavailable_and_nothing_is_changed(database):
    database.write(CTX, quotas.take, "p", {"cores": 1}, SETTINGS)
    url = database.engine.url.render_as_string(hide_password=False)
    impatient = Database(url, engines.Options(statement_timeout=1))
    with database.engine.connect() as holder:
        holder.execute(sa.update(quota_usages).values(used=quota_usages.c.used))
        with pytest.raises(errors.Unavailable):
            impatient.write(CTX, quotas.take, "p", {"cores": 1}, SETTINGS)
    impatient.write(CTX, quotas.take, "p", {"cores": 1}, SETTINGS)
    impatient.close()
    assert limit_and_use(database, "p", "cores")[1] == 2
