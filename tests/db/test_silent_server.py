"""A database server that is not heard any more is unavailable after its limit; nobody waits for it for ever."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SILENT = """
import os
os.environ["IAAS_RUNTIME"] = "eventlet"
import iaas.cmd.green
import sys
import sqlalchemy as sa
from iaas.common import context, errors, runtime
from iaas.db import engines
from iaas.db.tx import Database

server = runtime.listen("127.0.0.1", 0)
held = []

def accept():
    while True:
        held.append(server.accept())

runtime.spawn(accept)
url = f"{sys.argv[1]}://iaas:x@127.0.0.1:{server.getsockname()[1]}/iaas"
database = Database(url, engines.Options(connect_timeout=1, statement_timeout=1))
try:
    with database.read(context.admin("test")) as tx:
        tx.scalar(sa.select(1))
except errors.Unavailable:
    print("unavailable")
"""


@pytest.mark.parametrize("driver", ["postgresql+psycopg2", "mysql+pymysql"])
def test_a_server_that_takes_connections_and_never_speaks_is_unavailable(driver):
    done = subprocess.run([sys.executable, "-c", SILENT, driver], capture_output=True, cwd=ROOT, timeout=90)
    assert done.stdout == b"unavailable\n", done.stderr.decode()
