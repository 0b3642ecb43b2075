"""Migrations: from empty to the models of this release and back, on every database."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from iaas.db import engines, migrate

SERVERS = [
    pytest.param("sqlite", id="sqlite"),
    pytest.param("mariadb_url", id="mariadb", marks=pytest.mark.servers),
    pytest.param("postgresql_url", id="postgresql", marks=pytest.mark.servers),
]


@pytest.fixture(params=SERVERS)
def empty(request, tmp_path):
    """Return a function that makes an empty database and gives its URL."""
    made = []

    def make(name: str) -> str:
        if request.param == "sqlite":
            return f"sqlite:///{tmp_path}/{name}.sqlite"
        server = sa.make_url(request.getfixturevalue(request.param))
        database = f"migration_{name}"
        engine = sa.create_engine(server, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.exec_driver_sql(f"DROP DATABASE IF EXISTS {database}")
            connection.exec_driver_sql(f"CREATE DATABASE {database}")
        made.append((engine, database))
        return server.set(database=database).render_as_string(hide_password=False)

    yield make
    for engine, database in made:
        with engine.connect() as connection:
            connection.exec_driver_sql(f"DROP DATABASE IF EXISTS {database}")
        engine.dispose()


@pytest.mark.parametrize("name", migrate.DATABASES)
def test_from_empty_to_the_models_and_back(empty, name):
    url = empty(name)
    migrate.sync(name, url)
    engine = engines.make(url, engines.Options())
    try:
        migrate.check(name, engine)
        with engine.connect() as connection:
            options = {"compare_type": True, "compare_server_default": False}
            differences = compare_metadata(MigrationContext.configure(connection, opts=options), migrate.metadata(name))
        assert differences == []
        migrate.sync(name, url, to="base")
        left = set(sa.inspect(engine).get_table_names()) - {"alembic_version"}
        assert left == set()
        with pytest.raises(migrate.NotCurrent, match="iaas-manage db sync"):
            migrate.check(name, engine)
    finally:
        engine.dispose()


def test_synchronising_twice_changes_nothing(empty):
    url = empty("controller")
    for _ in range(2):
        migrate.sync("controller", url)
    engine = engines.make(url, engines.Options())
    assert migrate.version(engine) == migrate.head("controller")
    engine.dispose()


@pytest.mark.parametrize("name", migrate.DATABASES)
def test_the_versions_are_numbered_without_a_gap(name):
    numbers = sorted(int(path.stem[:4]) for path in (migrate.FOLDER / name / "versions").glob("[0-9]*.py"))
    assert numbers == list(range(1, len(numbers) + 1))
