"""The bins of a column."""

import numpy as np
import pandas as pd

from regrow.decisions.bins import comparable, cut

RANDOM = np.random.default_rng(0)


def shares(reference: pd.Series, window: pd.Series) -> list[float]:
    """Return the share of each bin of *reference* that *window* has."""
    bins = cut(reference)
    return (np.bincount(bins.codes(window), minlength=bins.count) / len(window)).round(3).tolist()


def test_numbers_are_cut_at_their_tenths() -> None:
    """Ten bins of a tenth each, none missing; what lies beyond the reference is in the first or the last one."""
    numbers = pd.Series(RANDOM.normal(size=10_000))
    assert shares(numbers, numbers) == [0.1] * 10 + [0.0]
    assert shares(numbers, pd.Series([-1e300, 1e300])) == [0.5] + [0.0] * 8 + [0.5, 0.0]


def test_one_outlier_moves_no_bin() -> None:
    """A value of a million leaves all other bins where they were: a shift beside it is seen."""
    numbers = pd.Series(RANDOM.normal(size=10_000))
    spoilt = pd.concat([numbers, pd.Series([1e6])])
    assert np.abs(np.subtract(shares(spoilt, numbers + 3), shares(numbers, numbers + 3))).max() < 0.01


def test_a_value_that_fills_a_tenth_has_a_bin_of_its_own() -> None:
    """Of a column that is nearly always 0, what is below and above lies in bins of its own; so of a constant one."""
    rain = pd.Series(np.where(np.arange(1000) % 20 == 0, 0.5, 0.0))
    assert shares(rain, pd.Series([-1.0, 0.0, 0.0, 7.0])) == [0.25, 0.5, 0.25, 0.0]
    assert shares(pd.Series([3.0] * 50), pd.Series([2.0, 3.0, 3.5, 3.0])) == [0.25, 0.5, 0.25, 0.0]


def test_rare_and_new_categories_share_a_bin() -> None:
    """A column of thousands of categories has one bin for all that are rare, and what is new lies there too."""
    words = pd.Series([f"w{place}" for place in range(5000)] + ["often"] * 5000, dtype=object)
    assert shares(words, pd.Series(["often", "w7", "new", None], dtype=object)) == [0.25, 0.5, 0.25]


def test_missing_values_have_a_bin() -> None:
    """Missing and infinite numbers are the last bin's; a column without any value has it alone."""
    gaps = comparable(pd.Series([1.0, np.nan, np.inf, 2.0]), is_number=True)
    assert shares(gaps, gaps)[-1] == 0.5
    nothing = comparable(pd.Series([None, None]), is_number=False)
    assert shares(nothing, nothing) == [0.0, 1.0]


def test_labels_sort_in_the_order_of_the_bins() -> None:
    """A report shows the bins in their order, each by its bounds."""
    labels = cut(pd.Series(np.arange(100.0))).labels
    assert labels == sorted(labels)
    assert (labels[0], labels[-2:]) == ("01 to 9", ["10 above 89", "11 missing"])
