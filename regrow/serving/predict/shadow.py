"""Shadow predictions, which the client never sees: the other version scores rows that have been answered."""

import threading
import time
from collections import deque
from dataclasses import replace
from typing import Any

from threadpoolctl import threadpool_limits

from regrow.base.errors import StateError
from regrow.data.predictions import SHADOW
from regrow.serving.log.journal import Journal
from regrow.serving.log.lines import RAISED, TIMEOUT, shadow_lines
from regrow.serving.metrics import ServerMetrics
from regrow.serving.predict.batching import Outcome, predict_jobs, take_batch
from regrow.serving.predict.jobs import Job
from regrow.serving.predict.versions import ServedVersion

QUEUE_ROWS = 4096
BATCH_ROWS = 256
REST = 9.0
"""A pause lasts this many times what the batch before took, while requests come: a tenth of one core at most."""
IDLE_SECONDS = 0.05
"""Once no request has come for so long, shadows are scored without a pause."""


class ShadowThread(threading.Thread):
    """The thread that scores in shadow for one model, in the time that live work leaves."""

    def __init__(self, model: str, journal: Journal, metrics: ServerMetrics, timeout: float) -> None:
        super().__init__(name=f"shadow-{model}", daemon=True)
        self._model = model
        self._journal = journal
        self._metrics = metrics
        self._timeout = timeout
        self._waiting: deque[Job] = deque()
        self._rows = 0
        self._guard = threading.Lock()
        self._filled = threading.Event()
        self._stopped = threading.Event()
        self._asked = time.monotonic()
        """When the last request came."""
        self.error: str | None = None
        self.start()

    def offer(self, jobs: tuple[Job, ...]) -> None:
        """Take *jobs* to be scored later; if too many rows wait they are dropped, and counted."""
        self._asked = time.monotonic()
        for job in jobs:
            with self._guard:
                taken = self._rows + job.rows.count <= QUEUE_ROWS or not self._waiting
                if taken:
                    self._rows += job.rows.count
                    self._waiting.append(job)
            if not taken:
                self._drop(job)
        self._filled.set()

    def stop(self) -> None:
        """Stop after the batch under way; what waits is dropped, and counted."""
        self._stopped.set()
        self._filled.set()
        while (job := self._next()) is not None:
            self._drop(job)

    def run(self) -> None:
        """Score batch after batch, with a rest after each."""
        threadpool_limits(1)
        left: Job | None = None
        while not self._stopped.is_set():
            first = left or self._next()
            left = None
            if first is None:
                self._filled.wait()
                self._filled.clear()
                continue
            jobs, left = take_batch(first, self._next, BATCH_ROWS)
            self._rest(REST * self._score(first.served, jobs))
        if left is not None:
            self._drop(left)

    def _next(self) -> Job | None:
        """Take the job that waits longest."""
        with self._guard:
            if not self._waiting:
                return None
            job = self._waiting.popleft()
            self._rows -= job.rows.count
            return job

    def _drop(self, job: Job) -> None:
        """Count that *job* is not scored."""
        version = str(job.attribution.version)
        self._metrics.shadow_dropped.labels(self._model, version).inc(job.rows.count)

    def _score(self, served: ServedVersion | None, jobs: list[Job]) -> float:
        """Predict and log *jobs*; return the seconds that the prediction took."""
        began = time.perf_counter()
        outcomes: list[Outcome] = (
            predict_jobs(served, jobs) if served is not None else [(job, []) for job in jobs]
        )
        seconds = time.perf_counter() - began
        labels = self._model, str(jobs[0].attribution.version), SHADOW
        self._metrics.prediction_of(*labels).observe(seconds)
        self._metrics.batch_requests_of(*labels).observe(len(jobs))
        lines = [line for job, values in outcomes for line in self._lines(job, served, values, seconds)]
        try:
            self._journal.append(jobs[0].types, lines)
        except StateError as error:
            self.error = str(error)
            for job in jobs:
                self._drop(job)
        else:
            self.error = None
        return seconds

    def _lines(
        self, job: Job, served: ServedVersion | None, values: list[Any] | Exception, seconds: float
    ) -> list[bytes]:
        """Count *job* and write its rows as lines of the journal."""
        labels = self._model, str(job.attribution.version), SHADOW
        self._metrics.rows_of(*labels).inc(job.rows.count)
        attribution, islate = job.attribution, seconds > self._timeout
        if served is None or isinstance(values, Exception) or islate:
            self._metrics.errors.labels(*labels).inc(job.rows.count)
            attribution = replace(attribution, fallback=TIMEOUT if islate else RAISED)
            values = [None] * job.rows.count
        return shadow_lines(job.identifiers, job.rows, values, attribution, seconds)

    def _rest(self, seconds: float) -> None:
        """Wait *seconds*, or until no request has come for a moment."""
        until = time.monotonic() + seconds
        while (now := time.monotonic()) < until and now - self._asked < IDLE_SECONDS:
            if self._stopped.wait(min(until - now, IDLE_SECONDS)):
                return
