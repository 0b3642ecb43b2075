"""The table the scheduler's steps are declared in."""

from iaas.jobs.handlers import Handlers

handlers = Handlers("scheduler")
