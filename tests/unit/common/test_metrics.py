"""What a process counts, and how Prometheus reads it."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from iaas.common import metrics


@pytest.fixture
def metric(monkeypatch):
    """Make a metric that only this test has."""
    monkeypatch.setattr(metrics, "ALL", [])

    def make(kind, name, *labels):
        return kind(name, "What it means.", *labels)

    return make


def shown(readings=()):
    """The samples of an exposition: ``name{labels}`` → value."""
    lines = metrics.render(readings).decode().splitlines()
    pairs = (line.rpartition(" ") for line in lines if not line.startswith("#"))
    return {name: float(value) for name, _, value in pairs}


def test_a_counter_is_shown_with_its_labels(metric):
    asked = metric(metrics.Counter, "iaas_asked_total", "who", "what")
    asked.add("me", "this")
    asked.add("me", "this", amount=2)
    asked.add("you", 'a "quoted" \\ word')
    found = shown()
    assert found['iaas_asked_total{what="this",who="me"}'] == 3
    assert found['iaas_asked_total{what="a \\"quoted\\" \\\\ word",who="you"}'] == 1


def test_a_histogram_counts_what_is_at_most_the_end_of_a_bucket(metric):
    took = metric(metrics.Histogram, "iaas_took_seconds", "what")
    for seconds in (0.0005, 0.001, 0.3, 1000.0):
        took.see(seconds, "x")
    found = shown()
    assert found['iaas_took_seconds_bucket{le="0.001",what="x"}'] == 2
    assert found['iaas_took_seconds_bucket{le="0.5",what="x"}'] == 3
    assert found['iaas_took_seconds_bucket{le="300.0",what="x"}'] == 3
    assert found['iaas_took_seconds_bucket{le="+Inf",what="x"}'] == found['iaas_took_seconds_count{what="x"}'] == 4
    assert found['iaas_took_seconds_sum{what="x"}'] == pytest.approx(1000.3015)


def test_a_gauge_is_what_was_read(metric):
    full = metric(metrics.Gauge, "iaas_full", "pool")
    metric(metrics.Gauge, "iaas_other")
    found = shown([(full, ("a",), 2.0)])
    assert found['iaas_full{pool="a"}'] == 2
    assert not [name for name in found if name.startswith("iaas_other")]


def test_more_label_sets_than_a_metric_may_have_are_counted_together(metric, monkeypatch):
    monkeypatch.setattr(metrics, "MAX_SERIES", 2)
    asked = metric(metrics.Counter, "iaas_asked_total", "who")
    took = metric(metrics.Histogram, "iaas_took_seconds", "who")
    for number in range(10):
        asked.add(str(number))
        took.see(1.0, str(number))
    assert asked.values == {("0",): 1, ("1",): 1, ("other",): 8}
    assert {labels: sum(row[:-1]) for labels, row in took.values.items()} == {("0",): 1, ("1",): 1, ("other",): 8}


def test_the_process_is_shown_too():
    found = shown()
    assert found["process_resident_memory_bytes"] > 1 << 20
    assert found["process_open_fds"] > 2


def test_every_metric_has_a_name_of_the_convention():
    endings = {"counter": "_total", "histogram": "_seconds"}
    for one in metrics.ALL:
        assert re.fullmatch(r"iaas_[a-z_]+", one.name)
        assert one.name.endswith(endings.get(one.kind, ""))
        assert one.name.endswith("_total") == (one.kind == "counter")
        assert one.meaning.endswith(".")
    assert len({one.name for one in metrics.ALL}) == len(metrics.ALL)


def test_the_library_is_not_in_memory_before_somebody_asks():
    code = "import sys, iaas.cmd.admin; sys.exit('prometheus_client' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
