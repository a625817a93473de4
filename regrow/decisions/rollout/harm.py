"""Whether a challenger harms: the primary metric against the champion's, by the unit that the project file names.

A row pulls the difference of the two metrics by its influence. The pulls of a unit's rows are summed to the unit's
gain, and the gains are bet on in the order of time (`sequential.log_evidence_of_loss`).

A unit enters once, when it is over: a period (hour, day, week) after its end and the label delay; until then none of
its rows is looked at. Of entities, requests and single rows 50 are joined to a step, in the order of their first rows,
and a step enters when it is full: one row's pull is too lopsided to bet on its sign. An entity that comes back adds to
the step of its first row. The pulls are computed anew at each look, on all rows that have entered.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from regrow.base.errors import DataError
from regrow.base.verdict import Finding, pass_if
from regrow.decisions.estimates import variance_of
from regrow.decisions.influence import CLOSED_FORM, GROUPS, MEANS, Truth, pulls
from regrow.decisions.rollout.bounds import undecided
from regrow.decisions.rollout.evidence import Floats, Pairs, complete
from regrow.decisions.rollout.gains import too_few
from regrow.decisions.rollout.sequential import least_gains, log_evidence_of_loss
from regrow.decisions.units import Units
from regrow.models.metrics import Codes, Label, as_judged, encode, sign
from regrow.project import Metric

STEP = 50
"""Units of a step, if they are no periods."""
STEP_OF_CLASS = 5
"""Rows of each class in a step, if the metric ranks or counts classes: without one it says nothing of them."""


def judge_harm(pairs: Pairs, metric: Metric, classes: Sequence[Label], limit: float, alpha: float) -> Finding:
    """Judge the loss of *metric* on labelled rows that both were asked for: it fails if more than *limit* is proven.

    A version that failed on a row is taken to have said what is known without a model: the shares of the classes
    among these rows, or the mean of the target. So failing on hard rows gains nothing. Fewer steps than could ever
    prove a loss are undecided.
    """
    rule = f"{metric} at most {limit:g} worse than the champion's"
    rows, units = pairs.judged, pairs.judged_units
    target = pairs.target[rows]
    truth: Truth = encode(target, classes) if len(classes) else target.astype(np.float64)
    if missing := too_few(metric, truth, len(classes)):
        return undecided(rule, len(truth), missing, units)
    steps = join_units(units, truth, 0 if metric in MEANS else len(classes))
    if steps.max() + 1 < (least := least_gains(alpha)):
        return undecided(rule, len(truth), _told(units, int(steps.max()) + 1, least), units)
    entered = steps >= 0
    sides = [
        as_judged(metric, complete(side[rows], truth, len(classes))[entered], threshold)
        for side, threshold in zip((pairs.champion, pairs.challenger), pairs.thresholds, strict=True)
    ]
    try:
        gain, pulled, shares = _gains(metric, truth[entered], sides, len(classes), steps[entered])
        effective = _effective_rows(metric, truth[entered], sides, len(classes), pulled)
    except DataError as error:
        return undecided(rule, len(truth), f"without a part of the rows: {error}", units)
    low, high = gain - _radius(-pulled, shares, alpha), gain + _radius(pulled, shares, alpha)
    worse = log_evidence_of_loss(pulled + shares * (gain + limit)) >= -np.log(alpha)
    bounded = bool(np.isfinite([low, high]).all())
    told = f" ({low:+.4f} to {high:+.4f})" if bounded else ""
    return Finding(
        rule=rule,
        result=pass_if(not worse),
        figure=gain,
        limit=-limit,
        interval=(low, high) if bounded else None,
        confidence=1 - alpha,
        rows=int(entered.sum()),
        units=units.take(entered).count,
        unit=units.unit,
        effective_rows=effective,
        detail=f"{metric} gains {gain:+.4f}{told} on {int(entered.sum())} labelled rows of "
        f"{units.take(entered).named}" + (f": at least {-high:.4f} worse, limit {limit:g}" if worse else ""),
    )


def join_units(units: Units, truth: Truth, classes: int) -> Codes:
    """Return the number of the step that each row enters with, in the order of the units' first rows; -1 if none yet.

    A step is a period, or `STEP` other units, and as many more as it takes to hold `STEP_OF_CLASS` rows of each of the
    *classes* that *truth* numbers; 0 if none are asked for.
    """
    places = pd.factorize(units.codes)[0]
    count, least = units.count, 1 if units.ordered else STEP
    if not classes:
        entering = np.arange(count) // least
        entering[entering == count // least] = -1
        return entering[places]
    of_classes = np.bincount(places * classes + truth.astype(np.int64), minlength=count * classes)
    entering, step, size, held = np.empty(count, dtype=np.int64), 0, 0, [0] * classes
    for place, having in enumerate(of_classes.reshape(count, classes).tolist()):
        entering[place] = step
        size, held = size + 1, [one + more for one, more in zip(held, having, strict=True)]
        if size >= least and min(held) >= STEP_OF_CLASS:
            step, size, held = step + 1, 0, [0] * classes
    entering[entering == step] = -1
    return entering[places]


def _gains(
    metric: Metric, truth: Truth, sides: list[Floats], classes: int, steps: Codes
) -> tuple[float, Floats, Floats]:
    """Return the gain, how far each step pulls it, and the share of the rows that each step has.

    Without a closed form consecutive steps are joined to at most `GROUPS`, which the jackknife leaves out one by one.
    """
    count = int(steps.max()) + 1
    if metric not in CLOSED_FORM and count > GROUPS:
        steps = steps * GROUPS // count
    (old, pull_old), (new, pull_new) = (pulls(metric, truth, side, classes, steps) for side in sides)
    shares = np.bincount(steps) / len(steps)
    return sign(metric) * (new - old), sign(metric) * (pull_new - pull_old), shares


def _effective_rows(
    metric: Metric, truth: Truth, sides: list[Floats], classes: int, pulled: Floats
) -> float | None:
    """Return how many independent rows would be as sure as the steps, which *pulled* so far.

    None if the two do not differ, and of a metric without a closed form: it would take a second jackknife.
    """
    variance, alone = variance_of(pulled), np.arange(len(truth))
    if metric not in CLOSED_FORM or not variance:
        return None
    (_, old), (_, new) = (pulls(metric, truth, side, classes, alone) for side in sides)
    return len(truth) * variance_of(new - old) / variance


def _radius(pulled: Floats, shares: Floats, alpha: float) -> float:
    """Return how far above the gain the least value lies that the steps, *pulled* so far, prove it to be below."""
    error = float(np.sqrt(np.sum(pulled**2)))
    if not error:
        return 0.0
    low, high, goal = 0.0, error, -np.log(alpha)
    while log_evidence_of_loss(pulled - shares * high) < goal:
        low, high = high, 2 * high
        if high > 1e4 * error:
            return np.inf
    for _ in range(30):
        middle = (low + high) / 2
        proven = log_evidence_of_loss(pulled - shares * middle) >= goal
        low, high = (low, middle) if proven else (middle, high)
    return high


def _told(units: Units, steps: int, least: int) -> str:
    """Return in words how many units there are, and how many it takes at the least to prove a loss."""
    if units.ordered:
        return f"{steps} of the {least} {units.unit}s that it takes at the least to prove a loss"
    return f"{units.named}, which make {steps} of the {least} steps of {STEP} that it takes to prove a loss"
