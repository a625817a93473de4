"""Greedy micro-batching: a thread takes what waits, predicts it at once, logs it, and hands the answers back."""

import asyncio
import contextlib
import queue
import threading
import time
from typing import Any

from threadpoolctl import threadpool_limits

from regrow.errors import StateError
from regrow.serving.journal import Journal
from regrow.serving.measures import Measures
from regrow.serving.parts import Part, group, solve
from regrow.serving.record import answered_lines
from regrow.serving.refusals import Refused, Unavailable
from regrow.serving.routes import Served

BATCH_ROWS = 4096
QUEUE_REQUESTS = 2048
Outcome = tuple[Part, list[Any] | Exception]


class Lane(threading.Thread):
    """The queue and the thread in which one version at a time predicts for one model."""

    def __init__(self, model: str, role: str, journal: Journal, measures: Measures) -> None:
        super().__init__(name=f"{role}-{model}", daemon=True)
        self._model = model
        self._journal = journal
        self._measures = measures
        self._queue: queue.SimpleQueue[Part | None] = queue.SimpleQueue()
        self._left: Part | None = None
        self._closing = False
        self._began: float | None = None
        self._late: float | None = None
        self._loop = asyncio.get_running_loop()
        self.start()

    @property
    def is_full(self) -> bool:
        """Whether as many requests wait as may."""
        return self._queue.qsize() >= QUEUE_REQUESTS

    def mark_late(self) -> None:
        """Note that somebody has waited too long for the batch under way."""
        self._late = self._began

    def late_seconds(self, patience: float) -> float:
        """Give how long the batch under way has taken, where that is over *patience* or too long for somebody; or 0."""
        began = self._began
        taken = 0.0 if began is None else time.monotonic() - began
        return taken if taken > patience or (began is not None and began == self._late) else 0.0

    def put(self, part: Part) -> "asyncio.Future[list[Any]]":
        """Let *part* be predicted; the answer comes once its rows are in the journal.

        It raises `Refused` where the model cannot take the rows, `Unavailable` where the disk is full.
        """
        part.answer = self._loop.create_future()
        self._queue.put(part)
        return part.answer

    async def close(self, patience: float) -> None:
        """Answer what waits, then stop; a thread that does not come back within *patience* seconds is left."""
        self._queue.put(None)
        await asyncio.to_thread(self.join, patience)

    def run(self) -> None:
        """Predict batch after batch."""
        threadpool_limits(1)  # More only make one row wait: see docs/benchmarks.md.
        while (first := self._first()) is not None:
            parts, self._left = group(first, self._next, BATCH_ROWS)
            parts = [part for part in parts if not part.claim.locked()]
            if parts and first.served is not None:
                self._began = time.monotonic()
                outcomes = self._work(first.served, parts)
                self._began = None
                with contextlib.suppress(RuntimeError):  # The loop is closed: nobody waits any more.
                    self._loop.call_soon_threadsafe(_settle, outcomes)

    def _first(self) -> Part | None:
        """Wait for a part; None at the end."""
        if self._left is not None:
            return self._left
        return None if self._closing else self._queue.get()

    def _next(self) -> Part | None:
        """Take the next part if one waits."""
        try:
            part = self._queue.get_nowait()
        except queue.Empty:
            return None
        self._closing = part is None
        return part

    def _work(self, served: Served, parts: list[Part]) -> list[Outcome]:
        """Predict and log *parts*; a part that the clock has ended meanwhile is left out of both."""
        began = time.perf_counter()
        solved = solve(served, parts)
        ended = time.perf_counter()
        labels = self._model, str(served.version), parts[0].role
        self._measures.prediction_of(*labels).observe(ended - began)
        self._measures.batch_requests_of(*labels).observe(len(parts))
        mine = [outcome for outcome in solved if outcome[0].claim.acquire(blocking=False)]
        lines: dict[int, list[bytes]] = {}
        outcomes = [self._written(served, part, values, ended, lines) for part, values in mine]
        try:
            for part, _ in mine:
                if (written := lines.pop(id(part.types), None)) is not None:
                    self._journal.append(part.types, written)
        except StateError as error:
            return [(part, Unavailable("journal_unavailable", str(error))) for part, _ in mine]
        return outcomes

    def _written(
        self,
        served: Served,
        part: Part,
        values: list[Any] | Exception,
        ended: float,
        lines: dict[int, list[bytes]],
    ) -> Outcome:
        """Write the rows of *part* into the *lines* of its columns; gives what the client is told."""
        labels = self._model, str(part.version), part.role
        if isinstance(values, Exception):
            self._measures.errors.labels(*labels).inc(part.rows.count)
            return part, explain(served, values)
        lacking = values.count(None) if part.must_be_finite else 0
        self._measures.rows_of(*labels).inc(part.rows.count - lacking)
        if lacking:
            self._measures.errors.labels(*labels).inc(lacking)
        if part.logged:
            try:
                written = answered_lines(part, values, ended - part.arrived)
            except TypeError as error:  # A value that JSON has no form for.
                return part, explain(served, error)
            lines.setdefault(id(part.types), []).extend(written)
        return part, values


def explain(served: Served, error: Exception) -> Exception:
    """Say what *error* of a model means to the client."""
    if isinstance(error, ValueError | TypeError):
        message = f"version {served.version} cannot predict these rows: {str(error)[:400]}"
        return Refused(422, "model_refused", message)
    return Refused(500, "model_failed", f"version {served.version} failed: {type(error).__name__}: {error}")


def _settle(outcomes: list[Outcome]) -> None:
    """Give each part its answer."""
    for part, values in outcomes:
        if part.answer is None or part.answer.done():
            continue
        if isinstance(values, Exception):
            part.answer.set_exception(values)
        else:
            part.answer.set_result(values)
