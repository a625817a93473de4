"""Greedy micro-batching: take what waits, predict it at once in a worker thread, log it, answer."""

import asyncio
import os
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import orjson
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from regrow.errors import StateError
from regrow.serving.champions import Served
from regrow.serving.contract import Rows
from regrow.serving.journal import Journal
from regrow.serving.measures import Measures
from regrow.serving.refusals import Refused, Unavailable

BATCH_ROWS = 4096
QUEUE_REQUESTS = 2048


@dataclass(frozen=True)
class Answer:
    """The predictions of one request, by one version."""

    version: int
    predictions: NDArray[np.float64]
    identifiers: list[str]


@dataclass(frozen=True)
class Waiting:
    """A request in the queue, with the version that its rows were checked for."""

    served: Served
    rows: Rows
    answer: "asyncio.Future[Answer]"


class Batcher:
    """The queue and the worker of one model."""

    def __init__(self, model: str, journal: Journal, measures: Measures) -> None:
        self._model = model
        self._journal = journal
        self._measures = measures
        self._queue: deque[Waiting] = deque()
        self._filled = asyncio.Event()
        self._pool = ThreadPoolExecutor(1, f"predict-{model}", initializer=_one_thread)
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def predict(self, served: Served, rows: Rows) -> Answer:
        """Predict *rows* by *served*; returns once they are in the journal.

        Raises `Refused` where the model cannot take the rows, `Unavailable` where queue or disk is full.
        """
        if len(self._queue) >= QUEUE_REQUESTS:
            raise Unavailable(
                "overloaded", f"{self._model}: {QUEUE_REQUESTS} requests wait already; send fewer"
            )
        waiting = Waiting(served, rows, asyncio.get_running_loop().create_future())
        self._queue.append(waiting)
        self._filled.set()
        return await waiting.answer

    async def close(self) -> None:
        """Answer what waits, then stop."""
        while self._queue:
            await asyncio.sleep(0.01)
        self._task.cancel()
        await asyncio.wait([self._task])
        self._pool.shutdown()

    async def _run(self) -> None:
        """Predict batch after batch."""
        while True:
            while not self._queue:
                self._filled.clear()
                await self._filled.wait()
            await asyncio.shield(self._work(self._take()))

    def _take(self) -> list[Waiting]:
        """Take the requests at the head of the queue that one version answers, up to the size of a batch."""
        batch = [self._queue.popleft()]
        rows = batch[0].rows.count
        while self._queue and self._queue[0].served is batch[0].served:
            rows += self._queue[0].rows.count
            if rows > BATCH_ROWS:
                break
            batch.append(self._queue.popleft())
        self._measures.batch_requests.labels(self._model).observe(len(batch))
        return batch

    async def _work(self, batch: list[Waiting]) -> None:
        """Answer *batch*; where it fails, each request alone, so that one cannot spoil another."""
        served, requests = batch[0].served, [waiting.rows for waiting in batch]
        loop = asyncio.get_running_loop()
        future = loop.run_in_executor(self._pool, predict_and_log, served, requests, self._journal)
        await asyncio.wait([future])
        error = future.exception()
        if error is None:
            for waiting, answer in zip(batch, future.result(), strict=True):
                if not waiting.answer.done():
                    waiting.answer.set_result(answer)
        elif len(batch) > 1 and not isinstance(error, StateError):
            for waiting in batch:
                await self._work([waiting])
        else:
            for waiting in batch:
                if not waiting.answer.done():
                    waiting.answer.set_exception(_explain(served, error))


def predict_and_log(served: Served, requests: list[Rows], journal: Journal) -> list[Answer]:
    """Predict the rows of *requests* together, write them to *journal*, and give each request its part."""
    predictions = served.model.predict(served.contract.frame(requests))
    count = sum(rows.count for rows in requests)
    if len(predictions) != count:
        raise ValueError(f"the model gave {len(predictions)} predictions for {count} rows")
    identifiers = new_identifiers(count)
    moment = time.time_ns() // 1000
    lines, answers, start = [], [], 0
    for rows in requests:
        part = slice(start, start + rows.count)
        answers.append(Answer(served.version, predictions[part], identifiers[part]))
        lines += _lines(served.version, moment, rows, answers[-1])
        start += rows.count
    journal.append(served.contract.types, lines)
    return answers


def new_identifiers(count: int) -> list[str]:
    """Make *count* identifiers as UUIDs of version 7 (RFC 9562, section 5.7), which sort by time."""
    stamp = f"{time.time_ns() // 1_000_000:012x}7"
    noise = os.urandom(10 * count).hex()
    return [f"{stamp}{noise[at : at + 3]}b{noise[at + 3 : at + 18]}" for at in range(0, 20 * count, 20)]


def _lines(version: int, moment: int, rows: Rows, answer: Answer) -> list[bytes]:
    """Write each row of *rows* as a line of the journal."""
    given = zip(*rows.features.values(), strict=True)
    predicted = answer.predictions.reshape(rows.count, -1).tolist()
    return [
        orjson.dumps({"i": i, "e": e, "t": t, "s": moment, "v": version, "f": f, "p": p})
        for i, e, t, f, p in zip(
            answer.identifiers, rows.entities, rows.events, given, predicted, strict=True
        )
    ]


def _explain(served: Served, error: BaseException) -> Exception:
    """Say what *error* of the worker means to the client."""
    if isinstance(error, StateError):
        return Unavailable("journal_unavailable", str(error))
    if isinstance(error, ValueError | TypeError):
        message = f"version {served.version} cannot predict these rows: {str(error)[:400]}"
        return Refused(422, "model_refused", message)
    return Refused(500, "model_failed", f"version {served.version} failed: {type(error).__name__}: {error}")


def _one_thread() -> None:
    """Keep native libraries to one thread: more only make one row wait (see docs/benchmarks.md)."""
    threadpool_limits(1)
