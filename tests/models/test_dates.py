"""Dates as numbers."""

import numpy as np
import pandas as pd

from regrow.models.dates import DateAges, DateParts

ROWS = pd.DataFrame(
    {
        "since": pd.to_datetime(["2024-02-29 06:00", None]).astype("datetime64[us]"),
        "at": pd.to_datetime(["2024-03-01 18:00", "2024-03-02 00:00"]).astype("datetime64[us]"),
    }
)


def test_the_parts_of_a_date() -> None:
    """A date is its year, month, day, weekday (Monday is 0) and hour; a missing one is none of them."""
    parts = DateParts().fit(ROWS[["since"]]).transform(ROWS[["since"]])
    assert parts[0].tolist() == [2024, 2, 29, 3, 6]
    assert np.isnan(parts[1]).all()


def test_the_age_of_a_date() -> None:
    """An age is in days before the moment of the last column; a missing date has none."""
    ages = DateAges().fit(ROWS).transform(ROWS)
    assert ages[0].tolist() == [1.5]
    assert np.isnan(ages[1, 0])
    assert list(DateAges().fit(ROWS).get_feature_names_out()) == ["since_age"]
