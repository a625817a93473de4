"""How far each row pulls a metric: its influence, from which every standard error here is made."""

import numpy as np
from numpy.typing import NDArray

from regrow.models.metrics import Codes, Floats, score
from regrow.project import Metric

Truth = NDArray[np.int64] | Floats
"""Each row's class as its place among the classes, or its number."""
CLOSED_FORM: frozenset[Metric] = frozenset({"roc_auc", "log_loss", "brier", "accuracy", "rmse", "mae"})
MEANS: frozenset[Metric] = frozenset({"log_loss", "brier", "accuracy"})
"""Metrics of a classifier that are a mean over rows; every other one may hang on the rarest class."""
GROUPS = 100
"""Groups that the jackknife leaves out: the spread is known to 7 %."""


def pulls(
    metric: Metric, truth: Truth, prediction: Floats, classes: int, units: Codes
) -> tuple[float, Floats]:
    """Return *metric* and how far each of *units* pulls it: the influence of its rows over the number of all rows.

    The pulls sum to about 0. Without a closed form they are by the grouped jackknife (Quenouille 1956; Efron 1982,
    chapter 2), which leaves out a unit at a time, or one of at most `GROUPS` random groups of units: then a pull is a
    group's.
    """
    found = row_pulls(metric, truth, prediction, classes)
    if found is None:
        return _jackknife(metric, truth, prediction, classes, units)
    figure, values = found
    return figure, np.bincount(units, values).astype(np.float64)


def row_pulls(metric: Metric, truth: Truth, prediction: Floats, classes: int) -> tuple[float, Floats] | None:
    """Return *metric* and how far each row pulls it; None if the metric has no closed form.

    Means over rows: each row's loss (rmse by the delta method). Area under the ROC curve: placement values (DeLong,
    DeLong and Clarke-Pearson 1988).
    """
    if metric == "roc_auc":
        figure, values = _auc(truth, prediction, classes)
        return figure, values / len(values)
    losses = row_values(metric, truth, prediction, classes)
    if losses is None:
        return None
    figure, values = float(losses.mean()), losses - losses.mean()
    if metric == "rmse":
        figure = float(np.sqrt(figure))
        values = values / (2 * figure) if figure else values
    return figure, values / len(values)


def row_values(metric: Metric, truth: NDArray[np.generic], prediction: Floats, classes: int) -> Floats | None:
    """Return each row's own part of a *metric* that is a mean over rows (of rmse, under the root); None for others."""
    if metric in {"rmse", "mae"}:
        errors = np.abs(prediction - truth.astype(np.float64))
        return errors if metric == "mae" else errors**2
    if metric not in MEANS:
        return None
    codes = truth.astype(np.int64)
    if metric == "accuracy":
        return (prediction.argmax(axis=1) == codes).astype(np.float64)
    if metric == "log_loss":
        return -np.log(np.clip(prediction[np.arange(len(codes)), codes], np.finfo(np.float64).eps, 1.0))
    squares = (prediction - np.eye(classes)[codes]) ** 2
    return squares[:, 1] if classes == 2 else squares.sum(axis=1)


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
    """Leave out each of at most `GROUPS` random groups of whole units, and see how the metric moves.

    Raises `DataError` if the metric is undefined without one of them.
    """
    number = int(units.max()) + 1
    groups = units
    if number > GROUPS:
        groups = np.random.default_rng(0).permutation(number)[units] % GROUPS
    kept = (groups != group for group in range(min(GROUPS, number)))
    without = np.array([score(metric, truth[rows], prediction[rows], range(classes)) for rows in kept])
    factor = (len(without) - 1) / len(without)
    return score(metric, truth, prediction, range(classes)), factor * (without.mean() - without)
