"""Performance: the champion on matured labels, against what it reached on its holdout."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from regrow.base.errors import DataError
from regrow.base.verdict import Finding, pass_if
from regrow.decisions.estimates import Estimate, estimate
from regrow.decisions.units import Units, single_rows
from regrow.models.metrics import Floats, Label, encode, score
from regrow.project import Metric, PerformanceRule
from regrow.project.metrics import higher_is_better

REMEDY = (
    "watch a longer window (monitoring.window) or, if smaller units than these are independent of one another, name "
    "them (data.unit)"
)


@dataclass(frozen=True)
class Holdout:
    """What the champion reached on its holdout: *figure*, an estimate from *rows* rows of it."""

    metric: Metric
    figure: float
    rows: int
    classes: Sequence[Label] = ()
    """The champion's classes, in the order of its probabilities; empty for a regression."""
    error: float | None = None
    """Standard error of *figure*, from unit to unit; None of a version of before 0.4, or with too few units."""
    rows_are_known: bool = True
    """False if *rows* counts the whole holdout, and the figure may be of a part of it."""


def judge_performance(
    target: ArrayLike,
    prediction: Floats,
    holdout: Holdout,
    rule: PerformanceRule,
    units: Units | None = None,
    level: float = 0.05,
) -> Finding:
    """Compare the champion's metric on the labelled rows of the window with what it reached on its *holdout*.

    *units* say which rows are one observation; without them each row is. It fails only if more than the tolerated loss
    is proven: a model that has lost just that fails with probability *level*, or by chance of a two-sided interval at
    `rule.confidence`, if the file names one. With fewer than `rule.least_rows` labels, with too few units, or
    when the metric is undefined on them, it is undecided.
    Raises `DataError` when a label is not among the champion's classes.
    """
    rising = higher_is_better(holdout.metric)
    limit = holdout.figure - rule.tolerance if rising else holdout.figure + rule.tolerance
    asked = f"{holdout.metric} {'at least' if rising else 'at most'} {limit:.3f}"
    rows = len(prediction)
    units = units or single_rows(rows)
    seen = {"rows": rows, "units": units.count, "unit": units.unit}
    if not np.isfinite(holdout.figure):
        return _undecided(asked, f"the champion's holdout has no {holdout.metric}", **seen)
    if rows < rule.least_rows:
        return _undecided(asked, f"{rows} of {rule.least_rows} labels", **seen)
    truth = encode(target, holdout.classes) if holdout.classes else np.asarray(target, dtype=np.float64)
    figure = _score(holdout, truth, prediction)
    if np.isnan(figure):
        why = f"{holdout.metric} is undefined on {rows} labels without every class"
        return _undecided(asked, why, **seen)
    found = estimate(holdout.metric, truth, [prediction], range(len(holdout.classes)), units)
    if isinstance(found, str):
        why = f"{holdout.metric} {figure:.3f} on {rows} labels, too few to tell: {found}; {REMEDY}"
        return _undecided(asked, why, **seen)
    confidence = 1 - level if rule.confidence is None else (1 + rule.confidence) / 2
    low, high = performance_interval(found, holdout, confidence)
    return Finding(
        rule=asked,
        subject="performance",
        result=pass_if(high >= limit if rising else low <= limit),
        figure=figure,
        limit=limit,
        interval=(low, high),
        confidence=confidence,
        effective_rows=found.effective,
        detail=f"{holdout.metric} {figure:.3f} ({low:.3f} to {high:.3f}) on {found.counted}, {holdout.figure:.3f} on "
        f"{'' if holdout.rows_are_known else 'at most '}{holdout.rows:,} rows of the holdout",
        **seen,
    )


def performance_interval(found: Estimate, holdout: Holdout, confidence: float) -> tuple[float, float]:
    """Return two bounds of what was *found*, as far off as its difference from the *holdout* is uncertain.

    Each of them holds with probability *confidence*. The holdout's figure is an estimate too: its error counts beside
    the window's. If it is not known, the holdout is taken to vary as much per row as the window does.
    """
    variance = found.error**2
    other = variance * found.rows / max(holdout.rows, 1) if holdout.error is None else holdout.error**2
    both = replace(found, error=float(np.sqrt(variance + other)))
    radius = both.radius(confidence)
    return found.figure - radius, found.figure + radius


def _score(holdout: Holdout, truth: NDArray[np.generic], prediction: Floats) -> float:
    """Score rows whose classes are places already; NaN if the metric is undefined on them."""
    try:
        return score(holdout.metric, truth, prediction, range(len(holdout.classes)))
    except DataError:
        return float("nan")


def _undecided(asked: str, why: str, **seen: Any) -> Finding:
    return Finding(rule=asked, subject="performance", result="undecided", detail=why, **seen)
