"""What a metric of a classifier comes to if of each row only the probability of each class is known.

Each row counts for every class, in the part that its probability gives it. Rows whose class is known, with a
probability of 1, give the metric itself: `influence` asks so.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from regrow.models.metrics import Codes, Floats
from regrow.project import Metric
from regrow.project.metrics import CLASSIFICATION

Pulled = tuple[float, Floats]
"""A figure, and how far each row pulls it: its influence over the number of rows. They sum to 0."""
EPS = float(np.finfo(np.float64).eps)


def expect(metric: Metric, chance: Floats, seen: Floats) -> Pulled:
    """Return *metric* of the predictions that it has *seen*, and how far each row pulls it.

    Both are `(rows, classes)`: *seen* is what `as_judged` makes of predictions, *chance* holds the probability that a
    row is of a class. The figure is NaN if a class has no part that the metric needs. *metric* is one of
    `CLASSIFICATION`.
    """
    if metric not in CLASSIFICATION:
        raise KeyError(metric)
    classes = chance.shape[1]
    if metric in _RANKING:
        ranked = _RANKING[metric]
        if classes == 2:
            return ranked(chance[:, 1], seen[:, 1])
        return _mean([ranked(chance[:, place], seen[:, place]) for place in range(classes)])
    if metric in _DECIDED:
        return _DECIDED[metric](chance, np.eye(classes)[seen.argmax(axis=1)])
    losses = _losses(metric, chance, seen)
    return float(losses.mean()), (losses - losses.mean()) / len(losses)


def known(codes: Codes, classes: int) -> Floats:
    """Return the chances of rows whose class is known, as its place in *codes*: 1 for it, 0 for the others."""
    return np.eye(classes)[codes]


def _losses(metric: Metric, chance: Floats, seen: Floats) -> Floats:
    """Return each row's expected part of a *metric* that is a mean over rows."""
    if metric == "accuracy":
        return chance[np.arange(len(seen)), seen.argmax(axis=1)]
    if metric == "log_loss":
        return -np.sum(chance * np.log(np.clip(seen, EPS, 1.0)), axis=1)
    assert metric == "brier", f"{metric}: what is to be expected of it stands nowhere yet"  # noqa: S101
    if chance.shape[1] == 2:
        return chance[:, 1] * (1 - seen[:, 1]) ** 2 + chance[:, 0] * seen[:, 1] ** 2
    return np.sum(seen**2, axis=1) - 2 * np.sum(chance * seen, axis=1) + 1


def _mean(parts: list[Pulled]) -> Pulled:
    """Return the mean of *parts*."""
    return float(np.mean([figure for figure, _ in parts])), np.mean([pulls for _, pulls in parts], axis=0)


def _auc(part: Floats, score: Floats) -> Pulled:
    """Return the area under the ROC curve of rows that are positive in *part* (Hanley and McNeil 1982, in parts)."""
    other, places = 1 - part, _places(score)
    positive, negative = part.sum(), other.sum()
    if positive <= 0 or negative <= 0:
        return float("nan"), np.zeros(len(part))
    below, above = _halves(other, places) / negative, 1 - _halves(part, places) / positive
    area = float(part @ below / positive)
    return area, part * (below - area) / positive + other * (above - area) / negative


def _average_precision(part: Floats, score: Floats) -> Pulled:
    """Return the mean precision over the positives, at the threshold of each."""
    places, positive = _places(-score), part.sum()
    if positive <= 0:
        return float("nan"), np.zeros(len(part))
    hits = np.bincount(places, part)
    found, taken = np.cumsum(hits), np.cumsum(np.bincount(places))
    precision = found / taken
    figure = float(hits @ precision / positive)
    later = [np.cumsum((hits / taken * each)[::-1])[::-1] for each in (np.ones(len(hits)), precision)]
    own = part * (precision[places] - figure)
    return figure, (own + part * later[0][places] - later[1][places]) / positive


def _balanced_accuracy(chance: Floats, decided: Floats) -> Pulled:
    """Return the mean over classes of the share that is decided right; a class without a part is left out."""
    rows = chance.sum(axis=0)
    there = rows > 0
    rows, right = rows[there], (chance * decided)[:, there]
    recall = right.sum(axis=0) / rows
    return float(recall.mean()), np.mean((right - chance[:, there] * recall) / rows, axis=1)


def _f1(chance: Floats, decided: Floats) -> Pulled:
    """Return the harmonic mean of precision and recall of the second of two classes, or the mean over several."""
    right, both = chance * decided, chance + decided
    sums = both.sum(axis=0)
    figures = np.divide(2 * right.sum(axis=0), sums, out=np.zeros(len(sums)), where=sums > 0)
    pulls = np.divide(2 * right - both * figures, sums, out=np.zeros_like(both), where=sums > 0)
    if len(sums) == 2:
        return float(figures[1]), pulls[:, 1]
    return float(figures[sums > 0].mean()), pulls[:, sums > 0].mean(axis=1)


def _places(score: Floats) -> NDArray[np.int64]:
    """Return the place of each score among the different ones."""
    return np.unique(score, return_inverse=True)[1].reshape(-1).astype(np.int64)


def _halves(part: Floats, places: NDArray[np.int64]) -> Floats:
    """Return for each row how much of *part* lies below its place, and half of what lies at it."""
    at = np.bincount(places, part)
    return (np.cumsum(at) - at / 2)[places]


_RANKING: dict[Metric, Callable[[Floats, Floats], Pulled]] = {
    "roc_auc": _auc,
    "average_precision": _average_precision,
}
_DECIDED: dict[Metric, Callable[[Floats, Floats], Pulled]] = {
    "balanced_accuracy": _balanced_accuracy,
    "f1": _f1,
}
