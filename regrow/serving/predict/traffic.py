"""A model's traffic: each row goes to the version that its entity is assigned to, and to the champion if that fails."""

import asyncio
from typing import Any

from regrow.base.errors import InvalidRequest, ModelFailed, Unavailable
from regrow.data.predictions import CHALLENGER, CHAMPION
from regrow.serving.log.journal import Journal
from regrow.serving.log.lines import NOT_FINITE, RAISED, TIMEOUT
from regrow.serving.metrics import ServerMetrics
from regrow.serving.predict.batching import PredictionThread
from regrow.serving.predict.jobs import Answer, AnsweredJob, CheckedRequest, Job, collect
from regrow.serving.predict.shadow import ShadowThread
from regrow.serving.predict.versions import ServedVersion

STOP_SECONDS = 30.0
"""How long the champion's thread may take to answer what waits when the server stops."""


class Late(Unavailable):
    """A version did not answer in time."""


class Traffic:
    """The threads of one model, and the rules by which rows reach them."""

    def __init__(self, model: str, journal: Journal, metrics: ServerMetrics, timeout: float) -> None:
        self._model = model
        self._metrics = metrics
        self._timeout = timeout
        self._loop = asyncio.get_running_loop()
        self._champion = PredictionThread(model, CHAMPION, journal, metrics)
        self._challenger = PredictionThread(model, CHALLENGER, journal, metrics)
        self.shadow = ShadowThread(model, journal, metrics, timeout)

    async def answer(self, request: CheckedRequest) -> Answer:
        """Answer each row by the version that its entity is assigned to.

        Raises `InvalidRequest` if the champion cannot take the rows, `ModelFailed` if it fails otherwise,
        `Overloaded` if too many requests wait, `Unavailable` if the disk is full.
        """
        self._champion.require_room()
        challenged = request.challenged_rows()
        if challenged:
            return await self._answer_by_both(request, challenged)
        champion = request.split.champion
        values = await self._champion.put(request.job(champion, CHAMPION))
        versions = [champion.version] * request.rows.count
        return Answer(values, request.identifiers, versions, request.shadow_jobs())

    async def answer_by(self, request: CheckedRequest, served: ServedVersion) -> Answer:
        """Answer every row, checked for *served*, by it, outside of any rollout; if it fails the client is told."""
        self._champion.require_room()
        role = CHALLENGER if served is request.split.challenger else CHAMPION
        job = request.job_outside_rollout(served, role)
        ischampion = served is request.split.champion
        values = await (self._champion.put(job) if ischampion else self._within_time(job))
        return Answer(values, request.identifiers, [served.version] * request.rows.count)

    async def close(self) -> None:
        """Answer what waits, then stop; shadows that wait are dropped."""
        self.shadow.stop()
        await self._champion.close(STOP_SECONDS)
        await self._challenger.close(self._timeout)
        await asyncio.to_thread(self.shadow.join, self._timeout)

    def problems(self) -> list[str]:
        """List which of the threads have ended, or do not come back from a batch."""
        threads = (self._champion, self._challenger, self.shadow)
        found = [
            f"the thread {thread.name} has ended; restart the server"
            for thread in threads
            if not thread.is_alive()
        ]
        if late := self._challenger.late_seconds(self._timeout):
            found.append(f"{self._model}: the challenger has not come back from a batch for {late:.0f} s")
        return found + ([self.shadow.error] if self.shadow.error else [])

    async def _answer_by_both(self, request: CheckedRequest, challenged: list[int]) -> Answer:
        """Answer the rows *challenged* by the challenger, and the others and those that it fails on by the champion."""
        split, others = request.split, sorted(set(range(request.rows.count)) - set(challenged))
        jobs = [request.job(split.champion, CHAMPION, others)] if others else []
        waiting = [self._champion.put(job) for job in jobs]
        answered, fallen = await self._challenge(request, challenged)
        for reason, rows in fallen.items():
            self._metrics.fallbacks.labels(self._model, str(split.contender), reason).inc(len(rows))
            jobs.append(request.job(split.champion, CHAMPION, rows, reason))
            waiting.append(self._champion.put(jobs[-1]))
        values = await asyncio.gather(*waiting)
        return collect(request, [*answered, *map(AnsweredJob, jobs, values)])

    async def _challenge(
        self, request: CheckedRequest, rows: list[int]
    ) -> tuple[list[AnsweredJob], dict[str, list[int]]]:
        """Let the challenger answer *rows*; return its answer, if any, and the rows left to the champion by reason."""
        challenger = request.split.challenger
        if challenger is None:
            return [], {RAISED: rows}
        try:
            job = request.job(challenger, CHALLENGER, rows)
            job.must_be_finite = True
            values = await self._within_time(job)
        except Late:
            return [], {TIMEOUT: rows}
        except (InvalidRequest, ModelFailed):
            return [], {RAISED: rows}
        lacking = [row for row, value in zip(rows, values, strict=True) if value is None]
        return [AnsweredJob(job, values)], {NOT_FINITE: lacking} if lacking else {}

    async def _within_time(self, job: Job) -> list[Any]:
        """Let the challenger's thread answer *job*; raises `Late`, at once if it has not come back for long."""
        thread, version = self._challenger, job.attribution.version
        if thread.late_seconds(self._timeout) or thread.is_full:
            raise Late("version_late", f"version {version} does not answer in time; try again later")
        answer = thread.put(job)
        timer = self._loop.call_later(self._timeout, _expire, job, thread)
        try:
            return await answer
        finally:
            timer.cancel()


def _expire(job: Job, thread: PredictionThread) -> None:
    """End *job*, unless *thread* has done so."""
    if job.answer is not None and job.claim.acquire(blocking=False) and not job.answer.done():
        thread.mark_late()
        message = f"version {job.attribution.version} did not answer in time"
        job.answer.set_exception(Late("version_late", message))
