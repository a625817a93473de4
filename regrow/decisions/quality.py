"""Data quality: served rows that lack values, or hold values that the reference did not."""

import pandas as pd
from scipy.stats import binomtest

from regrow.project import QualityRule
from regrow.verdict import Finding, pass_if

CONFIDENCE = 0.95


def judge_quality(reference: pd.DataFrame, current: pd.DataFrame, rule: QualityRule) -> tuple[Finding, ...]:
    """Judge each column's rise of missing values, and its share of values that *reference* does not hold.

    A share fails when even the lower bound of its Wilson interval is beyond the limit: few rows do not alarm.
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
    """Tell whether *column* holds categories rather than numbers or times."""
    return not (pd.api.types.is_numeric_dtype(column) or pd.api.types.is_datetime64_any_dtype(column))


def _column(frame: pd.DataFrame, name: str) -> pd.Series:
    """Give column *name*, all missing where *frame* lacks it."""
    return frame[name] if name in frame.columns else pd.Series([None] * len(frame), name=name, dtype=object)


def _judge_missing(reference: pd.Series, current: pd.Series, rule: QualityRule) -> Finding:
    """Judge the rise of one column's missing share."""
    before = float(reference.isna().mean()) if len(reference) else 0.0
    low, high = _interval(int(current.isna().sum()), len(current))
    rise = float(current.isna().mean()) - before
    return Finding(
        rule=f"missing values of {reference.name} at most {rule.missing:g} above the reference",
        subject="quality",
        result=pass_if(low - before <= rule.missing) if len(current) else "undecided",
        figure=rise,
        limit=rule.missing,
        interval=(low - before, high - before),
        confidence=CONFIDENCE,
        rows=len(current),
        detail=f"{reference.name}: {before + rise:.1%} missing, {before:.1%} in the reference",
    )


def _judge_unseen(reference: pd.Series, current: pd.Series, rule: QualityRule) -> Finding:
    """Judge the share of one column's values that the reference does not hold."""
    present = current.dropna()
    new = present[~present.isin(reference.dropna().unique())]
    low, high = _interval(len(new), len(present))
    examples = ", ".join(sorted({str(value) for value in new})[:3])
    return Finding(
        rule=f"unseen values of {reference.name} at most {rule.unseen:g}",
        subject="quality",
        result=pass_if(low <= rule.unseen) if len(present) else "undecided",
        figure=len(new) / len(present) if len(present) else 0.0,
        limit=rule.unseen,
        interval=(low, high),
        confidence=CONFIDENCE,
        rows=len(present),
        detail=f"{reference.name}: {len(new)} of {len(present)} values not in the reference"
        + (f" ({examples})" if examples else ""),
    )


def _interval(count: int, rows: int) -> tuple[float, float]:
    """Give Wilson's score interval (Wilson 1927) of *count* in *rows*; everything is possible of no rows."""
    if rows == 0:
        return 0.0, 1.0
    bounds = binomtest(count, rows).proportion_ci(CONFIDENCE, method="wilson")
    return float(bounds.low), float(bounds.high)
