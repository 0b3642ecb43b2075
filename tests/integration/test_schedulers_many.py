"""Eight scheduler processes on one database, more servers than fit: exactly what fits is placed, no count is off.

`tools/bench/schedulers.py` runs the same at its full size.
"""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from bench import schedulers

pytestmark = pytest.mark.servers


@pytest.fixture(params=["sqlite", "mariadb", "postgresql"])
def url(request, tmp_path):
    """An empty database of each kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/controller.sqlite"
        return
    server = sa.make_url(request.getfixturevalue(f"{request.param}_url"))
    engine = sa.create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql("DROP DATABASE IF EXISTS many_schedulers")
        connection.exec_driver_sql("CREATE DATABASE many_schedulers")
    yield server.set(database="many_schedulers").render_as_string(hide_password=False)
    with engine.connect() as connection:
        connection.exec_driver_sql("DROP DATABASE IF EXISTS many_schedulers")
    engine.dispose()


def test_eight_schedulers_place_exactly_what_fits(url):
    result = schedulers.run(url, schedulers=8, boots=500, slots=400)
    assert result.problems == []
    assert (result.placed, result.refused) == (400, 100)
