"""A model's traffic: each row to the version that its entity is given, back to the champion where that fails."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from regrow.data.predictions import CHALLENGER, CHAMPION, SHADOW
from regrow.decisions.rollout.assignment import is_challengers, is_mirrored
from regrow.errors import InvalidRequest
from regrow.models.contract import Rows
from regrow.serving.batching import QUEUE_REQUESTS, Lane
from regrow.serving.journal import Journal
from regrow.serving.measures import Measures
from regrow.serving.parts import NOT_FINITE, RAISED, TIMEOUT, Part
from regrow.serving.refusals import Refused, Unavailable
from regrow.serving.routes import Route, Served
from regrow.serving.shadow import Shadow


class Late(Unavailable):
    """A version did not answer in time."""


@dataclass(frozen=True, slots=True)
class Ask:
    """The checked rows of one request."""

    route: Route
    rows: Rows
    arrived: float
    identifiers: list[str]
    logged: bool = True


@dataclass(frozen=True, slots=True)
class Answer:
    """What the client is told: a value, an identifier and a version for each row."""

    values: list[Any]
    identifiers: list[str]
    versions: list[int]
    shadows: tuple[Part, ...] = ()
    """What is to be scored once the client has its answer."""


class Traffic:
    """The threads of one model, and the rules by which rows reach them."""

    def __init__(self, model: str, journal: Journal, measures: Measures, timeout: float) -> None:
        self._model = model
        self._measures = measures
        self._timeout = timeout
        self._loop = asyncio.get_running_loop()
        self._champion = Lane(model, CHAMPION, journal, measures)
        self._challenger = Lane(model, CHALLENGER, journal, measures)
        self.shadow = Shadow(model, journal, measures, timeout)

    async def answer(self, ask: Ask) -> Answer:
        """Answer each row by the version that its entity is given.

        Raises `Refused` where the champion cannot take the rows or too many requests wait, `Unavailable` where
        the disk is full.
        """
        self._require_room()
        route, count = ask.route, ask.rows.count
        theirs = _rows_of_challenger(ask)
        if not theirs:
            values = await self._champion.put(_part(ask, route.champion, CHAMPION))
            return Answer(values, ask.identifiers, [route.champion.version] * count, _shadows(ask, {}))
        ours = sorted(set(range(count)) - set(theirs))
        asked = [self._champion.put(_part(ask, route.champion, CHAMPION, ours))] if ours else []
        values, versions = [None] * count, [route.champion.version] * count
        missed = await self._challenge(ask, theirs, values)
        for reason, rows in missed.items():
            asked.append(self._champion.put(_part(ask, route.champion, CHAMPION, rows, reason)))
            self._measures.fallbacks.labels(self._model, str(route.contender), reason).inc(len(rows))
        lists = [*([ours] if ours else []), *missed.values()]
        for rows, given in zip(lists, await asyncio.gather(*asked), strict=True):
            _place(values, rows, given)
        fallen = {row for rows in missed.values() for row in rows}
        answered = {row: CHALLENGER for row in theirs if row not in fallen}
        for row in answered:
            versions[row] = route.contender or 0
        return Answer(
            values, ask.identifiers, versions, _shadows(ask, answered | dict.fromkeys(fallen, None))
        )

    async def answer_by(self, ask: Ask, served: Served) -> Answer:
        """Answer every row, checked for *served*, by it, outside of any rollout; its failure is the client's."""
        self._require_room()
        role = CHALLENGER if served is ask.route.challenger else CHAMPION
        part = _part(replace(ask, route=Route(served)), served, role)
        isours = served is ask.route.champion
        values = await (self._champion.put(part) if isours else self._within_time(part))
        return Answer(values, ask.identifiers, [served.version] * ask.rows.count)

    async def close(self) -> None:
        """Answer what waits, then stop; shadows that wait are dropped."""
        self.shadow.stop()
        await self._champion.close(30.0)
        await self._challenger.close(self._timeout)

    def problems(self) -> list[str]:
        """Say which of the threads has ended, or does not come back from a batch."""
        threads = (self._champion, self._challenger, self.shadow)
        said = [
            f"the thread {thread.name} has ended; restart the server"
            for thread in threads
            if not thread.is_alive()
        ]
        if late := self._challenger.late_seconds(self._timeout):
            said.append(f"{self._model}: the challenger has not come back from a batch for {late:.0f} s")
        return said + ([self.shadow.error] if self.shadow.error else [])

    def _require_room(self) -> None:
        """Refuse more requests than may wait."""
        if self._champion.is_full:
            message = f"{self._model}: {QUEUE_REQUESTS} requests wait already; send fewer"
            raise Refused(429, "overloaded", message)

    async def _challenge(self, ask: Ask, rows: list[int], values: list[Any]) -> dict[str, list[int]]:
        """Let the challenger fill in the *values* of *rows*; gives those that are left to the champion, by reason."""
        challenger = ask.route.challenger
        if challenger is None:
            return {RAISED: rows}
        try:
            part = _part(ask, challenger, CHALLENGER, rows)
            part.must_be_finite = True
            given = await self._within_time(part)
        except Late:
            return {TIMEOUT: rows}
        except InvalidRequest:
            return {RAISED: rows}
        _place(values, rows, given)
        lacking = [row for row, value in zip(rows, given, strict=True) if value is None]
        return {NOT_FINITE: lacking} if lacking else {}

    async def _within_time(self, part: Part) -> list[Any]:
        """Let the challenger's thread answer *part*; raises `Late` at once where it has not come back for long."""
        lane = self._challenger
        if lane.late_seconds(self._timeout) or lane.is_full:
            raise Late("version_late", f"version {part.version} does not answer in time; try again later")
        answer = lane.put(part)
        timer = self._loop.call_later(self._timeout, _expire, part, lane)
        try:
            return await answer
        finally:
            timer.cancel()


