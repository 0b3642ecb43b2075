"""What a process counts: plain numbers that cost nothing to add to, shown for Prometheus when somebody asks.

Code counts where it works::

    metrics.DB_RETRIES.add(self.name)
    metrics.RPC_PUBLISH_SECONDS.see(seconds)

Labels are names the code or a table knows (an operation, a step, a database), never ids or paths.  What stands here
is every metric there is; docs/operations.md has the same table.  The Prometheus library is imported by the first
:func:`render` only: a process nobody asks pays nothing for it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from typing import Any

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
#: upper ends of a histogram's buckets, in seconds; the last one has no end
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
#: label sets of one metric; what comes after is counted together, so that no client can fill the memory
MAX_SERIES = 3000
OTHER = "other"


class Metric:
    """A name, what it means, and the names of its labels."""

    kind = ""

    def __init__(self, name: str, meaning: str, *labels: str) -> None:
        self.name = name
        self.meaning = meaning
        self.labels = labels
        ALL.append(self)


ALL: list[Metric] = []


class Counter(Metric):
    """Only grows."""

    kind = "counter"

    def __init__(self, name: str, meaning: str, *labels: str) -> None:
        super().__init__(name, meaning, *labels)
        self.values: dict[tuple[str, ...], float] = {}

    def add(self, *labels: str, amount: float = 1) -> None:
        """Count one more, or ``amount``, of these label values."""
        values = self.values
        if labels not in values:
            labels = _place(values, labels)
            values.setdefault(labels, 0)
        values[labels] += amount


class Histogram(Metric):
    """How long things took."""

    kind = "histogram"

    def __init__(self, name: str, meaning: str, *labels: str) -> None:
        super().__init__(name, meaning, *labels)
        #: labels → one count a bucket, one for what passes the last, and the sum of all
        self.values: dict[tuple[str, ...], list[float]] = {}

    def see(self, seconds: float, *labels: str) -> None:
        """Count one thing that took ``seconds``."""
        row = self.values.get(labels)
        if row is None:
            row = self.values.setdefault(_place(self.values, labels), [0] * (len(BUCKETS) + 1) + [0.0])
        row[bisect_left(BUCKETS, seconds)] += 1
        row[-1] += seconds


class Gauge(Metric):
    """What is so now: looked up when somebody asks."""

    kind = "gauge"


def _place(values: dict[tuple[str, ...], Any], labels: tuple[str, ...]) -> tuple[str, ...]:
    """Where to count: under the labels, or under ``other`` where there are too many of them."""
    return labels if len(values) < MAX_SERIES else (OTHER,) * len(labels)


HTTP_REQUESTS = Counter("iaas_http_requests_total", "Requests answered.", "service", "method", "operation", "status")
HTTP_SECONDS = Histogram(
    "iaas_http_request_duration_seconds", "Seconds from a request's head to the end of its answer.",
    "service", "operation",
)  # fmt: skip
REFUSED = Counter("iaas_backlog_refusals_total", "Requests answered 503 because too much is under way.", "scope")
STEPS = Counter(
    "iaas_job_steps_total",
    "Steps run: done, undone (an undo step), retried (fails for now), failed (for good), superseded, fenced.",
    "kind", "step", "outcome",
)  # fmt: skip
STEP_SECONDS = Histogram("iaas_job_step_duration_seconds", "Seconds a step of a job ran.", "kind", "step")
SWEPT = Counter("iaas_sweep_found_jobs_total", "Due jobs a sweep found that no ring had brought.", "worker")
JOBS_DUE = Gauge("iaas_jobs_due", "Due jobs of this worker's topics that nobody holds.", "worker")
JOBS_OLDEST_DUE = Gauge("iaas_jobs_oldest_due_seconds", "Seconds the oldest of them has waited.", "worker")
WORKER_JOBS = Gauge("iaas_worker_jobs", "Jobs this worker runs now.", "worker")
WORKER_JOBS_LIMIT = Gauge("iaas_worker_jobs_limit", "Jobs this worker runs at the same time at most.", "worker")
DB_SECONDS = Histogram(
    "iaas_db_transaction_duration_seconds", "Seconds of a transaction, waiting and retries included.",
    "database", "kind",
)  # fmt: skip
DB_RETRIES = Counter("iaas_db_retries_total", "Transactions the database asked for again.", "database")
DB_UNAVAILABLE = Counter("iaas_db_unavailable_total", "Transactions given up: a database is away.")
DB_CONNECTIONS = Gauge("iaas_db_connections", "Database connections in use.", "database")
DB_CONNECTIONS_LIMIT = Gauge("iaas_db_connections_limit", "Database connections at most.", "database")
RPC_PUBLISH_SECONDS = Histogram("iaas_rpc_publish_duration_seconds", "Seconds until the broker had a message.")
RPC_PUBLISH_FAILURES = Counter("iaas_rpc_publish_failures_total", "Messages the broker did not take.")
NATIVE_CALLS = Gauge("iaas_native_calls", "Calls that block, in native threads or waiting for one.")
NATIVE_THREADS = Gauge("iaas_native_threads_limit", "Native threads for calls that block.")
HEALTH = Gauge("iaas_health", "1 if the work was done lately, 0 if not: the checks of /healthz.", "part", "check")
HEALTH_AGE = Gauge("iaas_health_age_seconds", "Seconds since it was done.", "part", "check")
INFO = Gauge("iaas_info", "Always 1: which daemon of which version this is.", "daemon", "version")


def render(readings: Iterable[tuple[Gauge, tuple[str, ...], float]]) -> bytes:
    """Return every metric as Prometheus reads it, with what the process takes of memory, CPU and descriptors.

    :param readings: of gauges: metric, label values, value
    """
    from prometheus_client.exposition import generate_latest
    from prometheus_client.process_collector import ProcessCollector
    from prometheus_client.registry import CollectorRegistry

    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(list(readings)))  # pyright: ignore[reportArgumentType]  it has collect()
    ProcessCollector(registry=registry)
    return generate_latest(registry)


class _Collector:
    def __init__(self, readings: list[tuple[Gauge, tuple[str, ...], float]]) -> None:
        self._readings = readings

    def collect(self) -> Iterator[Any]:
        from prometheus_client import metrics_core as core

        for metric in ALL:
            family: Any
            if isinstance(metric, Counter):
                family = core.CounterMetricFamily(metric.name, metric.meaning, labels=metric.labels)
                for labels, value in list(metric.values.items()):
                    family.add_metric(labels, value)
            elif isinstance(metric, Histogram):
                family = core.HistogramMetricFamily(metric.name, metric.meaning, labels=metric.labels)
                for labels, row in list(metric.values.items()):
                    family.add_metric(labels, _cumulated(row[:-1]), row[-1])
            else:
                family = core.GaugeMetricFamily(metric.name, metric.meaning, labels=metric.labels)
                for gauge, labels, value in self._readings:
                    if gauge is metric:
                        family.add_metric(labels, value)
            yield family


def _cumulated(counts: list[float]) -> list[tuple[str, float]]:
    total, rows = 0.0, []
    for end, count in zip((*map(str, BUCKETS), "+Inf"), counts, strict=True):
        total += count
        rows.append((end, total))
    return rows
