"""What a challenger says: against the champion on the same rows, and against the labels."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import ks_2samp

from regrow.decisions.rollout.bounds import judge_bound, proven, undecided
from regrow.decisions.rollout.evidence import Floats, Pairs, answered
from regrow.decisions.rollout.gains import LEAST_WEIGHT, Gain, paired_gain
from regrow.decisions.rollout.sequential import distribution_radius, lower_rate, standard_errors, upper_rate
from regrow.models.metrics import Label, decide_by
from regrow.project import Metric
from regrow.verdict import Finding, pass_if


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
        detail=f"Kolmogorov-Smirnov distance {distance:.3f} on {rows} rows, {proven(low, limit, '.3f')}",
    )


def judge_metric(
    pairs: Pairs, metric: Metric, classes: Sequence[Label], limit: float, best_rows: int, alpha: float
) -> Finding:
    """Judge the loss of *metric* on labelled rows that both scored: it fails if more than *limit* is proven."""
    champion, challenger = pairs.matured()
    rows = len(champion.prediction)
    rule = f"{metric} at most {limit:g} worse than the champion's"
    gain = paired_gain(metric, champion, challenger, classes)
    if isinstance(gain, str):
        return undecided(rule, rows, gain)
    if gain.weight < LEAST_WEIGHT:
        return undecided(rule, rows, f"{gain.weight:.0f} of {LEAST_WEIGHT} rows that tell the two apart")
    low, high = gain_bounds(gain, rows, alpha, best_rows)
    worse = high < -limit
    return Finding(
        rule=rule,
        result=pass_if(not worse),
        figure=gain.figure,
        limit=-limit,
        interval=(low, high),
        confidence=1 - alpha,
        rows=rows,
        detail=f"{metric} gains {gain.figure:+.4f} ({low:+.4f} to {high:+.4f}) on {rows} labelled rows"
        + (f": at least {-high:.4f} worse, limit {limit:g}" if worse else ""),
    )


def gain_bounds(gain: Gain, rows: int, alpha: float, best_rows: int) -> tuple[float, float]:
    """Return the two bounds of *gain*, each of which holds at every look with probability 1 - *alpha*."""
    radius = gain.error * standard_errors(rows, alpha, best_rows)
    return gain.figure - radius, gain.figure + radius


def _decided(pairs: Pairs, prediction: Floats, side: int) -> NDArray[np.int64]:
    """Return the place of the class that one *side* of *pairs* decides for, row by row."""
    threshold = pairs.thresholds[side]
    if threshold is not None and prediction.shape[1] == 2:
        prediction = decide_by(prediction, threshold)
    return prediction.argmax(axis=1)


def _both(pairs: Pairs) -> tuple[Floats, Floats]:
    """Return both predictions of the rows on which neither failed."""
    rows = answered(pairs.champion) & answered(pairs.challenger)
    return pairs.champion[rows], pairs.challenger[rows]


def _distance(one: Floats, other: Floats) -> float:
    """Return the Kolmogorov-Smirnov distance of two samples; how probable it is does not matter here."""
    found = ks_2samp(one, other, method="asymp")
    return float(found.statistic)  # pyright: ignore[reportAttributeAccessIssue]: SciPy states no type for it
