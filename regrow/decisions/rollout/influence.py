"""How sure the difference of two models' metrics is: each row's pull on it, summed over the rows of one entity."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from regrow.decisions.bootstrap import row_values
from regrow.decisions.rollout.evidence import Answers, Strings
from regrow.models.metrics import Codes, Floats, Label, as_judged, encode, score, sign
from regrow.project import Metric

Truth = NDArray[np.int64] | Floats
CLOSED_FORM: frozenset[Metric] = frozenset({"roc_auc", "log_loss", "brier", "accuracy", "rmse", "mae"})
MEANS: frozenset[Metric] = frozenset({"log_loss", "brier", "accuracy"})
"""Metrics of a classifier that are a mean over rows; every other one may hang on the rarest class."""
LEAST_ROWS = 100
LEAST_OF_CLASS = 50
"""Labels of each class before a metric that ranks or counts classes is judged: with fewer, an area under the ROC
curve is too skewed for its standard error (see docs/rollout-statistics.md)."""
LEAST_WEIGHT = 25
"""Rows that must carry the standard error before it is believed: below that a handful decides, and the sum of
their pulls is not yet normal."""
GROUPS = 100
"""Groups that the jackknife leaves out: the spread is known to 7 %."""


class Gain(NamedTuple):
    """By how much the challenger is better (positive, whatever the metric's direction), and how sure that is."""

    figure: float
    error: float
    """Standard error of the figure."""
    weight: float
    """Rows, or entities, that carry the error: (Σψ²)² / Σψ⁴ of their pulls ψ, so few if a handful decides.
    Infinite if the two do not differ, or the groups of a jackknife hide it."""


def paired_gain(
    metric: Metric, champion: Answers, challenger: Answers, classes: Sequence[Label]
) -> Gain | str:
    """Return the gain on rows that both have scored, or what is missing for it.

    What makes a row hard for both cancels out.
    """
    truth = _truth(champion, classes)
    if missing := _missing(metric, truth, len(classes)):
        return missing
    units = _units(metric, champion.entities, truth, champion.prediction, challenger.prediction)
    old, pull_old = pulls(metric, truth, _judged(metric, champion), len(classes), units)
    new, pull_new = pulls(metric, truth, _judged(metric, challenger), len(classes), units)
    return _gain(metric, new - old, [pull_new - pull_old])


def unpaired_gain(
    metric: Metric, champion: Answers, challenger: Answers, classes: Sequence[Label]
) -> Gain | str:
    """Return the gain between two sets of rows drawn at random from one stream, or what is missing for it."""
    figures, spreads = [], []
    for side in (champion, challenger):
        truth = _truth(side, classes)
        if missing := _missing(metric, truth, len(classes)):
            return missing
        units = _units(metric, side.entities, truth, side.prediction)
        figure, pull = pulls(metric, truth, _judged(metric, side), len(classes), units)
        figures.append(figure)
        spreads.append(pull)
    return _gain(metric, figures[1] - figures[0], spreads)


def _judged(metric: Metric, side: Answers) -> Floats:
    """Return the predictions of *side* as *metric* must see them, by its threshold."""
    return as_judged(metric, side.prediction, side.threshold)


def _gain(metric: Metric, rise: float, sides: list[Floats]) -> Gain:
    """Combine independent *sides*, each the pulls of its units, which sum to about 0."""
    variance = sum(float(np.sum(pull**2)) * len(pull) / max(len(pull) - 1, 1) for pull in sides)
    fourth = sum(float(np.sum((pull**2) ** 2)) for pull in sides)
    weight = variance**2 / fourth if fourth and metric in CLOSED_FORM else np.inf
    return Gain(sign(metric) * rise, float(np.sqrt(variance)), weight)


def pulls(
    metric: Metric, truth: Truth, prediction: Floats, classes: int, units: Codes
) -> tuple[float, Floats]:
    """Return *metric* and how far each of *units* pulls it: the influence of its rows over their number.

    Means over rows: each row's loss (rmse by the delta method). Area under the ROC curve: placement values (DeLong,
    DeLong and Clarke-Pearson 1988). Anything else: the grouped jackknife (Quenouille 1956; Efron 1982, chapter 2).
    """
    if metric == "roc_auc":
        figure, values = _auc(truth, prediction, classes)
    else:
        losses = row_values(metric, truth, prediction, classes)
        if losses is None:
            return _jackknife(metric, truth, prediction, classes, units)
        figure, values = float(losses.mean()), losses - losses.mean()
    if metric == "rmse":
        figure = float(np.sqrt(figure))
        values = values / (2 * figure) if figure else values
    return figure, np.bincount(units, values / len(values)).astype(np.float64)


def _auc(truth: Truth, probability: Floats, classes: int) -> tuple[float, Floats]:
    """Return the area and each row's influence; of several classes the mean of one against the rest."""
    if classes == 2:
        return _binary_auc(truth == 1, probability[:, 1])
    parts = [_binary_auc(truth == place, probability[:, place]) for place in range(classes)]
    return float(np.mean([area for area, _ in parts])), np.mean([values for _, values in parts], axis=0)


def _binary_auc(positive: NDArray[np.bool_], probability: Floats) -> tuple[float, Floats]:
    """Return the share of pairs ranked right, a tie counting half, and each row's influence on it."""
    above, below = probability[positive], probability[~positive]
    values = np.empty(len(probability))
    right = _share_below(above, below)
    values[positive] = right
    values[~positive] = 1 - _share_below(below, above)
    area = float(right.mean())
    values -= area
    values[positive] *= len(values) / len(above)
    values[~positive] *= len(values) / len(below)
    return area, values


def _share_below(values: Floats, others: Floats) -> Floats:
    """Return the share of *others* below each of *values*, a tie counting half."""
    ordered = np.sort(others)
    order = np.argsort(values)
    asked = values[order]
    share = np.empty(len(values))
    counts = np.searchsorted(ordered, asked, "left") + np.searchsorted(ordered, asked, "right")
    share[order] = counts / (2 * len(others))
    return share


def _jackknife(
    metric: Metric, truth: Truth, prediction: Floats, classes: int, units: Codes
) -> tuple[float, Floats]:
    """Leave out each of at most `GROUPS` random groups of whole units, and see how the metric moves."""
    number = int(units.max()) + 1
    groups = np.random.default_rng(0).permutation(number)[units] % min(GROUPS, number)
    kept = (groups != group for group in range(min(GROUPS, number)))
    without = np.array([score(metric, truth[rows], prediction[rows], range(classes)) for rows in kept])
    factor = (len(without) - 1) / len(without)
    return score(metric, truth, prediction, range(classes)), factor * (without.mean() - without)


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


def _missing(metric: Metric, truth: Truth, classes: int) -> str:
    """Return what is missing before the spread can be trusted; empty if nothing is."""
    if len(truth) < LEAST_ROWS:
        return f"{len(truth)} of {LEAST_ROWS} labelled rows"
    if classes and metric not in MEANS:
        fewest = int(np.bincount(truth.astype(np.int64), minlength=classes).min())
        if fewest < LEAST_OF_CLASS:
            return f"{fewest} of {LEAST_OF_CLASS} labelled rows of the rarest class"
    return ""
