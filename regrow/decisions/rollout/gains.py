"""How sure the difference of two models' metrics is on rows of their own: each row's pull on it, summed by entity."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.stats import norm
from scipy.stats import t as student

from regrow.base.errors import DataError
from regrow.decisions.estimates import Estimate, even_units, variance_of, what_is_missing
from regrow.decisions.influence import CLOSED_FORM, GROUPS, MEANS, Truth, join_to_groups, pulls
from regrow.decisions.rollout.evidence import Answers, complete
from regrow.decisions.rollout.sequential import standard_errors, standard_errors_until
from regrow.decisions.units import Units, number, single_rows
from regrow.models.metrics import Codes, Floats, Label, as_judged, encode, sign
from regrow.project import Metric

LEAST_ROWS = 100
LEAST_OF_CLASS = 50
"""Labels of each class before a metric that ranks or counts classes is judged: with fewer, an area under the ROC
curve is too skewed for its standard error (see docs/rollout-statistics.md)."""
LEAST_WEIGHT = 25
"""Rows that must carry the standard error before it is believed: below that a handful decides, and the sum of
their pulls is not yet normal."""

EARLY = 0.2
"""Part of an A/B comparison's error for the bound that is narrow on the way; the rest is for the one of its end."""


class Gain(NamedTuple):
    """By how much the challenger is better (positive, whatever the metric's direction), and how sure that is."""

    estimate: Estimate
    """Its rows are those of the side that has fewer."""
    weight: float
    """Rows, or entities, that carry the error: (Σψ²)² / Σψ⁴ of their pulls ψ, so few if a handful decides.
    Infinite if the two do not differ, or the groups of a jackknife hide it."""


class _Side(NamedTuple):
    """What one version's rows are judged by."""

    truth: Truth
    prediction: Floats


def unpaired_gain(
    metric: Metric, champion: Answers, challenger: Answers, classes: Sequence[Label]
) -> Gain | str:
    """Return the gain between two sets of rows drawn at random from one stream, or what is missing for it.

    A version is drawn for each entity, so rows of one entity are one observation; so are, on both sides together,
    those of one unit, such as a day on which one version fails and the other does not.
    """
    truths = [_truth(side, classes) for side in (champion, challenger)]
    for truth in truths:
        if missing := too_few(metric, truth, len(classes)):
            return missing
    units = units_of_both(champion, challenger)
    if missing := what_is_missing(metric, np.concatenate(truths).astype(np.float64), len(classes), units):
        return missing
    sides = [
        _Side(truth, as_judged(metric, complete(side.prediction, truth, len(classes)), side.threshold))
        for side, truth in zip((champion, challenger), truths, strict=True)
    ]
    try:
        return _measure(metric, sides, len(classes), _entities_of_both(champion, challenger), units)
    except DataError as error:
        return f"without a part of the rows: {error}"


def _measure(
    metric: Metric, sides: Sequence[_Side], classes: int, entities: Codes | None, units: Units
) -> Gain:
    """Return the gain, whose variance is that by entity and that by unit, less what both count.

    That is the rows of one entity within one unit (Cameron, Gelbach and Miller 2011, "Robust inference with multiway
    clustering"). It is never less than the variance by entity, which is that of the assignment itself.
    """
    rows, blocks = _row_codes(sides), units.blocks()
    entities = rows if entities is None else entities

    def spread(codes: Codes) -> tuple[float, Floats]:
        return _pulled(metric, sides, classes, codes)

    rise, by_entity = spread(entities)
    variance = variance_of(by_entity)
    alone = variance if entities is rows else variance_of(spread(rows)[1])
    if units.unit not in {"entity", "row"}:
        both = number(entities * blocks.count + blocks.codes)
        twice = variance if both.max() == entities.max() else variance_of(spread(both)[1])
        variance += max(0.0, variance_of(spread(blocks.codes)[1]) - twice)
    drawn = even_units(blocks)
    freedom = (drawn if metric in CLOSED_FORM else min(drawn, GROUPS)) - 1
    fewer = min(len(side.truth) for side in sides)
    found = Estimate.of(sign(metric) * rise, variance, alone, freedom, fewer, units)
    fourth = float(np.sum((by_entity**2) ** 2))
    carrying = fourth and metric in CLOSED_FORM
    return Gain(found, float(np.sum(by_entity**2)) ** 2 / fourth if carrying else np.inf)


