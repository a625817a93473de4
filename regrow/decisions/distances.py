"""How far two frames' columns lie apart, by Evidently."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from regrow.project.monitoring import DriftMethod

DRAWN = 100
"""Columns that a report draws at most, the farthest apart: each takes a fifth of a second and 40 kB."""


@dataclass(frozen=True)
class Distances:
    """Each compared column's distance, and what a report of them is drawn from."""

    values: dict[str, float]
    reference: pd.DataFrame
    window: pd.DataFrame
    """Both with the columns of `values` alone, as they were compared: floats, or text."""
    method: DriftMethod
    thresholds: Mapping[str, float]

    def save_html(self, path: Path) -> None:
        """Write a report to *path* as one HTML page that needs no network; of many columns it shows `DRAWN`."""
        if not self.values:
            path.write_text("<p>No column has values on both sides.</p>", encoding="utf-8")
            return
        from evidently import DataDefinition, Dataset, Report
        from evidently.metrics import ValueDrift

        farthest = set(sorted(self.values, key=lambda name: -self.values[name])[:DRAWN])
        names = [name for name in self.values if name in farthest]
        numbers = [name for name in names if _is_number(self.reference[name])]
        definition = DataDefinition(
            numerical_columns=numbers, categorical_columns=[name for name in names if name not in numbers]
        )
        left, right = (
            Dataset.from_pandas(frame[names], data_definition=definition)
            for frame in (self.reference, self.window)
        )
        metrics = [
            ValueDrift(
                column=name, method=_method(self.method, name in numbers), threshold=self.thresholds[name]
            )
            for name in names
        ]
        Report(list(metrics)).run(right, left).save_html(str(path))


def measure_distances(
    reference: pd.DataFrame, window: pd.DataFrame, method: DriftMethod, thresholds: Mapping[str, float]
) -> Distances:
    """Compare *window* with *reference* in each column of *thresholds*, each once.

    A column without a finite value on either side is left out. Categories have no Wasserstein distance: theirs is
    Jensen-Shannon's. The thresholds only colour the report.
    """
    from evidently.legacy.calculations import stattests
    from evidently.legacy.core import ColumnType

    # Evidently's own report would draw a picture for each: four fifths of its time, and mostly for nobody.
    tests = {
        "psi": stattests.psi_stat_test,
        "jensenshannon": stattests.jensenshannon_stat_test,
        "wasserstein": stattests.wasserstein_stat_test,
    }
    values, sides = dict[str, float](), (dict[str, pd.Series](), dict[str, pd.Series]())
    for name, threshold in thresholds.items():
        is_number = _is_number(reference[name]) and _is_number(window[name])
        left, right = (_comparable(frame[name], is_number) for frame in (reference, window))
        known = left.dropna(), right.dropna()
        if known[0].empty or known[1].empty:
            continue
        kind = ColumnType.Numerical if is_number else ColumnType.Categorical
        found = tests[_method(method, is_number)](*known, kind, threshold)
        values[name] = float(found.drift_score)
        for side, column in zip(sides, (left, right), strict=True):
            side[name] = column
    return Distances(values, pd.DataFrame(sides[0]), pd.DataFrame(sides[1]), method, thresholds)


def _method(method: DriftMethod, is_number: bool) -> DriftMethod:
    """Return the distance in force for a column of numbers, or of categories."""
    return "jensenshannon" if method == "wasserstein" and not is_number else method


def _is_number(column: pd.Series) -> bool:
    """Return whether *column* is compared by its numbers; times are, as seconds."""
    is_bool = pd.api.types.is_bool_dtype(column)
    return _is_time(column) or (pd.api.types.is_numeric_dtype(column) and not is_bool)


def _is_time(column: pd.Series) -> bool:
    return pd.api.types.is_datetime64_any_dtype(column)


def _comparable(column: pd.Series, is_number: bool) -> pd.Series:
    """Turn numbers into floats, infinite ones into missing, anything else into text: one type on both sides."""
    return _as_float(column).replace([-np.inf, np.inf], np.nan) if is_number else _as_text(column)


def _as_float(column: pd.Series) -> pd.Series:
    """Return *column* as floats, times as seconds of the epoch."""
    if _is_time(column):
        epoch = pd.Timestamp(0, tz="UTC")
        return (pd.to_datetime(column, utc=True) - epoch).dt.total_seconds()
    return column.astype("float64")


def _as_text(column: pd.Series) -> pd.Series:
    """Return *column* as text, missing values as None."""
    present = column.astype("object")
    return present.map(str, na_action="ignore").where(present.notna(), None)
