"""What the server counts, for Prometheus.

With several workers each gauge says how the workers' values become one: the value set last if they should all be the
same; the worst value of the living workers for the registry; the sum over the living for bytes that wait; the largest
for flushed rows, which every worker reads from the one process that flushes.
"""

import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from regrow.data.flow_figures import read_figures
from regrow.notifications.outbox import Outbox

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
ANSWERED = ["model", "version", "role"]
"""A request that champion and challenger answer together has both versions (`3,4`) and the role `both`."""


class StateMetrics(Collector):
    """What the state folder *home* shows of the flows, the notifications, the runner and the disk when it is asked."""

    def __init__(self, home: Path) -> None:
        self._home, self._outbox = home, Outbox(home)

    def collect(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
        """Yield the metrics of the flows, then those of the machine."""
        yield from self._flows()
        waiting, oldest = self._outbox.waiting()
        place = self._home.absolute()
        disk = shutil.disk_usage(next(each for each in (place, *place.parents) if each.exists()))
        yield GaugeMetricFamily("regrow_notifications_waiting", "Events and messages to be sent", waiting)
        yield GaugeMetricFamily("regrow_notifications_oldest_seconds", "Age of the oldest of them", oldest)
        yield GaugeMetricFamily("regrow_disk_free_bytes", "Free on the disk of the state folder", disk.free)
        yield GaugeMetricFamily("regrow_disk_size_bytes", "Size of the disk of the state folder", disk.total)
        if self._outbox.seen.exists():
            at = self._outbox.seen.stat().st_mtime
            yield GaugeMetricFamily(
                "regrow_runner_seen_timestamp_seconds", "When the runner was seen last", at
            )

    def _flows(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
        """Yield what each flow of each model came to."""
        by, outcomes = ["model", "flow"], ["model", "flow", "outcome"]
        runs = CounterMetricFamily("regrow_flow_runs", "Flow runs by outcome", labels=outcomes)
        ended = GaugeMetricFamily(
            "regrow_flow_last_end_timestamp_seconds", "When a run last ended so", labels=outcomes
        )
        seconds = GaugeMetricFamily("regrow_flow_last_seconds", "Time that the last run took", labels=by)
        period = GaugeMetricFamily(
            "regrow_flow_period_seconds", "Longest time between two scheduled runs", labels=by
        )
        for each in read_figures(self._home):
            names = [each.model, each.flow]
            for outcome, count in each.runs.items():
                runs.add_metric([*names, outcome], count)
            for outcome, moment in each.ended.items():
                ended.add_metric([*names, outcome], moment)
            for metric, value in ((seconds, each.seconds), (period, each.period)):
                if value is not None:
                    metric.add_metric(names, value)
        yield from (runs, ended, seconds, period)


class ServerMetrics:
    """The server's metrics, by model, version and role; the role is champion, challenger or shadow."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        keep = self.registry
        self.requests = Counter(
            "regrow_requests", "Requests by outcome", [*ANSWERED, "status"], registry=keep
        )
        self.latency = Histogram(
            "regrow_request_seconds", "Time to answer", ANSWERED, buckets=SECONDS, registry=keep
        )
        self.rows = Counter("regrow_rows", "Rows predicted", ANSWERED, registry=keep)
        self.prediction = Histogram(
            "regrow_prediction_seconds", "Time to predict a batch", ANSWERED, buckets=SECONDS, registry=keep
        )
        self.batch_requests = Histogram(
            "regrow_batch_requests",
            "Requests predicted together",
            ANSWERED,
            buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256),
            registry=keep,
        )
        self.errors = Counter("regrow_errors", "Rows that a version failed on", ANSWERED, registry=keep)
        self.fallbacks = Counter(
            "regrow_fallbacks",
            "Rows that the champion answered because the challenger did not",
            ["model", "version", "reason"],
            registry=keep,
        )
        self.shadow_dropped = Counter(
            "regrow_shadow_dropped",
            "Rows not scored in shadow, for want of time",
            ["model", "version"],
            registry=keep,
        )
        self._add_journal()
        self._add_registry()
        # Finding a metric by its labels costs as much as predicting a row, so each is found once.
        self.requests_of = cache(self.requests.labels)
        self.latency_of = cache(self.latency.labels)
        self.rows_of = cache(self.rows.labels)
        self.prediction_of = cache(self.prediction.labels)
        self.batch_requests_of = cache(self.batch_requests.labels)

    def _add_journal(self) -> None:
        """Add the metrics of the journal and its flush."""
        self.flushed = Gauge(
            "regrow_folded_rows",
            "Rows moved from the journals to the tables, by all processes",
            multiprocess_mode="max",
            registry=self.registry,
        )
        self.journal_bytes = Gauge(
            "regrow_journal_bytes",
            "Bytes that wait in the journal",
            multiprocess_mode="livesum",
            registry=self.registry,
        )

        self.journal_failing = Gauge(
            "regrow_journal_failing",
            "1 if a journal could not be moved to its table at the last attempt",
            multiprocess_mode="livemax",
            registry=self.registry,
        )
        self.set_aside = Gauge(
            "regrow_set_aside_rows",
            "Rows that could not be logged, in the files that are set aside",
            ["model"],
            multiprocess_mode="livemax",
            registry=self.registry,
        )

    def _add_registry(self) -> None:
        """Add the metrics of the registry and of the versions that it names."""
        keep = self.registry
        self.version = Gauge(
            "regrow_model_version",
            "Version by role",
            ["model", "role"],
            multiprocess_mode="livemostrecent",
            registry=keep,
        )
        self.weight = Gauge(
            "regrow_challenger_weight",
            "Share of entities the challenger answers",
            ["model"],
            multiprocess_mode="livemostrecent",
            registry=keep,
        )
        self.mirror = Gauge(
            "regrow_mirror_share",
            "Share of entities that both score",
            ["model"],
            multiprocess_mode="livemostrecent",
            registry=keep,
        )
        self.swaps = Counter("regrow_swaps", "Changes of the champion", ["model"], registry=keep)
        self.load_seconds = Gauge(
            "regrow_model_load_seconds",
            "Time to load and warm",
            ["model", "version"],
            multiprocess_mode="livemostrecent",
            registry=keep,
        )
        self.load_failures = Counter(
            "regrow_model_load_failures",
            "Versions that could not be loaded",
            ["model", "version"],
            registry=keep,
        )
        self.registry_up = Gauge(
            "regrow_registry_up",
            "1 if the last poll reached the registry",
            multiprocess_mode="livemin",
            registry=keep,
        )
        self.registry_age = Gauge(
            "regrow_registry_age_seconds",
            "Time since the registry answered last",
            multiprocess_mode="livemax",
            registry=keep,
        )