def _expire(part: Part, lane: Lane) -> None:
    """End *part*, unless the thread of *lane* has done so."""
    if part.answer is not None and part.claim.acquire(blocking=False) and not part.answer.done():
        lane.mark_late()
        part.answer.set_exception(Late("version_late", f"version {part.version} did not answer in time"))


def _rows_of_challenger(ask: Ask) -> list[int]:
    """List the rows whose entity is given to the challenger."""
    route = ask.route
    if route.rollout is None or route.weight <= 0:
        return []
    return [row for row, key in enumerate(_keys(ask)) if is_challengers(route.rollout, key, route.weight)]


def _keys(ask: Ask) -> list[str]:
    """Name each row by its entity, or by its own identifier."""
    return [
        identifier if entity is None else entity
        for entity, identifier in zip(ask.rows.entities, ask.identifiers, strict=True)
    ]


def _part(
    ask: Ask, served: Served, role: str, rows: Sequence[int] | None = None, fallback: str | None = None
) -> Part:
    """Make the part of *ask* that *served* is to predict; raises `InvalidRequest` where the rows do not fit it."""
    route, contract = ask.route, ask.route.champion.contract
    taken = ask.rows if rows is None or len(rows) == ask.rows.count else ask.rows.take(rows)
    names = ask.identifiers if taken is ask.rows else [ask.identifiers[row] for row in rows or ()]
    return Part(
        served,
        served.version,
        role,
        taken,
        served.contract.refit(taken, contract),
        contract.types,
        names,
        ask.arrived,
        route.rollout,
        route.stage,
        fallback,
        ask.logged,
    )


def _place(values: list[Any], rows: Sequence[int], given: list[Any]) -> None:
    """Put what is *given* for *rows* where it belongs."""
    for row, value in zip(rows, given, strict=True):
        values[row] = value


def _shadows(ask: Ask, roles: dict[int, str | None]) -> tuple[Part, ...]:
    """Make the parts that the other version scores unseen; *roles* names who answered a row, default champion.

    A row that the challenger failed on has the role None, and no shadow.
    """
    route = ask.route
    if route.rollout is None or route.mirror <= 0 or not ask.logged:
        return ()
    mirrored = [
        row
        for row, key in enumerate(_keys(ask))
        if roles.get(row, CHAMPION) and is_mirrored(route.rollout, key, route.mirror)
    ]
    theirs = [row for row in mirrored if row in roles]
    ours = [row for row in mirrored if row not in roles]
    parts = [_shadow(ask, route.challenger, ours)] if ours else []
    return (*parts, _shadow(ask, route.champion, theirs)) if theirs else tuple(parts)


def _shadow(ask: Ask, served: Served | None, rows: list[int]) -> Part:
    """Make the shadow of *rows* by *served*; None or rows that do not fit it: logged as failed."""
    route = ask.route
    taken = ask.rows if len(rows) == ask.rows.count else ask.rows.take(rows)
    names = ask.identifiers if taken is ask.rows else [ask.identifiers[row] for row in rows]
    fitted = taken
    if served is not None:
        try:
            fitted = served.contract.refit(taken, route.champion.contract)
        except InvalidRequest:
            served = None
    version = route.contender or 0 if served is not route.champion else route.champion.version
    types = route.champion.contract.types
    return Part(served, version, SHADOW, taken, fitted, types, names, ask.arrived, route.rollout, route.stage)
