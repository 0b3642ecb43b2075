"""The runtime back-end is chosen before any test module is imported: IAAS_RUNTIME=eventlet runs the same tests on
green threads."""

import os

import pytest

from iaas.common import runtime

runtime.use(os.environ.get("IAAS_RUNTIME", "threads"))

from iaas.common.rest import dispatch  # noqa: E402
from tests.fixtures import contract  # noqa: E402

#: the names of APIs whose contract has another
SERVICES = {"volume": "block-storage"}

pytest_plugins = ["tests.fixtures.cluster", "tests.fixtures.servers"]


def pytest_configure(config):
    """Tell the coverage ledger of every operation that a test made succeed, in whatever process of the tests."""
    if not os.environ.get("IAAS_EXERCISED"):
        return
    answer = dispatch.Api.__call__

    def recorded(self, environ, start_response):
        chunks = answer(self, environ, start_response)
        operation = environ.get("iaas.operation")
        if operation is not None and environ.get("iaas.operation_status", 500) < 400:
            contract.record_exercised(SERVICES.get(self.name, self.name), *operation.key)
        return chunks

    dispatch.Api.__call__ = recorded


@pytest.fixture(autouse=True)
def no_green_thread_waits_on_a_closed_descriptor():
    """Closing a descriptor does not wake the green thread that waits on it: it would wait for ever, and whoever gets
    the descriptor's number next would be taken for a second one to wait there."""
    yield
    if runtime.name() == "eventlet":
        from eventlet.hubs import get_hub

        waited_on = {number for bucket in get_hub().listeners.values() for number in bucket}
        assert waited_on <= {int(name) for name in os.listdir("/proc/self/fd")}
