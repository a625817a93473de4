"""The parts behind the routes: what follows the registry, what predicts, and what writes the log."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

from regrow.base.errors import Unavailable
from regrow.base.settings import Settings
from regrow.serving.following.follower import Follower
from regrow.serving.http.admission import Limits
from regrow.serving.http.keys import Keys
from regrow.serving.http.responses import Refused
from regrow.serving.log.journals import Journals
from regrow.serving.metrics import ServerMetrics
from regrow.serving.predict.explanations import Explanations
from regrow.serving.predict.traffic import Traffic
from regrow.serving.predict.versions import ServedVersion, TrafficSplit
from regrow.serving.roster import Roster

Read = TypeVar("Read")
SMALL_BODY = 65_536
"""The largest body, in bytes, that is read at once: in some milliseconds, while all others wait."""


@dataclass
class Server:
    """The parts of one worker that answer requests."""

    settings: Settings
    follower: Follower
    journals: Journals
    metrics: ServerMetrics
    limits: Limits
    keys: Keys
    roster: Roster
    explanations: Explanations = field(default_factory=Explanations)
    _traffic: dict[str, Traffic] = field(default_factory=dict)
    _told_of: set[str] = field(default_factory=set)
    """The models of which rows were set aside since the start."""
    _reader: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "reader"))

    async def read(self, body: bytes, work: Callable[[], Read]) -> Read:
        """Do *work*, which reads *body*: a large one in a thread, one after the other, while others are answered."""
        if len(body) <= SMALL_BODY:
            return work()
        return await asyncio.get_running_loop().run_in_executor(self._reader, work)

    def traffic(self, model: str) -> Traffic:
        """Return the traffic of *model*, starting its threads at first use."""
        if model not in self._traffic:
            journal = self.journals.journal(model)
            timeout = self.settings.challenger_timeout
            self._traffic[model] = Traffic(model, journal, self.metrics, timeout)
        return self._traffic[model]

    def split(self, model: str) -> TrafficSplit:
        """Return what answers for *model* now; raises `Refused` or `Unavailable` if nothing does."""
        served = self.follower.models.get(model)
        if served is None:
            known = ", ".join(sorted(self.follower.models)) or "none yet"
            raise Refused(404, "unknown_model", f"model {model!r} is not served here; served: {known}")
        if served.split is None:
            reason = served.problem or self.follower.error or "its champion is being loaded"
            raise Unavailable("no_champion", f"model {model!r} does not answer yet: {reason}")
        return served.split

    def version(self, model: str, number: int) -> ServedVersion:
        """Return version *number* of *model*; raises `Refused` if it is not in memory."""
        split, served = self.split(model), self.follower.models.get(model)
        kept = tuple(served.versions.loaded.values()) if served else ()
        loaded = {each.version: each for each in (*kept, split.champion, split.challenger) if each}
        if number not in loaded:
            known = ", ".join(map(str, sorted(loaded)))
            message = f"version {number} of {model!r} is not in memory; loaded: {known}"
            raise Refused(404, "unknown_version", message)
        return loaded[number]

    def problems(self) -> list[str]:
        """List the threads that have ended or do not come back."""
        return [problem for traffic in tuple(self._traffic.values()) for problem in traffic.problems()]

    def observe(self) -> None:
        """Set the gauges that nothing else sets."""
        self.metrics.flushed.set(self.journals.rows)
        self.metrics.journal_bytes.set(self.journals.waiting_bytes())
        self.metrics.journal_failing.set(self.journals.error is not None)
        for model in self._told_of - self.journals.set_aside.keys():
            self.metrics.set_aside.labels(model).set(0)
        for model, found in self.journals.set_aside.items():
            self.metrics.set_aside.labels(model).set(found.rows)
        self._told_of |= self.journals.set_aside.keys()
        self.metrics.registry_age.set(self.follower.age())

    async def stop(self) -> None:
        """Answer what waits, then put every row into the prediction log."""
        self.follower.stop()
        for traffic in self._traffic.values():
            await traffic.close()
        self._reader.shutdown(wait=False)
        self.explanations.stop()
        self.journals.finish()
