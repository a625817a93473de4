"""How far two frames' columns lie apart, by Evidently."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from regrow.project.monitoring import DriftMethod

if TYPE_CHECKING:
    from evidently.core.report import Snapshot as EvidentlyReport


@dataclass(frozen=True)
class Distances:
    """Each compared column's distance, and the report that shows it."""

    values: dict[str, float]
    report: "EvidentlyReport | None"
    """None if no column could be compared."""

    def save_html(self, path: Path) -> None:
        """Write the report to *path* as one HTML page that needs no network."""
        if self.report is None:
            path.write_text("<p>No column has values on both sides.</p>", encoding="utf-8")
        else:
            self.report.save_html(str(path))


def measure_distances(
    reference: pd.DataFrame, window: pd.DataFrame, method: DriftMethod, thresholds: Mapping[str, float]
) -> Distances:
    """Compare *window* with *reference* in each column of *thresholds*, each once.

    A column without a value on either side is left out. Categories have no Wasserstein distance: theirs is
    Jensen-Shannon's. The thresholds only colour the report.
    """
    names = [name for name in thresholds if reference[name].notna().any() and window[name].notna().any()]
    if not names:
        return Distances({}, None)
    from evidently import DataDefinition, Dataset, Report
    from evidently.metrics import ValueDrift

    numbers = [name for name in names if _is_number(reference[name]) and _is_number(window[name])]
    definition = DataDefinition(
        numerical_columns=numbers, categorical_columns=[name for name in names if name not in numbers]
    )
    left, right = (
        Dataset.from_pandas(_comparable(frame[names], numbers), data_definition=definition)
        for frame in (reference, window)
    )
    metrics = [
        ValueDrift(column=name, method=_method(method, name in numbers), threshold=thresholds[name])
        for name in names
    ]
    report = Report(list(metrics)).run(right, left)
    distances = [float(report.metric_results[metric.get_metric_id()].value) for metric in metrics]  # pyright: ignore
    return Distances(dict(zip(names, distances, strict=True)), report)


def _method(method: DriftMethod, is_number: bool) -> DriftMethod:
    """Return the distance in force for a column of numbers, or of categories."""
    return "jensenshannon" if method == "wasserstein" and not is_number else method


def _is_number(column: pd.Series) -> bool:
    """Return whether *column* is compared by its numbers; times are, as seconds."""
    is_bool = pd.api.types.is_bool_dtype(column)
    return _is_time(column) or (pd.api.types.is_numeric_dtype(column) and not is_bool)


def _is_time(column: pd.Series) -> bool:
    return pd.api.types.is_datetime64_any_dtype(column)


def _comparable(frame: pd.DataFrame, numbers: list[str]) -> pd.DataFrame:
    """Turn *numbers* into floats and the other columns into plain text, so that both sides have one type."""
    columns = {name: _as_float(frame[name]) if name in numbers else _as_text(frame[name]) for name in frame}
    return pd.DataFrame(columns, index=frame.index)


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
