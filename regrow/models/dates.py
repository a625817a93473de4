"""Dates as numbers, inside of the stored pipeline."""

from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin

PARTS = ("year", "month", "day", "weekday", "hour")
DAY = np.timedelta64(1, "D") / np.timedelta64(1, "us")


class DateParts(TransformerMixin, BaseEstimator):
    """Makes year, month, day, weekday and hour (UTC) of each date; a missing date has none of them."""

    def fit(self, X: pd.DataFrame, y: Any = None) -> Self:
        """Remember the columns."""
        self.feature_names_in_ = np.asarray(X.columns, dtype=object)
        return self

    def transform(self, X: pd.DataFrame) -> NDArray[np.float64]:
        """Return `(rows, parts)`: the parts of the first date, then of the second."""
        dates = [pd.DatetimeIndex(X[name]) for name in X]
        parts = [np.asarray(getattr(each, part), dtype=np.float64) for each in dates for part in PARTS]
        return np.column_stack(parts)

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[Any]:
        """Name the parts."""
        return np.array([f"{name}_{part}" for name in self.feature_names_in_ for part in PARTS], dtype=object)


class DateAges(TransformerMixin, BaseEstimator):
    """Makes of each date its days before the moment in the last column; a missing one has no age."""

    def fit(self, X: pd.DataFrame, y: Any = None) -> Self:
        """Remember the columns."""
        self.feature_names_in_ = np.asarray(X.columns, dtype=object)
        return self

    def transform(self, X: pd.DataFrame) -> NDArray[np.float64]:
        """Return `(rows, dates)` ages in days; a date after the moment has a negative one."""
        *dates, moment = (X[name].to_numpy(dtype="datetime64[us]") for name in X)
        return np.column_stack([_days(moment - each) for each in dates])

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[Any]:
        """Name the ages."""
        return np.array([f"{name}_age" for name in self.feature_names_in_[:-1]], dtype=object)


def _days(lengths: NDArray[np.timedelta64]) -> NDArray[np.float64]:
    """Return *lengths* in days; NaN for a missing one."""
    return np.where(np.isnat(lengths), np.nan, lengths.astype(np.int64) / DAY)
