"""Greedy micro-batching: a thread takes what waits, predicts it at once, logs it, and hands the answers back."""

import asyncio
import contextlib
import queue
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from regrow.base.errors import InvalidRequest, ModelFailed, Overloaded, StateError, Unavailable
from regrow.serving.log.journal import Journal
from regrow.serving.log.lines import answered_lines
from regrow.serving.metrics import ServerMetrics
from regrow.serving.predict.jobs import Job
from regrow.serving.predict.versions import ServedVersion

BATCH_ROWS = 4096
QUEUE_REQUESTS = 2048
Outcome = tuple[Job, list[Any] | Exception]
"""A job with a value for each of its rows, or what the model raised."""


class PredictionThread(threading.Thread):
    """The queue and the thread in which one version at a time predicts for one model."""

    def __init__(self, model: str, role: str, journal: Journal, metrics: ServerMetrics) -> None:
        super().__init__(name=f"{role}-{model}", daemon=True)
        self._model = model
        self._journal = journal
        self._metrics = metrics
        self._queue: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._left: Job | None = None
        """A job that was taken from the queue and did not fit into the batch."""
        self._closing = False
        self._began: float | None = None
        """When the batch under way began."""
        self._late: float | None = None
        """The beginning of a batch that somebody waited for too long."""
        self._loop = asyncio.get_running_loop()
        self.start()

    @property
    def is_full(self) -> bool:
        """Whether as many requests wait as may."""
        return self._queue.qsize() >= QUEUE_REQUESTS

    def require_room(self) -> None:
        """Raise `Overloaded` if as many requests wait as may."""
        if self.is_full:
            raise Overloaded(f"{self._model}: {QUEUE_REQUESTS} requests wait already; send fewer")

    def mark_late(self) -> None:
        """Note that somebody has waited too long for the batch under way."""
        self._late = self._began

    def late_seconds(self, patience: float) -> float:
        """Return how long the batch under way has taken if it is late, else 0.

        It is late after *patience* seconds, or once somebody has waited too long for it.
        """
        began = self._began
        taken = 0.0 if began is None else time.monotonic() - began
        return taken if taken > patience or (began is not None and began == self._late) else 0.0

    def put(self, job: Job) -> "asyncio.Future[list[Any]]":
        """Let *job* be predicted; the answer comes once its rows are in the journal.

        The future raises `InvalidRequest` if the model cannot take the rows, `ModelFailed` if it fails otherwise,
        `Unavailable` if the disk is full.
        """
        job.answer = self._loop.create_future()
        self._queue.put(job)
        return job.answer

    async def close(self, patience: float) -> None:
        """Answer what waits, then stop; a thread that does not come back within *patience* seconds is left."""
        self._queue.put(None)
        await asyncio.to_thread(self.join, patience)

    def run(self) -> None:
        """Predict batch after batch."""
        threadpool_limits(1)  # More only make one row wait: see docs/benchmarks.md.
        while (first := self._first()) is not None:
            jobs, self._left = take_batch(first, self._next, BATCH_ROWS)
            jobs = [job for job in jobs if not job.claim.locked()]
            if jobs and first.served is not None:
                self._began = time.monotonic()
                outcomes = self._work(first.served, jobs)
                self._began = None
                with contextlib.suppress(RuntimeError):  # The loop is closed: nobody waits any more.
                    self._loop.call_soon_threadsafe(_settle, outcomes)

    def _first(self) -> Job | None:
        """Wait for a job; return None at the end."""
        if self._left is not None:
            return self._left
        return None if self._closing else self._queue.get()

    def _next(self) -> Job | None:
        """Take the next job if one waits."""
        try:
            job = self._queue.get_nowait()
        except queue.Empty:
            return None
        self._closing = job is None
        return job

    def _work(self, served: ServedVersion, jobs: list[Job]) -> list[Outcome]:
        """Predict and log *jobs*; one that the clock has ended meanwhile is neither answered nor logged."""
        began = time.perf_counter()
        predicted = predict_jobs(served, jobs)
        ended = time.perf_counter()
        labels = self._model, str(served.version), jobs[0].attribution.role
        self._metrics.prediction_of(*labels).observe(ended - began)
        self._metrics.batch_requests_of(*labels).observe(len(jobs))
        mine = [outcome for outcome in predicted if outcome[0].claim.acquire(blocking=False)]
        lines: dict[int, list[bytes]] = {}
        outcomes = [self._write(served, job, values, ended, lines) for job, values in mine]
        try:
            for job, _ in mine:
                if (written := lines.pop(id(job.types), None)) is not None:
                    self._journal.append(job.types, written)
        except (StateError, OSError) as error:
            return [(job, Unavailable("journal_unavailable", str(error))) for job, _ in mine]
        return outcomes

    def _write(
        self,
        served: ServedVersion,
        job: Job,
        values: list[Any] | Exception,
        ended: float,
        lines: dict[int, list[bytes]],
    ) -> Outcome:
        """Count *job* and add its rows to the *lines* for the journal; return what the client is told."""
        labels = self._model, str(job.attribution.version), job.attribution.role
        if isinstance(values, Exception):
            self._metrics.errors.labels(*labels).inc(job.rows.count)
            return job, explain(served, values)
        lacking = values.count(None) if job.must_be_finite else 0
        self._metrics.rows_of(*labels).inc(job.rows.count - lacking)
        if lacking:
            self._metrics.errors.labels(*labels).inc(lacking)
        if job.logged:
            try:
                written = answered_lines(
                    job.identifiers, job.rows, values, job.attribution, ended - job.arrived, job.held
                )
            except TypeError as error:  # A value that JSON has no form for.
                return job, explain(served, error)
            lines.setdefault(id(job.types), []).extend(written)
        return job, values


