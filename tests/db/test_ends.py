"""The last transaction of a resource: what it locks, and when."""

from __future__ import annotations

import sqlalchemy as sa

from iaas.db import codec, ends, quotas
from tests.db.test_networks import DEMO, a_network, accept, used
from tests.fixtures.network import add_instance, make_clients


def test_the_quotas_a_project_waits_for_are_touched_last_and_in_the_order_of_a_boot():
    clients = make_clients()
    a_network(clients)
    taken = {"instances": 1, "cores": 1, "ram": 512}
    clients.db.write(DEMO, quotas.take, DEMO.project_id, taken, clients.settings.quota)
    ((instance_id, info),) = accept(clients).items()
    clients.db.write(DEMO, add_instance, instance_id, network_info=codec.dump(info), quota_held=True)
    statements: list[tuple[str, object]] = []
    sa.event.listen(
        clients.db.engine, "before_cursor_execute", lambda *call: statements.append((call[2], str(call[3])))
    )
    clients.db.write(DEMO, ends.forget_instance, instance_id)
    of_quotas = [number for number, (text, _) in enumerate(statements) if "quota_usages" in text]
    assert of_quotas == [len(statements) - 2, len(statements) - 1]
    assert "instances" in statements[-2][0] + statements[-2][1]
    assert "ports" in statements[-1][0] + statements[-1][1]
    left = used(clients)
    assert {name: left[name] for name in (*taken, "ports")} == dict.fromkeys((*taken, "ports"), 0)
