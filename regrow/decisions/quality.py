"""Data quality: served rows that lack values, or hold values that the reference did not."""

import math

import pandas as pd
from scipy.stats import binomtest, norm

from regrow.base.verdict import Finding, Result, pass_if
from regrow.project import QualityRule

CONFIDENCE = 0.95
RECURS = 5
"""Times that one new value must occur before it is judged alone: of many new ones some occur twice by chance."""


def judge_quality(reference: pd.DataFrame, current: pd.DataFrame, rule: QualityRule) -> tuple[Finding, ...]:
    """Judge each column's rise of missing values, and its share of values that *reference* does not hold.

    Of that share, what a sample like the reference misses of an unchanged column is expected, and no fault: of a column
    of thousands of rare categories it is much, of a few common ones nothing.

    A share fails if more than one value is beyond the limit and so is the lower bound of the share's interval. With
    fewer than `rule.least_rows` rows (or values, for the values that are not in the reference) it is undecided.
    """
    missing = [
        _judge_missing(reference[name], _column(current, str(name)), rule) for name in reference.columns
    ]
    unseen = [
        _judge_unseen(reference[name], current[name], rule)
        for name in reference.columns
        if name in current.columns and is_text(reference[name])
    ]
    return (*missing, *unseen)


def is_text(column: pd.Series) -> bool:
    """Return whether *column* holds categories rather than numbers or times."""
    return not (pd.api.types.is_numeric_dtype(column) or pd.api.types.is_datetime64_any_dtype(column))


def _column(frame: pd.DataFrame, name: str) -> pd.Series:
    """Return column *name*, all missing if *frame* lacks it."""
    return frame[name] if name in frame.columns else pd.Series([None] * len(frame), name=name, dtype=object)


def _judge_missing(reference: pd.Series, current: pd.Series, rule: QualityRule) -> Finding:
    """Judge the rise of one column's missing share."""
    count, rows = int(current.isna().sum()), len(current)
    count_before, rows_before = int(reference.isna().sum()), len(reference)
    before = count_before / rows_before if rows_before else 0.0
    low, high = _difference(count, rows, count_before, rows_before)
    detail = f"{current.isna().mean():.1%} missing, {before:.1%} in the reference" if rows else "no row"
    return Finding(
        rule=f"missing values of {reference.name} at most {rule.missing:g} above the reference",
        subject="quality",
        result=_result(low > rule.missing, count, rows if rows_before else 0, rule),
        figure=count / rows - before if rows else None,
        limit=rule.missing,
        interval=(low, high),
        confidence=CONFIDENCE,
        rows=rows,
        units=rows,
        unit="row",
        detail=f"{reference.name}: {detail}{_too_few(rows, rule)}",
    )


def _judge_unseen(reference: pd.Series, current: pd.Series, rule: QualityRule) -> Finding:
    """Judge one column's values that the reference does not hold, beyond what was to be expected.

    Of the values that should have been known, the share that is new; or the share of one new value alone, if that is
    more: of a column in which hardly anything recurs none should have been known.
    """
    known, present = reference.dropna(), current.dropna()
    new, rows = present[~present.isin(known.unique())], len(present)
    expected, bounds = _missed(known)
    excess = _beyond_expected(len(new), rows, expected, bounds)
    most = int(new.value_counts().iloc[0]) if len(new) else 0
    alone = _beyond_missed(most, rows, len(known))
    if excess is None or (most >= RECURS and alone[1][0] > excess[1][0]):
        figure, interval = alone
    else:
        figure, interval = excess
    enough = min(rows, len(known))
    examples = ", ".join(sorted({str(value) for value in new})[:3])
    return Finding(
        rule=f"unseen values of {reference.name} at most {rule.unseen:g} above what is expected",
        subject="quality",
        result=_result(interval[0] > rule.unseen, len(new), enough, rule),
        figure=figure if rows else None,
        limit=rule.unseen,
        interval=interval,
        confidence=CONFIDENCE,
        rows=rows,
        units=rows,
        unit="row",
        detail=f"{reference.name}: {len(new)} of {rows} values not in the reference"
        + (f" ({examples})" if examples else "")
        + (f", {expected:.1%} expected of such a column" if expected else "")
        + _too_few(enough, rule),
    )


