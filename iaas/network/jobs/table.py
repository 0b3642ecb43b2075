"""The table the network worker's steps are declared in."""

from __future__ import annotations

from iaas.jobs.handlers import Handlers

handlers = Handlers("network")