def take_batch(first: Job, take: Callable[[], Job | None], most: int) -> tuple[list[Job], Job | None]:
    """Return *first* with those that *take* returns for the same version, up to *most* rows, and the one left over."""
    jobs, rows = [first], first.rows.count
    while (job := take()) is not None:
        rows += job.rows.count
        if job.served is not first.served or rows > most:
            return jobs, job
        jobs.append(job)
    return jobs, None


def predict_jobs(served: ServedVersion, jobs: Sequence[Job]) -> list[Outcome]:
    """Predict *jobs* together by *served*.

    If they fail together each half is tried alone, so that no request spoils another.
    """
    try:
        predictions = served.predict([job.fitted for job in jobs])
    except Exception as error:  # noqa: BLE001  (a stored model may raise anything; the client is told)
        if len(jobs) == 1:
            return [(jobs[0], error)]
        middle = len(jobs) // 2
        return predict_jobs(served, jobs[:middle]) + predict_jobs(served, jobs[middle:])
    outcomes, start = [], 0
    values = predictions.tolist()
    lacking = _not_finite(predictions) if any(job.must_be_finite for job in jobs) else set[int]()
    for job in jobs:
        rows = range(start, start + job.rows.count)
        start = rows.stop
        if job.must_be_finite and not lacking.isdisjoint(rows):
            outcomes.append((job, [None if row in lacking else values[row] for row in rows]))
        else:
            outcomes.append((job, values[rows.start : rows.stop]))
    return outcomes


def explain(served: ServedVersion, error: Exception) -> Exception:
    """Return what an *error* that a model raised means to the client."""
    if isinstance(error, ValueError | TypeError):
        message = f"version {served.version} cannot predict these rows: {str(error)[:400]}"
        return InvalidRequest("model_refused", message)
    return ModelFailed(f"version {served.version} failed: {type(error).__name__}: {error}")


def _not_finite(predictions: "np.typing.NDArray[np.float64]") -> set[int]:
    """Return the rows with a prediction that is NaN or infinite."""
    finite = np.isfinite(predictions)
    if finite.all():
        return set()
    return set(np.flatnonzero(~finite.reshape(len(predictions), -1).all(axis=1)).tolist())


def _settle(outcomes: list[Outcome]) -> None:
    """Hand each job its answer."""
    for job, values in outcomes:
        if job.answer is None or job.answer.done():
            continue
        if isinstance(values, Exception):
            job.answer.set_exception(values)
        else:
            job.answer.set_result(values)
