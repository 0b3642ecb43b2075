"""The runtime back-end is chosen before any test module is imported: IAAS_RUNTIME=eventlet runs the same tests on
green threads."""

import os

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
