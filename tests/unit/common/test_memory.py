"""What a daemon does not keep in memory."""

from __future__ import annotations

import gc
import linecache
import logging
import sys
import weakref

from iaas.common import log
from iaas.common.runtime import memory


class Ring:
    """Something that refers to itself, which only the collector can free."""

    def __init__(self) -> None:
        self.itself = self


def test_a_trace_in_the_log_does_not_leave_source_files_behind():
    try:
        raise ValueError("wrong")
    except ValueError:
        record = logging.LogRecord("iaas", logging.ERROR, "", 0, "it failed", None, sys.exc_info())
    assert 'raise ValueError("wrong")' in log.Formatter(as_json=False).format(record)
    assert linecache.cache == {}


def test_what_refers_to_itself_is_gone_after_a_tidy():
    gc.disable()
    try:
        ring = weakref.ref(Ring())
        assert ring() is not None
        memory.tidy()
        assert ring() is None
    finally:
        gc.enable()
