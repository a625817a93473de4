"""What the client never sees: the other version's predictions of rows that have been answered."""

import threading
import time
from collections import deque
from typing import Any

from threadpoolctl import threadpool_limits

from regrow.data.predictions import SHADOW
from regrow.errors import StateError
from regrow.serving.journal import Journal
from regrow.serving.measures import Measures
from regrow.serving.parts import RAISED, TIMEOUT, Part, group, solve
from regrow.serving.record import shadow_lines
from regrow.serving.routes import Served

QUEUE_ROWS = 4096
BATCH_ROWS = 256
REST = 9.0
"""A pause lasts this many times what the batch before took, while requests come: a tenth of one core at most."""
IDLE_SECONDS = 0.05
"""Without a request for so long nobody is in the way."""


class Shadow(threading.Thread):
    """The thread that scores in shadow for one model, in the time that live work leaves."""

    def __init__(self, model: str, journal: Journal, measures: Measures, timeout: float) -> None:
        super().__init__(name=f"shadow-{model}", daemon=True)
        self._model = model
        self._journal = journal
        self._measures = measures
        self._timeout = timeout
        self._waiting: deque[Part] = deque()
        self._rows = 0
        self._guard = threading.Lock()
        self._filled = threading.Event()
        self._stopped = threading.Event()
        self._asked = time.monotonic()
        self.error: str | None = None
        self.start()

    def offer(self, parts: tuple[Part, ...]) -> None:
        """Take *parts* to be scored later; where too many rows wait they are dropped, and counted."""
        self._asked = time.monotonic()
        for part in parts:
            with self._guard:
                taken = self._rows + part.rows.count <= QUEUE_ROWS or not self._waiting
                if taken:
                    self._rows += part.rows.count
                    self._waiting.append(part)
            if not taken:
                self._drop(part)
        self._filled.set()

    def touch(self) -> None:
        """Note that a request came."""
        self._asked = time.monotonic()

    def stop(self) -> None:
        """Stop after the batch under way; what waits is dropped, and counted."""
        self._stopped.set()
        self._filled.set()
        while (part := self._next()) is not None:
            self._drop(part)

    def run(self) -> None:
        """Score batch after batch, with a rest after each."""
        threadpool_limits(1)
        left: Part | None = None
        while not self._stopped.is_set():
            first = left or self._next()
            left = None
            if first is None:
                self._filled.wait()
                self._filled.clear()
                continue
            parts, left = group(first, self._next, BATCH_ROWS)
            self._rest(REST * self._score(first.served, parts))
        if left is not None:
            self._drop(left)

    def _next(self) -> Part | None:
        """Take the part that waits longest."""
        with self._guard:
            if not self._waiting:
                return None
            part = self._waiting.popleft()
            self._rows -= part.rows.count
            return part

    def _drop(self, part: Part) -> None:
        """Count that *part* is not scored."""
        self._measures.shadow_dropped.labels(self._model, str(part.version)).inc(part.rows.count)

    def _score(self, served: Served | None, parts: list[Part]) -> float:
        """Predict and log *parts*; gives the seconds that it took."""
        began = time.perf_counter()
        failed: list[tuple[Part, list[Any] | Exception]] = [(p, []) for p in parts]
        solved = solve(served, parts) if served is not None else failed
        seconds = time.perf_counter() - began
        version = self._model, str(parts[0].version), SHADOW
        self._measures.prediction_of(*version).observe(seconds)
        self._measures.batch_requests_of(*version).observe(len(parts))
        lines: list[bytes] = []
        for part, values in solved:
            labels = self._model, str(part.version), SHADOW
            self._measures.rows_of(*labels).inc(part.rows.count)
            if served is None or isinstance(values, Exception) or seconds > self._timeout:
                self._measures.errors.labels(*labels).inc(part.rows.count)
                part.fallback = TIMEOUT if seconds > self._timeout else RAISED
                lines += shadow_lines(part, [None] * part.rows.count, seconds)
            else:
                lines += shadow_lines(part, values, seconds)
        try:
            self._journal.append(parts[0].types, lines)
        except StateError as error:
            self.error = str(error)
            for part in parts:
                self._drop(part)
        else:
            self.error = None
        return seconds

    def _rest(self, seconds: float) -> None:
        """Wait *seconds*, or until no request has come for a moment."""
        until = time.monotonic() + seconds
        while (now := time.monotonic()) < until and now - self._asked < IDLE_SECONDS:
            if self._stopped.wait(min(until - now, IDLE_SECONDS)):
                return
