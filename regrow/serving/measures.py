"""What the server counts, for Prometheus."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Measures:
    """The server's counters, each by model."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        keep = self.registry
        self.requests = Counter(
            "regrow_requests", "Requests by outcome", ["model", "version", "status"], registry=keep
        )
        self.rows = Counter("regrow_rows", "Rows predicted", ["model", "version"], registry=keep)
        self.latency = Histogram(
            "regrow_request_seconds", "Time to answer", ["model"], buckets=SECONDS, registry=keep
        )
        self.batch_requests = Histogram(
            "regrow_batch_requests",
            "Requests predicted together",
            ["model"],
            buckets=(1, 2, 4, 8, 16, 32, 64),
            registry=keep,
        )
        self.version = Gauge("regrow_model_version", "Version that answers", ["model"], registry=keep)
        self.swaps = Counter("regrow_swaps", "Changes of the version that answers", ["model"], registry=keep)
        self.registry_up = Gauge(
            "regrow_registry_up", "1 where the last poll reached the registry", registry=keep
        )
        self.folded = Gauge(
            "regrow_folded_rows", "Rows moved from the journal to the prediction log", registry=keep
        )
        self.journal_bytes = Gauge("regrow_journal_bytes", "Bytes that wait in the journal", registry=keep)
