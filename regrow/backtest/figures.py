"""What the policies reached on the rows of the past, and by how much they differ, by unit."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from regrow.backtest.answers import Answers
from regrow.backtest.history import History
from regrow.backtest.judging import unanswered
from regrow.backtest.policies import Policy
from regrow.backtest.replay import Span, Story
from regrow.base.errors import DataError
from regrow.decisions.estimates import LEAST_EVEN, Estimate, even_units, variance_of
from regrow.decisions.influence import CLOSED_FORM, GROUPS, pulls
from regrow.decisions.units import LENGTHS, Units, number
from regrow.models.comparison import align_classes
from regrow.models.metrics import Floats, Label, as_judged, encode, sign
from regrow.models.predictions import fit_to
from regrow.project import Metric
from regrow.project.monitoring import LEAST_UNITS

Read = Callable[[str], Answers]
ORACLE = "oracle"


@dataclass(frozen=True)
class Reached:
    """What one policy reached."""

    name: str
    policy: Policy | None
    """None: the oracle, which is no policy."""
    figure: float
    """The primary metric: the mean over the spans of all starts and seeds."""
    by_span: tuple[tuple[Span, float], ...]
    """Of each span of the first start and seed."""
    pulled: Floats
    """How far each block of units pulls the figure."""
    trainings: float
    """After the first one; the mean over starts and seeds, as all that follows."""
    promotions: float
    alarms: float
    seconds: float
    """Processor time of fits, the first among them."""
    asked: float
    """Share of the starts in which it ended by asking a person."""
    problems: tuple[str, ...]


@dataclass(frozen=True)
class Difference:
    """By how much better one policy is than another, and whether that is more than chance."""

    name: str
    other: str
    gain: float
    """Above 0: better, whatever the metric's direction."""
    interval: tuple[float, float] | None
    """Of 95 %; None if there are too few blocks of units to tell."""
    lower: float | None
    """The one-sided bound of 95 % above which the gain lies."""

    @property
    def told(self) -> bool:
        """Whether the two can be told apart."""
        return self.interval is not None and not self.interval[0] <= 0 <= self.interval[1]

    @property
    def words(self) -> str:
        """The difference as a table shows it."""
        if self.interval is None:
            return f"{self.gain:+.4f}, too few units to tell"
        low, high = self.interval
        return f"{self.gain:+.4f} ({low:+.4f} to {high:+.4f}){'' if self.told else ', not distinguishable'}"


