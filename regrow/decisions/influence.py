"""How far each row pulls a metric: its influence, from which every standard error here is made."""

import numpy as np
from numpy.typing import NDArray

from regrow.decisions.expected import expect, known
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
    if metric not in CLOSED_FORM:
        return None
    if metric not in {"rmse", "mae"}:
        return expect(metric, known(truth.astype(np.int64), classes), prediction)
    errors = np.abs(prediction - truth.astype(np.float64))
    losses = errors if metric == "mae" else errors**2
    figure, values = float(losses.mean()), losses - losses.mean()
    if metric == "rmse":
        figure = float(np.sqrt(figure))
        values = values / (2 * figure) if figure else values
    return figure, values / len(values)


def join_to_groups(units: Codes) -> Codes:
    """Return the *units*, or of more than `GROUPS` that many random groups of them."""
    number = int(units.max()) + 1
    return units if number <= GROUPS else np.random.default_rng(0).permutation(number)[units] % GROUPS


def _jackknife(
    metric: Metric, truth: Truth, prediction: Floats, classes: int, units: Codes
) -> tuple[float, Floats]:
    """Leave out each of at most `GROUPS` random groups of whole units, and see how the metric moves.

    Raises `DataError` if the metric is undefined without one of them.
    """
    groups = join_to_groups(units)
    kept = (groups != group for group in range(int(groups.max()) + 1))
    without = np.array([score(metric, truth[rows], prediction[rows], range(classes)) for rows in kept])
    factor = (len(without) - 1) / len(without)
    return score(metric, truth, prediction, range(classes)), factor * (without.mean() - without)
