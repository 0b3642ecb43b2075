"""Times on the wire are those of the standard library, however they are made."""

from __future__ import annotations

import datetime
import random

import pytest

from iaas.common.rest import wire

EDGES = (0.0, 0.9999994, 0.9999996, 1795275988.8960786, 1795275999.9999998, 4102444799.999999, -0.25, -1.0)
CHANCE = random.Random(7)
TIMES = (*EDGES, *(CHANCE.uniform(0, 4e9) for _ in range(500)))


@pytest.mark.parametrize("seconds", TIMES)
def test_a_time_is_written_as_the_standard_library_does(seconds):
    when = datetime.datetime.fromtimestamp(seconds, datetime.UTC).replace(tzinfo=None)
    assert wire.timestamp(seconds) == when.isoformat(timespec="seconds") + "Z"
    assert wire.micros(seconds) == when.isoformat(timespec="microseconds")


def test_no_time_stays_none():
    assert wire.timestamp(None) is None
    assert wire.micros(None) is None
