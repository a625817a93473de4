"""Skew: features that were served for a row and are others in the source."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api import types

from regrow.base.verdict import Finding, pass_if

CLOSE = 1e-9
"""Relative difference up to which two numbers are one: that of the order in which a sum is taken."""
MOST_NAMED = 5
"""Columns that a finding names."""


def differs(served: pd.Series, given: pd.Series) -> NDArray[np.bool_]:
    """Return in which rows *served* and *given*, row by row of the same, are not the same value; two gaps are."""
    gaps, known = served.isna().to_numpy(), given.isna().to_numpy()
    both = ~gaps & ~known
    different = gaps != known
    one, other = served[both], given[both]
    if types.is_numeric_dtype(one) and types.is_numeric_dtype(other):
        numbers = one.to_numpy("float64"), other.to_numpy("float64")
        different[both] = ~np.isclose(*numbers, rtol=CLOSE, atol=0.0)
    elif types.is_datetime64_any_dtype(one) and types.is_datetime64_any_dtype(other):
        moments = pd.to_datetime(one, utc=True), pd.to_datetime(other, utc=True)
        different[both] = moments[0].to_numpy() != moments[1].to_numpy()
    else:
        different[both] = one.astype("str").to_numpy() != other.astype("str").to_numpy()
    return different


def skew_by_column(served: pd.DataFrame, given: pd.DataFrame) -> dict[str, float]:
    """Return the share of rows in which each column of both frames differs; their rows are the same, in one order."""
    if served.empty:
        return {}
    return {str(name): float(differs(served[name], given[name]).mean()) for name in served if name in given}


def judge_skew(shares: dict[str, float], rows: int, served: int, limit: float | None) -> Finding:
    """Return what the *shares* of *rows* tell, of *served* that were looked for; without a *limit* they pass."""
    skewed = sorted((name for name in shares if shares[name]), key=lambda name: -shares[name])
    told = ", ".join(f"`{name}` in {shares[name]:.1%}" for name in skewed[:MOST_NAMED])
    more = f" and {len(skewed) - MOST_NAMED} more columns" if len(skewed) > MOST_NAMED else ""
    found = f"served and source differ: {told}{more}" if skewed else "served and source agree"
    worst = max(shares.values(), default=None)
    return Finding(
        rule="served features as in the source"
        + ("" if limit is None else f", but for {limit:.1%} of the rows"),
        subject="quality",
        result=pass_if(limit is None or worst is None or worst <= limit),
        figure=worst,
        limit=limit,
        rows=rows,
        detail=f"{found if rows else 'nothing to compare'} ({rows} of {served} served rows are in the source)",
    )
