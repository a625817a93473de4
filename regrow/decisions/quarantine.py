"""Whether more rows of a batch are set aside than usual."""

from collections.abc import Sequence
from statistics import median

LEAST_SHARE = 0.005
"""A share of the rows below which nothing is unusual."""
LEAST_PAST = 3
"""Batches before, below which nothing is usual yet: then half of the limit is."""
TIMES = 2.0


def usual_share(past: Sequence[float], limit: float) -> float:
    """Return the share of rows set aside up to which a batch is like others.

    *past* are the shares of the batches before, *limit* is the share from which a batch is rejected. Twice the median
    of the last batches counts as usual, so that one broken batch does not make the next look well.
    """
    if len(past) < LEAST_PAST:
        return max(limit / 2, LEAST_SHARE)
    return max(TIMES * median(past), LEAST_SHARE)