def _beyond_expected(
    new: int, rows: int, expected: float, bounds: tuple[float, float]
) -> tuple[float, tuple[float, float]] | None:
    """Return which share of the values that should be known is *new*, and its interval; None if none should be."""
    known = 1 - expected
    if not rows or not known:
        return None
    low, high = _less(new / rows, _interval(new, rows), expected, bounds)
    return max(-1.0, (new / rows - expected) / known), (max(-1.0, low / known), min(1.0, high / known))


def _beyond_missed(most: int, rows: int, known: int) -> tuple[float, tuple[float, float]]:
    """Return by how much the share of one new value exceeds what *known* rows may miss of a value, and its interval."""
    missed = _greatest_missed(known)
    low, high = _interval(most, rows)
    return (most / rows if rows else 0.0) - missed, (low - missed, high - missed)


def _missed(known: pd.Series) -> tuple[float, tuple[float, float]]:
    """Estimate the share of further values of an unchanged column that *known* does not hold; its interval.

    By Good and Turing (Good 1953): the share of values that stand in it once. The interval is Esty's (1983, "A normal
    limit law for a nonparametric estimator of the coverage of a random sample"). Of a column without a value none is
    expected.
    """
    rows, counts = len(known), known.value_counts()
    if not rows:
        return 0.0, (0.0, 0.0)
    once, twice = int((counts == 1).sum()), int((counts == 2).sum())
    share = once / rows
    error = math.sqrt(once * (1 - share) + 2 * twice) / rows
    reach = float(norm.ppf((1 + CONFIDENCE) / 2)) * error
    return share, (max(0.0, share - reach), min(1.0, share + reach))


def _greatest_missed(rows: int) -> float:
    """Return a share such that *rows* rows hold each value of at least that share, with the confidence.

    At most 1 / t values have a share of t, and each is missing with the probability (1 - t)^n ≤ exp(-n t).
    """
    return min(1.0, math.log(rows / (1 - CONFIDENCE)) / rows) if rows else 1.0


def _result(beyond: bool, count: int, rows: int, rule: QualityRule) -> Result:
    """Return what *count* of *rows* says: one value alone never fails, whatever the limit."""
    if rows < rule.least_rows:
        return "undecided"
    return pass_if(not beyond or count <= 1)


def _too_few(rows: int, rule: QualityRule) -> str:
    return f"; {rows} of {rule.least_rows} rows that it takes to tell" if rows < rule.least_rows else ""


def _difference(count: int, rows: int, count_before: int, rows_before: int) -> tuple[float, float]:
    """Return the interval of *count* in *rows* less *count_before* in *rows_before*; both shares are estimates.

    Everything is possible of no rows.
    """
    if not rows or not rows_before:
        return -1.0, 1.0
    before = _interval(count_before, rows_before)
    return _less(count / rows, _interval(count, rows), count_before / rows_before, before)


def _less(
    share: float, interval: tuple[float, float], before: float, interval_before: tuple[float, float]
) -> tuple[float, float]:
    """Return the interval of *share* less *before*, of which each has its own.

    By Newcombe's hybrid (Newcombe 1998, "Interval estimation for the difference between independent proportions",
    method 10).
    """
    (low, high), (low_before, high_before) = interval, interval_before
    below = math.hypot(share - low, high_before - before)
    above = math.hypot(high - share, before - low_before)
    return share - before - below, share - before + above


def _interval(count: int, rows: int) -> tuple[float, float]:
    """Return Wilson's score interval (Wilson 1927) of *count* in *rows*; everything is possible of no rows."""
    if rows == 0:
        return 0.0, 1.0
    bounds = binomtest(count, rows).proportion_ci(CONFIDENCE, method="wilson")
    return float(bounds.low), float(bounds.high)
