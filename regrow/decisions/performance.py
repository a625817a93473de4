"""Performance: the champion on matured labels, against what it reached on its holdout."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from regrow.decisions.bootstrap import weighted
from regrow.errors import DataError
from regrow.models.metrics import Floats, Label, encode, score
from regrow.project import Metric, PerformanceRule
from regrow.project.metrics import higher_is_better
from regrow.verdict import Finding, pass_if

RESAMPLES = 400
RESAMPLE_ROWS = 2_000


@dataclass(frozen=True)
class Holdout:
    """What the champion reached on its holdout: *figure*, an estimate from *rows* rows of it."""

    metric: Metric
    figure: float
    rows: int
    classes: Sequence[Label] = ()
    """The champion's classes, in the order of its probabilities; empty for a regression."""
    rows_are_known: bool = True
    """False if *rows* counts the whole holdout, and the figure may be of a part of it."""


def judge_performance(
    target: ArrayLike, prediction: Floats, holdout: Holdout, rule: PerformanceRule
) -> Finding:
    """Compare the champion's metric on the labelled rows of the window with what it reached on its *holdout*.

    It fails only when the whole interval at `rule.confidence` lies beyond the tolerated loss; with fewer than
    `rule.least_rows` labels, or when the metric is undefined on them, it is undecided.
    Raises `DataError` when a label is not among the champion's classes.
    """
    rising = higher_is_better(holdout.metric)
    limit = holdout.figure - rule.tolerance if rising else holdout.figure + rule.tolerance
    asked = f"{holdout.metric} {'at least' if rising else 'at most'} {limit:.3f}"
    rows = len(prediction)
    if not np.isfinite(holdout.figure):
        return _undecided(asked, rows, f"the champion's holdout has no {holdout.metric}")
    if rows < rule.least_rows:
        return _undecided(asked, rows, f"{rows} of {rule.least_rows} labels")
    truth = encode(target, holdout.classes) if holdout.classes else np.asarray(target, dtype=np.float64)
    figure = _score(holdout, truth, prediction)
    if np.isnan(figure):
        return _undecided(asked, rows, f"{holdout.metric} is undefined on {rows} labels without every class")
    low, high = metric_interval(truth, prediction, holdout, rule.confidence)
    return Finding(
        rule=asked,
        subject="performance",
        result=pass_if(high >= limit if rising else low <= limit),
        figure=figure,
        limit=limit,
        interval=(low, high),
        confidence=rule.confidence,
        rows=rows,
        detail=f"{holdout.metric} {figure:.3f} ({low:.3f} to {high:.3f}) on {rows} labels, "
        f"{holdout.figure:.3f} on {'' if holdout.rows_are_known else 'at most '}{holdout.rows} rows of the holdout",
    )


def metric_interval(
    truth: NDArray[np.generic], prediction: Floats, holdout: Holdout, confidence: float
) -> tuple[float, float]:
    """Return the two-sided interval of the metric, as wide as its difference from the *holdout* is uncertain.

    By the m-out-of-n bootstrap (Bickel, Götze and van Zwet 1997): resamples of at most RESAMPLE_ROWS rows,
    their spread scaled by √(m/n), so the cost is flat in the rows. The holdout's figure is an estimate too,
    taken to vary as much per row: that widens the spread by √(1 + n/holdout.rows). It is seeded and the rows
    are sorted first, so neither a second run nor another row order changes it. *truth* holds class places.
    """
    rows = len(truth)
    order = np.lexsort((truth, *prediction.reshape(rows, -1).T))
    truth, prediction = truth[order], prediction[order]
    size = min(rows, RESAMPLE_ROWS)
    metric = weighted(holdout.metric, truth, prediction, range(len(holdout.classes)))
    random = np.random.default_rng(0)
    draws = (np.bincount(random.integers(rows, size=size), minlength=rows) for _ in range(RESAMPLES))
    figures = np.array([metric(counts) for counts in draws])
    figures = figures[~np.isnan(figures)]
    if not len(figures):
        return -np.inf, np.inf
    scale = np.sqrt(size / rows + size / max(holdout.rows, 1))
    tails = [(1 - confidence) / 2, (1 + confidence) / 2]
    below, above = np.quantile(scale * (figures - figures.mean()), tails)
    figure = metric(np.ones(rows, dtype=np.int64))
    return float(figure - above), float(figure - below)


def _score(holdout: Holdout, truth: NDArray[np.generic], prediction: Floats) -> float:
    """Score rows whose classes are places already; NaN if the metric is undefined on them."""
    try:
        return score(holdout.metric, truth, prediction, range(len(holdout.classes)))
    except DataError:
        return float("nan")


def _undecided(asked: str, rows: int, why: str) -> Finding:
    return Finding(rule=asked, subject="performance", result="undecided", rows=rows, detail=why)
