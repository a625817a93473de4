"""How old rows must be for nearly all of their labels to have come."""

from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

Seconds = NDArray[np.float64]


def maturity_age(lags: Seconds, ages: Seconds, share: float) -> timedelta | None:
    """Return the least age by which *share* of the rows that will ever have a label have it; None if none has.

    *lags* are the times from event to label, *ages* those from event to now, of labelled rows, in seconds. A slow
    label of a young row is not there yet, so quick ones would be too many: each lag is weighed against the rows that
    are old enough to show it, by the estimator of Lynden-Bell (1971) for right-truncated data. What comes later than
    any label that has come so far is not foreseen.
    """
    if not len(lags):
        return None
    lags = np.maximum(lags, 0.0)
    values, counts = np.unique(lags, return_counts=True)
    by_then = np.searchsorted(np.sort(lags), values, side="right")
    younger = np.searchsorted(np.sort(np.maximum(ages, lags)), values, side="left")
    kept = 1 - counts / np.maximum(by_then - younger, counts)
    reached = np.append(np.cumprod(kept[:0:-1])[::-1], 1.0)
    return timedelta(seconds=float(values[np.argmax(reached >= share)]))
