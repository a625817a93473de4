"""Performance: the champion on matured labels, against what it reached on its holdout."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from regrow.decisions.verdict import Finding
from regrow.metrics import higher_is_better, score
from regrow.project import Metric, PerformanceRule

RESAMPLES = 400
RESAMPLE_ROWS = 2_000

Target = NDArray[np.generic]
Prediction = NDArray[np.float64]


@dataclass(frozen=True)
class Holdout:
    """What the champion reached on its holdout: *figure*, an estimate from *rows* rows."""

    metric: Metric
    figure: float
    rows: int


def judge_performance(
    target: Target, prediction: Prediction, holdout: Holdout, rule: PerformanceRule
) -> Finding:
    """Hold the champion on the labelled rows of the window against its *holdout*.

    It fails only when the whole interval at `rule.confidence` lies beyond the tolerated loss; with fewer than
    `rule.least_rows` labels nothing is concluded.
    """
    rising = higher_is_better(holdout.metric)
    limit = holdout.figure - rule.tolerance if rising else holdout.figure + rule.tolerance
    asked = f"{holdout.metric} {'at least' if rising else 'at most'} {limit:.3f}"
    rows = len(target)
    if not np.isfinite(holdout.figure):
        return _unconcluded(asked, None, rows, f"the champion's holdout has no {holdout.metric}")
    if rows < rule.least_rows:
        return _unconcluded(asked, limit, rows, f"{rows} of {rule.least_rows} labels")
    figure = score(holdout.metric, target, prediction)
    if not np.isfinite(figure):
        return _unconcluded(asked, limit, rows, f"{holdout.metric} is undefined on these {rows} labels")
    low, high = metric_interval(target, prediction, holdout, rule.confidence)
    return Finding(
        rule=asked,
        passed=high >= limit if rising else low <= limit,
        figure=figure,
        limit=limit,
        interval=(low, high),
        confidence=rule.confidence,
        rows=rows,
        detail=f"{holdout.metric} {figure:.3f} ({low:.3f} to {high:.3f}) on {rows} labels, "
        f"{holdout.figure:.3f} on the holdout",
    )


def metric_interval(
    target: Target, prediction: Prediction, holdout: Holdout, confidence: float
) -> tuple[float, float]:
    """Give the two-sided interval of the metric, as wide as its difference from the *holdout* is uncertain.

    By the m-out-of-n bootstrap (Bickel, Götze and van Zwet 1997): resamples of at most RESAMPLE_ROWS rows,
    their spread scaled by √(m/n), so the cost is flat in the rows. The holdout's figure is an estimate too,
    taken to vary as much per row: that widens the spread by √(1 + n/holdout.rows). It is seeded and the rows
    are sorted first, so neither a second run nor another row order changes it.
    """
    rows = len(target)
    order = np.lexsort((target, *prediction.reshape(rows, -1).T))
    target, prediction = target[order], prediction[order]
    size = min(rows, RESAMPLE_ROWS)
    draws = np.random.default_rng(0).integers(0, rows, size=(RESAMPLES, size))
    figures = np.array([score(holdout.metric, target[draw], prediction[draw]) for draw in draws])
    figures = figures[np.isfinite(figures)]
    if not len(figures):
        return -np.inf, np.inf
    scale = np.sqrt(size / rows + size / max(holdout.rows, 1))
    tails = [(1 - confidence) / 2, (1 + confidence) / 2]
    below, above = np.quantile(scale * (figures - figures.mean()), tails)
    figure = score(holdout.metric, target, prediction)
    return float(figure - above), float(figure - below)


def _unconcluded(asked: str, limit: float | None, rows: int, why: str) -> Finding:
    return Finding(rule=asked, passed=True, limit=limit, rows=rows, detail=f"nothing concluded: {why}")
