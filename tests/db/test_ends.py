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
    statements: list[tuple[str, str]] = []
    sa.event.listen(
        clients.db.engine, "before_cursor_execute", lambda *call: statements.append((call[2], str(call[3])))
    )
    clients.db.write(DEMO, ends.forget_instance, instance_id)
    texts = [text for text, _ in statements]
    first = next(number for number, text in enumerate(texts) if "quota_usages" in text)
    assert "instances" in texts[first] + statements[first][1]
    assert "ports" in texts[first + 1] + statements[first + 1][1]
    assert all("allocations" in text or "hosts" in text for text in texts[first + 2 :])
    left = used(clients)
    assert {name: left[name] for name in (*taken, "ports")} == dict.fromkeys((*taken, "ports"), 0)
