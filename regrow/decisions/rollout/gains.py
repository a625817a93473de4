"""How sure the difference of two models' metrics is on rows of their own: each row's pull on it, summed by entity."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from regrow.decisions.influence import CLOSED_FORM, MEANS, Truth, pulls
from regrow.decisions.rollout.evidence import Answers, Strings, complete
from regrow.decisions.rollout.sequential import standard_errors, standard_errors_until
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

    figure: float
    error: float
    """Standard error of the figure."""
    weight: float
    """Rows, or entities, that carry the error: (Σψ²)² / Σψ⁴ of their pulls ψ, so few if a handful decides.
    Infinite if the two do not differ, or the groups of a jackknife hide it."""


def unpaired_gain(
    metric: Metric, champion: Answers, challenger: Answers, classes: Sequence[Label]
) -> Gain | str:
    """Return the gain between two sets of rows drawn at random from one stream, or what is missing for it."""
    figures, spreads = [], []
    for side in (champion, challenger):
        truth = _truth(side, classes)
        if missing := too_few(metric, truth, len(classes)):
            return missing
        prediction = complete(side.prediction, truth, len(classes))
        units = _units(metric, side.entities, truth, prediction)
        seen = as_judged(metric, prediction, side.threshold)
        figure, pull = pulls(metric, truth, seen, len(classes), units)
        figures.append(figure)
        spreads.append(pull)
    return _gain(metric, figures[1] - figures[0], spreads)


def gain_bounds(gain: Gain, rows: int, alpha: float, least: int, greatest: int) -> tuple[float, float]:
    """Return the two bounds of *gain* on *rows*, each of which holds at every look with probability 1 - *alpha*.

    Looks lie between *least* and *greatest* rows. Most of *alpha* goes to a bound that is narrowest at the end, the
    rest to one that is narrow on the way, for differences that are great: the narrower of the two is taken.
    """
    early = standard_errors(rows, alpha * EARLY, round((least * greatest) ** 0.5))
    late = standard_errors_until(rows / greatest, alpha * (1 - EARLY))
    radius = gain.error * min(early, late)
    return gain.figure - radius, gain.figure + radius


def _gain(metric: Metric, rise: float, sides: list[Floats]) -> Gain:
    """Combine independent *sides*, each the pulls of its units, which sum to about 0."""
    variance = sum(float(np.sum(pull**2)) * len(pull) / max(len(pull) - 1, 1) for pull in sides)
    fourth = sum(float(np.sum((pull**2) ** 2)) for pull in sides)
    weight = variance**2 / fourth if fourth and metric in CLOSED_FORM else np.inf
    return Gain(sign(metric) * rise, float(np.sqrt(variance)), weight)


def _truth(side: Answers, classes: Sequence[Label]) -> Truth:
    """Return each row's class as its place in *classes*, or its number."""
    return encode(side.target, classes) if len(classes) else side.target.astype(np.float64)


def _units(metric: Metric, entities: Strings | None, *content: NDArray[np.generic]) -> Codes:
    """Return each row its entity's number, or one by *content* if the jackknife must not see the order."""
    if entities is not None:
        return np.unique(entities, return_inverse=True)[1].reshape(-1)
    rows = len(content[0])
    if metric in CLOSED_FORM:
        return np.arange(rows)
    return np.argsort(np.lexsort(np.column_stack(content).T))


def too_few(metric: Metric, truth: Truth, classes: int) -> str:
    """Return what is missing before *metric* of rows with *truth* can be trusted; empty if nothing is."""
    if len(truth) < LEAST_ROWS:
        return f"{len(truth)} of {LEAST_ROWS} labelled rows"
    if classes and metric not in MEANS:
        fewest = int(np.bincount(truth.astype(np.int64), minlength=classes).min())
        if fewest < LEAST_OF_CLASS:
            return f"{fewest} of {LEAST_OF_CLASS} labelled rows of the rarest class"
    return ""
