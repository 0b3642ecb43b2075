"""Imported first by every daemon: chooses the runtime back-end before anything else is loaded."""

import os

from iaas.common import runtime

runtime.use(os.environ.get("IAAS_RUNTIME", "eventlet"))
