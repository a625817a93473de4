"""A checked request, and the jobs that it is cut into: rows for one version to predict."""

import asyncio
import threading
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from regrow.base.errors import InvalidRequest
from regrow.data.predictions import CHAMPION, SHADOW
from regrow.decisions.hold_back import is_held_back
from regrow.decisions.rollout.assignment import is_challengers, is_mirrored
from regrow.models.contract import Rows
from regrow.serving.log.lines import Attribution
from regrow.serving.predict.versions import ServedVersion, TrafficSplit


@dataclass(eq=False, slots=True)
class Job:
    """Rows of one request for one version to predict."""

    served: ServedVersion | None
    """None for the shadow of a challenger that cannot be loaded: its rows are logged as failed."""
    attribution: Attribution
    places: Sequence[int]
    """The numbers of the rows in their request."""
    rows: Rows
    """The rows as the champion's signature checked them; this is how they are logged."""
    fitted: Rows
    """The rows as *served* takes them."""
    types: dict[str, str]
    """The columns of *rows* with their types."""
    identifiers: list[str]
    """The rows' prediction ids; of a shadow the ids of the rows that the client got."""
    arrived: float
    """When the request arrived, by `time.perf_counter`."""
    logged: bool = True
    held: Sequence[bool] | None = None
    """Which rows' predictions are held back; None if no share is."""
    must_be_finite: bool = False
    """Whether a row without a finite prediction is left to the champion."""
    answer: "asyncio.Future[list[Any]] | None" = None
    """A value for each row; None for a row that is left to the champion."""
    claim: threading.Lock = field(default_factory=threading.Lock)
    """Taken by whoever ends the job, the thread that predicted it or the clock, so that no row is logged twice."""


@dataclass(frozen=True, slots=True)
class CheckedRequest:
    """The rows of one request, checked against the champion's signature, and the split that holds for them."""

    split: TrafficSplit
    rows: Rows
    arrived: float
    identifiers: list[str]
    logged: bool = True
    held: list[bool] | None = None
    """Which rows' predictions are held back; None if no share is."""

    def challenged_rows(self) -> list[int]:
        """List the rows whose entity is assigned to the challenger."""
        split = self.split
        if split.rollout is None or split.weight <= 0:
            return []
        keys = entities_of(self.rows, self.identifiers)
        return [row for row, key in enumerate(keys) if is_challengers(split.rollout, key, split.weight)]

    def job(
        self,
        served: ServedVersion,
        role: str,
        places: Sequence[int] | None = None,
        fallback: str | None = None,
    ) -> Job:
        """Make the job of *served* for the rows at *places* (default: all).

        Raises `InvalidRequest` if the rows do not fit *served*.
        """
        split, contract = self.split, self.split.champion.contract
        rows, identifiers, places = self._take(places)
        return Job(
            served,
            Attribution(served.version, role, split.rollout, split.stage, fallback, self._name),
            places,
            rows,
            served.contract.refit(rows, contract),
            contract.types,
            identifiers,
            self.arrived,
            self.logged,
            None if self.held is None else [self.held[place] for place in places],
        )

    def job_outside_rollout(self, served: ServedVersion, role: str) -> Job:
        """Make the job of *served* for all rows, which were checked for it, as if there were no rollout."""
        return replace(self, split=TrafficSplit(served)).job(served, role)

    def shadow_jobs(self, challenged: Collection[int] = (), fallen: Collection[int] = ()) -> tuple[Job, ...]:
        """Make the jobs in which the other version scores the mirrored rows unseen by the client.

        The challenger answered the rows *challenged*, so the champion scores them; the champion answered all others,
        so the challenger scores them, but for the rows *fallen*, on which it has failed already.
        """
        split = self.split
        if split.rollout is None or split.mirror <= 0 or not self.logged:
            return ()
        keys = entities_of(self.rows, self.identifiers)
        mirrored = [row for row, key in enumerate(keys) if is_mirrored(split.rollout, key, split.mirror)]
        ours = [row for row in mirrored if row not in challenged and row not in fallen]
        theirs = [row for row in mirrored if row in challenged]
        jobs = [self._shadow(split.challenger, split.contender or 0, ours)] if ours else []
        if theirs:
            jobs.append(self._shadow(split.champion, split.champion.version, theirs))
        return tuple(jobs)

    def _shadow(self, served: ServedVersion | None, version: int, places: Sequence[int]) -> Job:
        """Make the shadow job for *places*; rows that do not fit *served* are logged as failed, as without it."""
        split, contract = self.split, self.split.champion.contract
        rows, identifiers, places = self._take(places)
        fitted = rows
        if served is not None:
            try:
                fitted = served.contract.refit(rows, contract)
            except InvalidRequest:
                served = None
        attribution = Attribution(version, SHADOW, split.rollout, split.stage, request=self._name)
        return Job(
            served, attribution, places, rows, fitted, contract.types, identifiers, self.arrived, self.logged
        )

    @property
    def _name(self) -> str | None:
        """The request, as the log names it: by its first row's prediction if it has several."""
        return self.identifiers[0] if self.rows.count > 1 else None

    def _take(self, places: Sequence[int] | None) -> tuple[Rows, list[str], Sequence[int]]:
        """Return the rows at *places* (default: all), their identifiers, and the places."""
        if places is None or len(places) == self.rows.count:
            return self.rows, self.identifiers, range(self.rows.count)
        return self.rows.take(places), [self.identifiers[row] for row in places], places


def entities_of(rows: Rows, identifiers: Sequence[str]) -> list[str]:
    """Return the entity of each of *rows*, or its own identifier if it names none."""
    return [
        identifier if entity is None else entity
        for entity, identifier in zip(rows.entities, identifiers, strict=True)
    ]


def hold_back(champion: ServedVersion, rows: Rows, identifiers: Sequence[str]) -> list[bool] | None:
    """Return which of *rows* are held back, by the share of the *champion*, whoever answers; None if that is 0."""
    facts = champion.model.facts
    if not facts.hold_back:
        return None
    keys = entities_of(rows, identifiers)
    return [is_held_back(facts.project, key, facts.hold_back) for key in keys]


@dataclass(frozen=True, slots=True)
class AnsweredJob:
    """A job with a value for each of its rows; None for a row that is left to the champion."""

    job: Job
    values: list[Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """What the client is told: a value, an identifier and a version for each row."""

    values: list[Any]
    identifiers: list[str]
    versions: list[int]
    shadows: tuple[Job, ...] = ()
    """What is to be scored once the client has its answer."""


def collect(request: CheckedRequest, answered: Sequence[AnsweredJob]) -> Answer:
    """Put the values of the *answered* jobs, which cover every row of *request*, into the order of the rows."""
    values: list[Any] = [None] * request.rows.count
    versions = [0] * request.rows.count
    challenged, fallen = set[int](), set[int]()
    for each in answered:
        attribution = each.job.attribution
        if attribution.fallback is not None:
            fallen.update(each.job.places)
        for place, value in zip(each.job.places, each.values, strict=True):
            if value is None:
                continue
            values[place], versions[place] = value, attribution.version
            if attribution.role != CHAMPION:
                challenged.add(place)
    return Answer(values, request.identifiers, versions, request.shadow_jobs(challenged, fallen))
