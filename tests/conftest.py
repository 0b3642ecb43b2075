"""The runtime back-end is chosen before any test module is imported: IAAS_RUNTIME=eventlet runs the same tests on
green threads."""

import os

from iaas.common import runtime

runtime.use(os.environ.get("IAAS_RUNTIME", "threads"))

pytest_plugins = ["tests.fixtures.cluster", "tests.fixtures.servers"]