@dataclass(frozen=True)
class Scale:
    """The rows that all policies are measured on, and how they are joined to blocks."""

    history: History
    metric: Metric
    every: timedelta
    classes: tuple[Label, ...]

    def blocks(self, rows: NDArray[np.bool_]) -> Units:
        """Return the blocks that all units of *rows* are joined to: as long as a span between two looks at least.

        What a model is worth holds for as long as it serves, so days of one span are alike.
        """
        units = self.history.units
        if not units.ordered or not rows.any():
            return units
        first, last = (int(units.codes[rows].min()), int(units.codes[rows].max()))
        length = LENGTHS[units.unit] / 1_000_000
        span = max(1, round(self.every.total_seconds() / length))
        joined = max(span, round((last - first + 1) ** (1 / 3)))
        count = max(1, round((last - first + 1) / joined))
        return Units(np.clip((units.codes - first) * count // (last - first + 1), 0, count - 1), units.unit)


def measure_all(stories: Sequence[Story], read: Read, scale: Scale) -> list[Reached]:
    """Return what each policy reached, in the order of *stories*, and last what an oracle would have.

    The oracle takes for each span the model that is best on it, of those that any policy had by then. A span whose rows
    leave the metric undefined counts for nobody.
    """
    names = list(dict.fromkeys(story.policy.name for story in stories))
    rows, figures = _spans(stories, read, scale, names)
    if not figures[names[0]]:
        raise DataError(
            f"{scale.metric} is defined on none of the spans between two looks: take a longer --every"
        )
    blocks = scale.blocks(rows)
    return [_sum(name, stories, figures[name], blocks, read, scale) for name in (*names, ORACLE)]


@dataclass(frozen=True)
class _Measured:
    """One policy in one span."""

    span: Span
    first: bool
    """Whether it is of the first start and seed."""
    figure: float
    pulled: Floats
    """By unit of the span."""
    units: NDArray[np.int64]
    """Where each unit of the span stands among all units."""
    shares: Floats


def _spans(
    stories: Sequence[Story], read: Read, scale: Scale, names: Sequence[str]
) -> tuple[NDArray[np.bool_], dict[str, list[_Measured]]]:
    """Measure each policy and the oracle in each span; return also which rows were measured on."""
    used = np.zeros(len(scale.history.rows), dtype=np.bool_)
    found: dict[str, list[_Measured]] = {name: [] for name in (*names, ORACLE)}
    groups: dict[tuple[int, int], list[Story]] = {}
    for story in stories:
        groups.setdefault((story.seed, story.offset), []).append(story)
    for place, together in enumerate(groups.values()):
        had: list[str] = [story.first for story in together]
        for index in range(len(together[0].spans)):
            keys = [story.spans[index].key for story in together]
            had = list(dict.fromkeys([*had, *keys, *_trained_by(together, read, together[0].spans[index])]))
            measured = _measure(together[0].spans[index], had, read, scale, place == 0)
            if measured is None:
                continue
            rows, by_key = measured
            used[rows] = True
            for story, key in zip(together, keys, strict=True):
                found[story.policy.name].append(by_key[key])
            best = max(by_key.values(), key=lambda each: sign(scale.metric) * each.figure)
            found[ORACLE].append(best)
    return used, found


def _trained_by(stories: Sequence[Story], read: Read, span: Span) -> list[str]:
    """Return the trainings that there were when *span* began, which came to something."""
    keys = {key for story in stories for key in story.trained}
    return sorted(key for key in keys if read(key).as_of <= span.start and not read(key).facts.problem)


def _measure(
    span: Span, keys: Sequence[str], read: Read, scale: Scale, first: bool
) -> tuple[NDArray[np.int64], dict[str, _Measured]] | None:
    """Measure the models *keys* on the rows of *span* that each of them answers; None if the metric is undefined."""
    history, target = scale.history, scale.history.project.data.target
    rows = np.flatnonzero(history.between(span.start, span.end))
    told = history.rows[target].iloc[rows]
    facts = replace(read(keys[0]).facts, classes=scale.classes)
    usable = told.notna().to_numpy(np.bool_) & fit_to(told, facts)
    for key in keys:
        usable = usable & ~unanswered(read(key).served[rows])
    rows = rows[usable]
    if not len(rows):
        return None
    told = history.rows[target].iloc[rows]
    truth = encode(told, scale.classes) if scale.classes else told.to_numpy(np.float64)
    codes = number(history.units.codes[rows])
    where = np.unique(history.units.codes[rows]).astype(np.int64)
    if scale.metric not in CLOSED_FORM and len(where) > GROUPS:
        codes = codes * GROUPS // len(where)
        where = where[np.ceil(np.arange(GROUPS) * len(where) / GROUPS).astype(np.int64)]
    shares = np.bincount(codes) / len(codes)
    made: dict[str, _Measured] = {}
    for key in keys:
        answers = read(key)
        predicted = answers.served[rows]
        if answers.facts.classes:
            predicted = align_classes(predicted, answers.facts.classes, scale.classes)
        seen = as_judged(scale.metric, predicted, answers.facts.threshold)
        try:
            figure, pulled = pulls(scale.metric, truth, seen, len(scale.classes), codes)
        except DataError:
            return None
        if not np.isfinite(figure):
            return None
        made[key] = _Measured(span, first, figure, pulled, where, shares)
    return rows.astype(np.int64), made


def _sum(
    name: str, stories: Sequence[Story], found: Sequence[_Measured], blocks: Units, read: Read, scale: Scale
) -> Reached:
    """Join what policy *name* reached in all spans."""
    own = [story for story in stories if story.policy.name == name]
    figure = float(np.mean([each.figure for each in found]))
    of_unit = np.zeros(scale.history.units.count, dtype=np.int64)
    of_unit[scale.history.units.codes] = blocks.codes
    pulled = np.zeros(blocks.count)
    for each in found:  # A unit pulls the figure of its span, and the span that of all.
        influence = each.pulled + each.shares * (each.figure - figure)
        np.add.at(pulled, of_unit[each.units], influence / len(found))
    count = max(len(own), 1)
    spent = [sum(read(key).facts.seconds for key in {story.first, *story.trained}) for story in own]
    return Reached(
        name=name,
        policy=own[0].policy if own else None,
        figure=figure,
        by_span=tuple((each.span, each.figure) for each in found if each.first),
        pulled=pulled,
        trainings=sum(len(story.trained) for story in own) / count,
        promotions=sum(len(story.promoted) for story in own) / count,
        alarms=sum(len(story.alarms) for story in own) / count,
        seconds=sum(spent) / count,
        asked=sum(story.asked is not None for story in own) / count,
        problems=tuple(problem for story in own for problem in story.problems),
    )


def compare(one: Reached, other: Reached, scale: Scale) -> Difference:
    """Return by how much *one* is better than *other*, with its interval over blocks of units."""
    gain = sign(scale.metric) * (one.figure - other.figure)
    pulled = one.pulled - other.pulled
    there = (one.pulled != 0) | (other.pulled != 0)
    blocks = Units(number(np.flatnonzero(there)), scale.history.units.unit)
    if scale.history.units.count < LEAST_UNITS or even_units(blocks) < LEAST_EVEN:
        return Difference(one.name, other.name, gain, None, None)
    error = float(np.sqrt(variance_of(pulled[there])))
    found = Estimate(gain, error, blocks.count - 1, 0, blocks, 0.0)
    radius = found.radius(0.975)
    return Difference(one.name, other.name, gain, (gain - radius, gain + radius), gain - found.radius(0.95))


def classes_of(stories: Sequence[Story], read: Read) -> tuple[Label, ...]:
    """Return the classes that any model of *stories* knows, in the order in which models have them."""
    keys = {key for story in stories for key in (story.first, *story.trained)}
    lists = sorted({read(key).facts.classes for key in keys}, key=len, reverse=True)
    longest = lists[0]
    more = sorted({name for each in lists for name in each} - set(longest), key=str)
    return (*longest, *more)