def units_of_both(champion: Answers, challenger: Answers) -> Units:
    """Return the units of the champion's rows, then the challenger's: by default the entities, or single rows."""
    if champion.units is not None and challenger.units is not None:
        return Units(number(np.concatenate([champion.units, challenger.units])), champion.unit)
    entities = _entities_of_both(champion, challenger)
    if entities is not None:
        return Units(entities, "entity")
    return single_rows(len(champion.prediction) + len(challenger.prediction))


def gain_bounds(gain: Gain, rows: int, alpha: float, least: int, greatest: int) -> tuple[float, float]:
    """Return the two bounds of *gain* on *rows*, each of which holds at every look with probability 1 - *alpha*.

    Looks lie between *least* and *greatest* rows. Most of *alpha* goes to a bound that is narrowest at the end, the
    rest to one that is narrow on the way, for differences that are great: the narrower of the two is taken. Both count
    in standard errors of a normal figure, and are taken as Student's of the same chance, for a few units know their own
    spread but roughly (Jennison and Turnbull 2000, "Group Sequential Methods with Applications to Clinical Trials").
    """
    early = standard_errors(rows, alpha * EARLY, round((least * greatest) ** 0.5))
    late = standard_errors_until(min(1.0, rows / greatest), alpha * (1 - EARLY))
    found, chance = gain.estimate, norm.sf(min(early, late))
    radius = found.error * float(student.isf(chance, found.freedom))
    return found.figure - radius, found.figure + radius


def _pulled(metric: Metric, sides: Sequence[_Side], classes: int, codes: Codes) -> tuple[float, Floats]:
    """Return by how much the metric is greater on the second of *sides*, and how far each of *codes* pulls that.

    *codes* number the units, or groups of them for a jackknife, of both sides' rows together.
    """
    if metric not in CLOSED_FORM:
        codes = join_to_groups(codes)
    rise, total = 0.0, np.zeros(int(codes.max()) + 1)
    for side, part, direction in zip(sides, np.split(codes, [len(sides[0].truth)]), (-1, 1), strict=True):
        figure, pull = pulls(metric, side.truth, side.prediction, classes, part)
        rise += direction * figure
        total[: len(pull)] += direction * pull
    return rise, total


def _truth(side: Answers, classes: Sequence[Label]) -> Truth:
    """Return each row's class as its place in *classes*, or its number."""
    return encode(side.target, classes) if len(classes) else side.target.astype(np.float64)


def _entities_of_both(champion: Answers, challenger: Answers) -> Codes | None:
    """Return the number of each row's entity, of the champion's rows, then the challenger's; None if none is named."""
    if champion.entities is None or challenger.entities is None:
        return None
    return _apart(number(champion.entities), number(challenger.entities))


def _row_codes(sides: Sequence[_Side]) -> Codes:
    """Return each row a number of its own, by its content: a jackknife must not see the order of the rows."""
    one, other = (np.argsort(np.lexsort(np.column_stack(side).T)) for side in sides)
    return _apart(one, other)


def _apart(one: Codes, other: Codes) -> Codes:
    """Return the numbers of *one* side, then those of the *other*, which go on after them: the two share none."""
    return np.concatenate([one, other + int(one.max(initial=-1)) + 1])


def too_few(metric: Metric, truth: Truth, classes: int) -> str:
    """Return what is missing before *metric* of rows with *truth* can be trusted; empty if nothing is."""
    if len(truth) < LEAST_ROWS:
        return f"{len(truth)} of {LEAST_ROWS} labelled rows"
    if classes and metric not in MEANS:
        fewest = int(np.bincount(truth.astype(np.int64), minlength=classes).min())
        if fewest < LEAST_OF_CLASS:
            return f"{fewest} of {LEAST_OF_CLASS} labelled rows of the rarest class"
    return ""
