"""What a challenger says to the rows that the champion scores too."""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import ks_2samp

from regrow.base.verdict import Finding
from regrow.decisions.rollout.bounds import judge_bound, proven, undecided
from regrow.decisions.rollout.evidence import Floats, Pairs
from regrow.decisions.rollout.sequential import distribution_radius, lower_rate, upper_rate
from regrow.models.metrics import decide_by


def judge_disagreement(pairs: Pairs, limit: float, alpha: float) -> Finding:
    """Judge the share of rows on which the two decide differently.

    Of a classifier: another most likely class, or another by the thresholds of the two. Of a regression:
    further apart than one standard deviation of the champion's predictions.
    """
    old, new = _both(pairs)
    rule = f"the two decide differently on at most {limit:.3g} of the rows"
    if len(old) < 2:
        return undecided(rule, len(old), "no rows that both scored")
    differ = (
        np.abs(new - old) > old.std() if old.ndim == 1 else _decided(pairs, old, 0) != _decided(pairs, new, 1)
    )
    count, rows = int(differ.sum()), len(old)
    low, high = lower_rate(count, rows, alpha), upper_rate(count, rows, alpha)
    return Finding(
        rule=rule,
        result=judge_bound(low, limit, lower_rate(rows, rows, alpha)),
        figure=count / rows,
        limit=limit,
        interval=(low, high),
        confidence=1 - alpha,
        rows=rows,
        units=rows,
        unit="row",
        detail=f"they decide differently on {count} of {rows} rows, {proven(low, limit, '.2%')}",
    )


def judge_shift(pairs: Pairs, limit: float, alpha: float) -> Finding:
    """Judge the Kolmogorov-Smirnov distance of the two's predictions; of several classes the greatest."""
    old, new = _both(pairs)
    rows = len(old)
    rule = f"distributions of the predictions at most {limit:.3g} apart"
    if not rows:
        return undecided(rule, 0, "no rows that both scored")
    old, new = (
        side[:, 1:] if side.ndim == 2 and side.shape[1] == 2 else side.reshape(rows, -1)
        for side in (old, new)
    )
    distance = max(_distance(*sides) for sides in zip(old.T, new.T, strict=True))
    radius = 2 * distribution_radius(rows, alpha / (2 * old.shape[1]))
    low, high = max(0.0, distance - radius), min(1.0, distance + radius)
    return Finding(
        rule=rule,
        result=judge_bound(low, limit, 1 - radius),
        figure=distance,
        limit=limit,
        interval=(low, high),
        confidence=1 - alpha,
        rows=rows,
        units=rows,
        unit="row",
        detail=f"Kolmogorov-Smirnov distance {distance:.3f} on {rows} rows, {proven(low, limit, '.3f')}",
    )


def _decided(pairs: Pairs, prediction: Floats, side: int) -> NDArray[np.int64]:
    """Return the place of the class that one *side* of *pairs* decides for, row by row."""
    threshold = pairs.thresholds[side]
    if threshold is not None and prediction.shape[1] == 2:
        prediction = decide_by(prediction, threshold)
    return prediction.argmax(axis=1)


def _both(pairs: Pairs) -> tuple[Floats, Floats]:
    """Return both predictions of the rows on which neither failed."""
    rows = pairs.both_answered
    return pairs.champion[rows], pairs.challenger[rows]


def _distance(one: Floats, other: Floats) -> float:
    """Return the Kolmogorov-Smirnov distance of two samples; how probable it is does not matter here."""
    found = ks_2samp(one, other, method="asymp")
    return float(found.statistic)  # pyright: ignore[reportAttributeAccessIssue]: SciPy states no type for it
