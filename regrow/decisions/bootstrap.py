"""Compare two models on the same rows by a paired bootstrap."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from regrow.errors import DataError
from regrow.models.metrics import Floats, Label, encode, score, sign
from regrow.project import Metric

Counts = NDArray[np.int64]
Weighted = Callable[[Counts], float]
"""A metric of one model, given how often each row was drawn."""


class ResampledGain(NamedTuple):
    """By how much the challenger is better, and the bounds that hold one by one at the confidence."""

    figure: float
    lower: float
    upper: float


def resample_gain(
    metric: Metric,
    target: ArrayLike,
    challenger: Floats,
    champion: Floats,
    classes: Sequence[Label] = (),
    *,
    confidence: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> ResampledGain:
    """Return the gain of *challenger* over *champion*; positive is better, whatever the metric's direction.

    Every resample draws rows with replacement and scores both models on them, so what makes a row hard
    for both cancels out (Efron and Tibshirani 1993, chapter 13: percentile bounds). The order of the rows
    does not matter. Rows are drawn one by one, as if they were independent; if rows share what makes them hard
    (the flights of one stormy day), the bounds are narrower than they should be.
    Raises `DataError` when no resample has a row of each class.
    """
    truth = encode(target, classes) if len(classes) else np.asarray(target, dtype=np.float64)
    places = tuple(range(len(classes)))
    order = _canonical_order(truth, challenger, champion)
    truth, challenger, champion = truth[order], challenger[order], champion[order]
    better = weighted(metric, truth, challenger, places)
    worse = weighted(metric, truth, champion, places)
    everything = np.ones(len(truth), dtype=np.int64)
    draws = [better(counts) - worse(counts) for counts in _draw(len(truth), resamples, seed)]
    gains = sign(metric) * np.asarray(draws)
    gains = gains[~np.isnan(gains)]
    if not len(gains):
        raise DataError(f"{metric}: no resample of {len(truth)} rows has every class; hold out more rows")
    lower, upper = np.quantile(gains, [1 - confidence, confidence])
    return ResampledGain(sign(metric) * (better(everything) - worse(everything)), float(lower), float(upper))


def _canonical_order(truth: NDArray[np.generic], challenger: Floats, champion: Floats) -> NDArray[np.intp]:
    """Order the rows by their content, so that the draws do not depend on the order that they came in."""
    columns = np.column_stack([champion, challenger, truth])
    return np.lexsort(columns.T)


def _draw(rows: int, resamples: int, seed: int) -> Iterator[Counts]:
    """Count how often each of *rows* is drawn, for each resample."""
    random = np.random.default_rng(seed)
    for _ in range(resamples):
        yield np.bincount(random.integers(rows, size=rows), minlength=rows)


def weighted(
    metric: Metric, truth: NDArray[np.generic], prediction: Floats, classes: Sequence[Label]
) -> Weighted:
    """Prepare *metric* so that a resample costs a few passes over the rows."""
    if metric == "roc_auc" and len(classes) == 2:
        return _weighted_auc(truth.astype(np.int64), prediction[:, 1])
    losses = row_values(metric, truth, prediction, len(classes))
    if losses is not None:
        root = np.sqrt if metric == "rmse" else float
        return lambda counts: float(root((counts * losses).sum() / counts.sum()))
    return lambda counts: _resampled(metric, truth, prediction, classes, counts)


def row_values(metric: Metric, truth: NDArray[np.generic], prediction: Floats, classes: int) -> Floats | None:
    """Return each row's own part of a *metric* that is a mean over rows; None for the others."""
    if metric in {"rmse", "mae"}:
        errors = np.abs(prediction - truth.astype(np.float64))
        return errors if metric == "mae" else errors**2
    if metric not in {"log_loss", "brier", "accuracy"}:
        return None
    codes = truth.astype(np.int64)
    if metric == "accuracy":
        return (prediction.argmax(axis=1) == codes).astype(np.float64)
    if metric == "log_loss":
        return -np.log(np.clip(prediction[np.arange(len(codes)), codes], np.finfo(np.float64).eps, 1.0))
    squares = (prediction - np.eye(classes)[codes]) ** 2
    return squares[:, 1] if classes == 2 else squares.sum(axis=1)


def _weighted_auc(positive: NDArray[np.int64], probability: Floats) -> Weighted:
    """Prepare the area under the ROC curve: the share of pairs that are ranked right, a tie counting half.

    Counted in whole numbers, which is exact, and spares the threads that a product of floats wakes at each resample.
    """
    order = np.argsort(probability, kind="stable")
    above, below = order[positive[order] == 1], order[positive[order] == 0]
    beaten = np.searchsorted(probability[below], probability[above], side="left")
    not_lost_to = np.searchsorted(probability[below], probability[above], side="right")

    def auc(counts: Counts) -> float:
        weights, negatives = counts[above], np.concatenate(([0], np.cumsum(counts[below])))
        pairs = weights.sum() * negatives[-1]
        halves = (weights * (negatives[beaten] + negatives[not_lost_to])).sum()
        return float(halves / (2 * pairs)) if pairs else float("nan")

    return auc


def _resampled(
    metric: Metric, truth: NDArray[np.generic], prediction: Floats, classes: Sequence[Label], counts: Counts
) -> float:
    """Score the drawn rows; NaN if the metric is undefined on them."""
    drawn = np.repeat(np.arange(len(truth)), counts)
    try:
        return score(metric, truth[drawn], prediction[drawn], classes)
    except DataError:
        return float("nan")
